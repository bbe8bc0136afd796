"""What a process of the shop looks at before it serves: system checks of Django, all of them errors.

`check` runs those of the settings, `migrate` and `check --database default` also those of the database, and what serves
(`charites/start.py`) all of them.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from charites.common.rows import SetStatement, as_json

SERVING = "charites"  # the tag of them all

HARD = 'a "quote", a \\ and a\ttab'
ECHO = SetStatement("SELECT words FROM {sent}", sent={"words": "text"})
OLDEST_SQLITE = (3, 35)
SQLITE = "Take a Python with SQLite 3.35 or later, or MariaDB."
VERSIONS = "Take MariaDB 10.6.20, 10.11.10, 11.4.4 or later (MDEV-27412), or MySQL 8.0.4 or later."

CHARSET = "utf8mb4"
SESSION = {
    "character_set_client": CHARSET,
    "character_set_connection": CHARSET,
    "character_set_database": CHARSET,
    "tx_isolation": "READ-COMMITTED",  # MariaDB until 11
    "transaction_isolation": "READ-COMMITTED",
}
NARROW_COLUMNS = """
    SELECT CONCAT(table_name, '.', column_name) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND character_set_name <> 'utf8mb4' AND table_name IN %s
    ORDER BY table_name, ordinal_position"""

Look = Callable[[BaseDatabaseWrapper], Iterator[Error]]


def register_sentences(number: str, sentences: Callable[[], Iterator[str]]) -> None:
    """Registers a check of settings by what it finds, a sentence each."""

    def check(**_: Any) -> list[CheckMessage]:
        return [Error(sentence, id=number) for sentence in sentences()]

    register(check, SERVING)


def of_database(look: Look, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """A check of every database that is to be looked at."""
    return [error for alias in databases or () for error in look(connections[alias])]


def check_sets_of_rows(connection: BaseDatabaseWrapper) -> Iterator[Error]:
    """Some versions of MariaDB leave the backslashes in what JSON_TABLE reads: whatever was stored would be wrong."""
    if connection.vendor == "sqlite" and sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield Error(f"SQLite {sqlite3.sqlite_version} has no RETURNING.", hint=SQLITE, id="charites.E001")
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(ECHO.sql(connection.vendor), [as_json([[HARD]])])
            (echo,) = cursor.fetchone()
    except DatabaseError as error:
        yield Error(f"The database cannot read sets of rows out of JSON ({error}).", hint=VERSIONS, id="charites.E001")
        return
    if echo != HARD:
        yield Error(f"The database reads {HARD!r} as {echo!r}.", hint=VERSIONS, id="charites.E001")


def check_session(connection: BaseDatabaseWrapper) -> Iterator[Error]:
    """Names and addresses hold every letter there is, and what a transaction has not locked it reads anew."""
    if connection.vendor != "mysql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW VARIABLES WHERE Variable_name IN %s", [list(SESSION)])
        found = dict(cursor.fetchall())
    for name, wanted in SESSION.items():
        if found.get(name, wanted) != wanted:
            hint = f"ALTER DATABASE {connection.settings_dict['NAME']} CHARACTER SET {CHARSET};"
            yield Error(
                f"The database has {name} = {found[name]}, and the shop needs {wanted}.",
                hint=hint if name == "character_set_database" else None,
                id="charites.E002",
            )


def check_columns(connection: BaseDatabaseWrapper) -> Iterator[Error]:
    """A table keeps the character set that the database had when it was made."""
    if connection.vendor != "mysql":
        return
    with connection.cursor() as cursor:
        cursor.execute(NARROW_COLUMNS, [connection.introspection.django_table_names()])
        narrow = [name for (name,) in cursor.fetchall()]
    if narrow:
        table = narrow[0].partition(".")[0]
        yield Error(
            f"{len(narrow)} columns of the database are not {CHARSET}, the first is {narrow[0]}.",
            hint=f"ALTER TABLE {table} CONVERT TO CHARACTER SET {CHARSET}; and so for every table.",
            id="charites.E003",
        )


def check_migrations(connection: BaseDatabaseWrapper) -> Iterator[Error]:
    """Tables that this code knows and the database does not fail the first who needs them."""
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        yield Error(
            f"The database lacks {len(plan)} migrations of this code, the first is {plan[0][0]}.",
            hint="Run `manage.py migrate`.",
            id="charites.E004",
        )


for look in (check_sets_of_rows, check_session, check_columns):
    register(partial(of_database, look), SERVING, Tags.database)
# `migrate` must not want what it brings, so this one runs where something is about to serve.
register(partial(of_database, check_migrations), SERVING, Tags.database, deploy=True)
