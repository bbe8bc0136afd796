"""Statements about sets of rows: all values travel as one JSON parameter, and the database takes it apart.

The ORM prepares each value of each row by itself, which costs more than everything else about an order. Here Python
touches a row once, and what is the same in all of them stands in the statement. Used where buyers stand in line: for
new orders, their lines, keys, pieces and stock records, for stock rows and for payments; and for what archived orders
are added up to. Everything else is the ORM's.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from django.db import connection

from charites.common.rows import mysql, sqlite

Kind = Literal["number", "text", "time"]  # lists and objects are texts, too: as JSON
Columns = Mapping[str, Kind]
Rows = Sequence[Sequence[Any]]

DIALECTS = {"mysql": mysql, "sqlite": sqlite}
# Of one statement. Four bytes a character, and a backslash before each of many, are still below the 16 MB that MariaDB
# takes unless told otherwise (`max_allowed_packet`).
MOST_CHARACTERS = 2_000_000


@cache
def for_database(sql: str, vendor: str, **tables: str) -> str:
    """A statement in the words of one kind of database: {now} is its time, {lock} and {share} lock what is read, and
    `a {then} b {by[name]}` finds the rows of b by that index; {tell} and {told}: see `told_by`. What the tables
    in braces are is given."""
    dialect = DIALECTS[vendor]
    words = {"now": dialect.NOW, "lock": dialect.LOCK, "share": dialect.SHARE, "then": dialect.THEN, "by": dialect.BY}
    words |= {"tell": dialect.TELL, "told": dialect.TOLD}
    return " ".join(sql.format(**words, **tables).split())


def told_by(cursor: Any) -> int | None:
    """What `num` of one row is after `UPDATE ... SET num = {tell}(num + 1) ... {told}`, without another look; None:
    there was no row to change."""
    told: int | None = DIALECTS[connection.vendor].told_by(cursor)
    return told


class RowsLost(RuntimeError):
    """A set was not inserted whole: a defect of its statement."""


class SetStatement:
    """A statement about any number of rows, which its SQL finds in {sent}: `SELECT ... FROM {sent} JOIN ...`.

    Where many of them have something in common, that travels once, in {shared}: the last column of a row is a number,
    and so is the first one of what it shares. {now} is the database's time.
    """

    def __init__(self, sql: str, *, sent: Columns, shared: Columns | None = None) -> None:
        self._sql, self._tables = sql, {"sent": sent, "shared": shared or {}}

    @cache  # noqa: B019 (a statement lives as long as its module)
    def sql(self, vendor: str) -> str:
        """The statement in the words of one kind of database."""
        json_table = DIALECTS[vendor].json_table
        return for_database(
            self._sql, vendor, **{name: json_table(name, columns) for name, columns in self._tables.items()}
        )

    def select(self, rows: Rows) -> list[tuple[Any, ...]]:
        """Returns what a SELECT finds for these rows."""
        with connection.cursor() as cursor:
            cursor.execute(self.sql(connection.vendor), [as_json(rows)])
            return list(cursor.fetchall())

    def execute(self, rows: Rows) -> None:
        """Carries out a change that is no row for a row."""
        with connection.cursor() as cursor:
            cursor.execute(self.sql(connection.vendor), [as_json(rows)])

    def insert(self, rows: Rows, shared: Mapping[int, Sequence[Any]] | None = None) -> None:
        """Inserts the rows in the caller's transaction, in as many statements as their size asks for."""
        if not rows:
            return
        parameters = [as_json(rows)]
        if shared is not None:
            parameters.append(as_json([(number, *shared[number]) for number in {row[-1] for row in rows}]))
        if sum(map(len, parameters)) > MOST_CHARACTERS and len(rows) > 1:
            half = len(rows) // 2
            self.insert(rows[:half], shared)
            self.insert(rows[half:], shared)
            return
        with connection.cursor() as cursor:
            cursor.execute(self.sql(connection.vendor), parameters)
            if cursor.rowcount != len(rows):
                raise RowsLost(f"{cursor.rowcount} of {len(rows)}")


class SetUpdate:
    """Changes the rows of a table that `on` finds for those sent and that `still` are as they have to be. The columns
    that are sent bear names that the table has not. `by`: the index that finds the rows, where that is said."""

    def __init__(self, table: str, change: str, *, on: str, still: str, sent: Columns, by: str = "") -> None:
        self._words = {"table": table, "change": change, "on": on, "still": still, "by": by}
        self._sent = sent

    @cache  # noqa: B019 (a statement lives as long as its module)
    def sql(self, vendor: str) -> str:
        """The statement in the words of one kind of database."""
        dialect = DIALECTS[vendor]
        template = dialect.UPDATE_BY if self._words["by"] else dialect.UPDATE
        sql = template.format(**self._words, sent=dialect.json_table("sent", self._sent))
        return for_database(sql, vendor)

    def run(self, rows: Rows) -> int:
        """Changes the rows; returns how many there were to change. No set of them is long, so it is one statement."""
        with connection.cursor() as cursor:
            cursor.execute(self.sql(connection.vendor), [as_json(rows)])
            return int(cursor.rowcount)


def as_json(rows: Rows) -> str:
    """The parameter that carries a set."""
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"), default=as_text)


def as_text(value: object) -> str:
    """A time, as databases write it: in UTC, without saying so."""
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is nothing that a set of rows can hold")
    return str(value.astimezone(UTC).replace(tzinfo=None))
