"""A database of the race's own: a temporary SQLite file, or one on the configured server."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connections

from lab.race.processes import RaceFailed

PREFIX = "charites_race_"


@contextmanager
def own_database() -> Iterator[str]:
    """Makes an empty database beside the configured one, gives its URL, and drops it whatever happens.

    Raises RaceFailed when the configured server does not let us.
    """
    if urlsplit(settings.DATABASE_URL).scheme.startswith("sqlite"):
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            yield f"sqlite:///{Path(folder) / 'race.sqlite3'}"
        return
    name = f"{PREFIX}{os.getpid()}_{secrets.token_hex(4)}"
    on_server(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    try:
        yield urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl()
    finally:
        on_server(f"DROP DATABASE IF EXISTS `{name}`")


def on_server(statement: str) -> None:
    """Runs a statement on the configured server, in none of its databases. Raises RaceFailed."""
    try:
        with connections["default"]._nodb_cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        raise RaceFailed(f"{statement.split('`')[0].strip()} on the configured server: {error}") from error
