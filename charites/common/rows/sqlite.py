"""Sets of rows on SQLite, which takes a value as it comes: its times are texts."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

NOW: Final = "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')"
LOCK: Final = ""  # there is one writer
SHARE: Final = ""
THEN: Final = "JOIN"
TELL: Final = ""
TOLD: Final = "RETURNING num"
BY: Final = defaultdict[str, str](str)
UPDATE: Final = "UPDATE {table} SET {change} FROM {sent} WHERE {on} AND {still}"
UPDATE_BY: Final = UPDATE


def told_by(cursor: Any) -> int | None:
    """What an UPDATE of one row has told, which ends with `{told}`; None: there was no row to change."""
    row = cursor.fetchone()
    return int(row[0]) if row else None


def json_table(name: str, columns: Mapping[str, str]) -> str:
    """A table of this name, whose rows are the arrays of a JSON parameter; columns: name -> kind."""
    values = ", ".join(f"json_extract(value, '$[{n}]') AS {column}" for n, column in enumerate(columns))
    return f"(SELECT {values} FROM json_each(%s)) AS {name}"
