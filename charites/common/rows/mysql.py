"""Sets of rows on MySQL (8.0.4 and later) and MariaDB (10.6.20, 10.11.10, 11.4.4 and later: the versions before them
left the backslashes in what JSON_TABLE read, MDEV-27412)."""

from collections.abc import Mapping
from typing import Any, Final

NOW: Final = "CURRENT_TIMESTAMP(6)"
LOCK: Final = "FOR UPDATE"
SHARE: Final = "LOCK IN SHARE MODE"
THEN: Final = "STRAIGHT_JOIN"
UPDATE: Final = "UPDATE {table} JOIN {sent} ON {on} SET {change} WHERE {still}"
UPDATE_BY: Final = "UPDATE {sent} STRAIGHT_JOIN {table} FORCE INDEX ({by}) ON {on} SET {change} WHERE {still}"
TYPES: Final = {"number": "BIGINT", "text": "LONGTEXT", "time": "DATETIME(6)"}


TELL: Final = "LAST_INSERT_ID"
TOLD: Final = ""


class ByIndex(dict[str, str]):
    """A table with few rows is read from end to end unless told otherwise; whoever locks what it reads then waits for
    everybody who has locked anything."""

    def __missing__(self, name: str) -> str:
        return f"FORCE INDEX ({name})"


BY: Final = ByIndex()


def told_by(cursor: Any) -> int | None:
    """What such an UPDATE has told; None: there was no row to change."""
    return int(cursor.lastrowid) if cursor.rowcount == 1 else None


def json_table(name: str, columns: Mapping[str, str]) -> str:
    """A table of this name, whose rows are the arrays of a JSON parameter; columns: name -> kind."""
    paths = ", ".join(f"{column} {TYPES[kind]} PATH '$[{n}]'" for n, (column, kind) in enumerate(columns.items()))
    return f"JSON_TABLE(%s, '$[*]' COLUMNS ({paths})) AS {name}"
