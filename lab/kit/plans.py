"""How MariaDB means to carry out statements: EXPLAIN of each statement that the shop sends, as it sends it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from lab.kit.wrappers import on_every_connection

WHOLE = {"ALL", "index"}  # the ways of reading all rows: of the table, or of an index of it
LIST = re.compile(r"(%s, )+%s")
EXPLAINABLE = re.compile(r"\s*(SELECT|UPDATE|DELETE|INSERT\b.*\bSELECT)\b", re.S | re.I)


class Step(NamedTuple):
    """One line of EXPLAIN: how one table is read, in one SELECT of a statement."""

    select: int | None  # None: the result of a UNION
    kind: str
    table: str | None
    access: str | None
    possible_keys: str | None
    key: str | None
    key_bytes: str | None
    key_of: str | None
    rows: str | None
    extra: str | None

    @property
    def row_count(self) -> int:
        """How many rows the planner expects; with a rowid filter it adds how many of them that leaves."""
        return int((self.rows or "0").split()[0])

    @property
    def reads_a_table(self) -> bool:
        """Not the rows of a parameter, nor the result of another step."""
        is_parameter = "Table function" in (self.extra or "")
        return bool(self.table) and not str(self.table).startswith("<") and not is_parameter

    def __str__(self) -> str:
        return f"{self.table}: {self.access} by {self.key}, {self.rows} rows, {self.extra}"


class Sent(NamedTuple):
    """A statement, without its values; how it was to be carried out; and how many rows were then read for it."""

    sql: str
    steps: tuple[Step, ...]
    rows_read: int

    @property
    def locks(self) -> bool:
        return "FOR UPDATE" in self.sql or self.sql.startswith(("UPDATE", "DELETE"))

    def faults(self, few: int) -> list[str]:
        """What reads a whole table, sorts or keeps many rows, or looks at more than a few of them."""
        stops_early = " LIMIT " in self.sql
        found = []
        for step in self.steps:
            is_kept = "filesort" in str(step.extra) or "temporary" in str(step.extra)
            is_long = step.row_count > few and (is_kept or not stops_early)
            is_whole = step.access == "ALL" or (step.access == "index" and not stops_early)
            if step.reads_a_table and (is_long or is_whole):
                found.append(str(step))
        return [*found, f"{self.rows_read} rows read"] if found or self.rows_read > few else []


def explain(cursor: Any, sql: str, params: Any = None) -> tuple[Step, ...]:
    cursor.execute(f"EXPLAIN {sql}", params)
    return tuple(Step(*row) for row in cursor.fetchall())


def count_rows_read(cursor: Any) -> int:
    """How many rows this connection has read so far, each time that it did."""
    cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
    return sum(int(count) for name, count in cursor.fetchall() if name != "Handler_read_key")


@contextmanager
def all_statements() -> Iterator[list[Sent]]:
    """Yields what is sent from now on, by whatever thread; each statement is explained just before it is sent."""
    found: list[Sent] = []

    def look(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if many or not EXPLAINABLE.match(sql):
            return execute(sql, params, many, context)
        with context["connection"].connection.cursor() as cursor:  # the driver's: it must not be looked at
            steps, before = explain(cursor, sql, params), count_rows_read(cursor)
        result = execute(sql, params, many, context)
        with context["connection"].connection.cursor() as cursor:
            read = count_rows_read(cursor) - before
        found.append(Sent(LIST.sub("%s, ...", " ".join(sql.split())), steps, read))
        return result

    with on_every_connection(look):
        yield found
