"""Watches every statement of the test run that changes a stock row.

Each UPDATE of `shopping_stock` adds 1 to `version`, and is either relative and guarded (`num = num - 2 ... WHERE
num >= 2`) or carries the version that was read (`WHERE version = 7`). Only then may strategies be mixed between
processes. `find_fault` says what is wrong with one statement; the fixture in the top conftest.py fails the test
that sent it, in whatever thread.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

TABLE = "shopping_stock"
COUNTS = ("num", "lock", "sold")
# Placeholders, names with their table in front, comparisons, and everything else one character at a time.
TOKEN = re.compile(r"%s|%\(\w+\)s|(?:\w+\.)?\w+|>=|<=|<>|!=|\S")
KEYWORDS = {"set", "from", "where", "returning", "order", "limit"}

# What `watch` found since somebody cleared it. Threads append to it too.
complaints: list[str] = []


class Value(NamedTuple):
    """A placeholder, with what was sent for it."""

    value: Any


Tokens = list[str | Value]


def find_fault(sql: str, params: Any = None) -> str | None:
    """Returns what is wrong with a statement, or None. `params` as they go to `cursor.execute`."""
    if TABLE not in sql:
        return None
    tokens = tokenize(sql, params)
    start = find_update(tokens)
    if start is None:
        return find_fault_of_upsert(tokens)
    clauses = split_clauses(tokens[start:])
    split = split_assignments(clauses.get("set", []))
    assignments = {name: without_telling(expression) for name, expression in split}
    conditions = clauses.get("where", [])
    if delta_of("version", assignments.get("version", [])) != 1:
        return "does not add 1 to version"
    if carries_version(conditions):
        return None
    changed = [name for name in COUNTS if name in assignments]
    faults = [find_fault_of_count(name, assignments[name], conditions) for name in changed]
    return next(filter(None, faults), None)


def find_update(tokens: Tokens) -> int | None:
    """Where an UPDATE of stock rows begins, by the table's name alone or among those that it is joined with."""
    for at, token in enumerate(tokens):
        tables = tokens[at + 1 : tokens.index("set", at)] if token == "update" and "set" in tokens[at:] else []
        if TABLE in tables:
            return at + 1
    return None


def without_telling(expression: Tokens) -> Tokens:
    """`LAST_INSERT_ID(num - 2)` only tells what comes of it."""
    is_telling = expression[:2] == ["last_insert_id", "("] and expression[-1] == ")"
    return expression[2:-1] if is_telling else expression


def find_fault_of_upsert(tokens: Tokens) -> str | None:
    """An INSERT that meets an existing stock row may not change it, except by writing a column of its key again."""
    is_replace = find_sequence(tokens, ["replace", "into", TABLE]) is not None
    start = find_sequence(tokens, ["insert", "into", TABLE])
    if is_replace or find_sequence(tokens, ["insert", "or", "replace", "into", TABLE]) is not None:
        return "replaces a row"
    if start is None:
        return None
    on_conflict = find_sequence(tokens, ["key", "update"]) or find_sequence(tokens, ["do", "update", "set"])
    if on_conflict is None:
        return None
    syntax = {"key", "do", "update", "set", "value", "values", "(", ")"}
    end = tokens.index("returning") if "returning" in tokens else len(tokens)
    assigned = [token for token in tokens[on_conflict:end] if token not in syntax]
    is_unchanged = assigned in (["id", "=", "id"], ["goods_id", "=", "goods_id"])
    return None if is_unchanged else "changes an existing row in an INSERT"


def find_fault_of_count(name: str, expression: Tokens, conditions: Tokens) -> str | None:
    if name not in expression:
        return f"sets {name} to a computed value and does not carry the version it read"
    delta = delta_of(name, expression)
    if delta is not None and delta >= 0:
        return None
    guard = guard_of(name, conditions)
    if guard is None:
        return f"may lower {name} without a condition that there is enough"
    if delta is not None and isinstance(guard, int) and guard < -delta:
        return f"lowers {name} by {-delta} and only asks for {guard}"
    return None


def tokenize(sql: str, params: Any) -> Tokens:
    """Cuts a statement into lower-case words without quotes or table prefixes, the values filled in."""
    positional = iter(params or ()) if not isinstance(params, dict) else iter(())
    tokens: Tokens = []
    for word in TOKEN.findall(re.sub(r'["`]', "", sql)):
        if word == "%s":
            tokens.append(Value(next(positional, None)))
        elif word.startswith("%("):
            tokens.append(Value(params.get(word[2:-2]) if isinstance(params, dict) else None))
        else:
            tokens.append(word.lower().rpartition(".")[2])
    return tokens


def find_sequence(tokens: Tokens, words: Sequence[str]) -> int | None:
    places = range(len(tokens) - len(words) + 1)
    return next((at for at in places if tokens[at : at + len(words)] == list(words)), None)


def split_clauses(tokens: Tokens) -> dict[str, Tokens]:
    """Groups what follows SET, FROM and WHERE; keywords inside parentheses belong to a subquery."""
    clauses: dict[str, Tokens] = {}
    current: Tokens = []
    for depth, token in with_depth(tokens):
        if depth == 0 and isinstance(token, str) and token in KEYWORDS:
            current = clauses.setdefault(token, [])
        else:
            current.append(token)
    return clauses


def split_assignments(tokens: Tokens) -> Iterator[tuple[str, Tokens]]:
    """Yields (column, expression) of each `column = expression`."""
    part: Tokens = []
    for depth, token in [*with_depth(tokens), (0, ",")]:
        if depth == 0 and token == ",":
            if len(part) > 2:
                yield str(part[0]), part[2:]
            part = []
        else:
            part.append(token)


def with_depth(tokens: Tokens) -> Iterator[tuple[int, str | Value]]:
    depth = 0
    for token in tokens:
        depth -= token == ")"
        yield depth, token
        depth += token == "("


def delta_of(name: str, expression: Tokens) -> int | None:
    """Returns n of `name + n` or `name - n`; None when the expression is anything else."""
    match [token for token in expression if token not in ("(", ")")]:
        case [column, ("+" | "-") as sign, amount] if column == name:
            number = number_of(amount)
            return None if number is None else (number if sign == "+" else -number)
    return None


def number_of(token: str | Value) -> int | None:
    text = str(token.value if isinstance(token, Value) else token)
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def carries_version(conditions: Tokens) -> bool:
    """Whether the row must still have the version that was read: `version = <value>`."""
    at = find_sequence(conditions, ["version", "="])
    return at is not None and at + 2 < len(conditions) and number_of(conditions[at + 2]) is not None


def guard_of(name: str, conditions: Tokens) -> int | str | None:
    """Returns n of `name >= n`, "computed" for a condition like `name + ... >= 0`, or None without one."""
    if name not in conditions:
        return None
    at = find_sequence(conditions, [name, ">="])
    if at is not None and at + 2 < len(conditions):
        number = number_of(conditions[at + 2])
        return "computed" if number is None else number
    after = conditions[conditions.index(name) :]
    return "computed" if ">=" in after or ">" in after else None


def check(sql: str, params: Any, *, many: bool) -> str | None:
    """Returns the complaint about one call of `cursor.execute` or `executemany`, with its SQL, or None."""
    for row in params if many else [params]:
        if fault := find_fault(sql, row):
            return f"{fault}: {sql} with {row!r}"
    return None


def watch(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """A wrapper for `connection.execute_wrappers`: notes what is wrong, and lets the statement through."""
    if complaint := check(sql, params, many=many):
        complaints.append(complaint)
    return execute(sql, params, many, context)


def watch_connection(connection: Any, **_: Any) -> None:
    """Receives `connection_created`, which also comes when a connection is opened again."""
    if watch not in connection.execute_wrappers:
        connection.execute_wrappers.append(watch)
