"""What a database has to be able to do, looked at by `migrate` and by `check --database default`."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from charites.common.rows import SetStatement, as_json

HARD = 'a "quote", a \\ and a\ttab'
ECHO = SetStatement("SELECT words FROM {sent}", sent={"words": "text"})


@register(Tags.database)
def check_sets_of_rows(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Some versions of MariaDB leave the backslashes in what JSON_TABLE reads: whatever was stored would be wrong."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        with connection.cursor() as cursor:
            cursor.execute(ECHO.sql(connection.vendor), [as_json([[HARD]])])
            (echo,) = cursor.fetchone()
        if echo != HARD:
            hint = "Take MariaDB 10.6.20, 10.11.10, 11.4.4 or later (MDEV-27412), or MySQL 8.0.4 or later."
            found.append(Error(f"The database reads {HARD!r} as {echo!r}.", hint=hint, id="charites.E001"))
    return found
