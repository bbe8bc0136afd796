"""The databases of an audit: this process's own, and in the split form those of other services."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from charites.settings import database as describe

MIGRATIONS = "django_migrations"
# One table of each service; whoever has it has been migrated as that service.
TABLES = {"goods": "shopping_goods", "stock": "shopping_stock", "orders": "shopping_order"}


class NoSuchDatabase(Exception):
    """Why a database cannot be audited, in one sentence."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database, and the services whose tables it holds."""

    services: Sequence[str]
    connection: BaseDatabaseWrapper

    @property
    def name(self) -> str:
        return ", ".join(self.services)


def own_database() -> Database:
    """Returns the database of this process."""
    return Database(settings.APPS, connection)


def open_database(service: str, url: str) -> Database:
    """Connects to the database of another service; whoever calls this closes the connection. Raises NoSuchDatabase."""
    try:
        description = describe(url)
    except ValueError as error:  # its text may hold the whole address, the password included
        raise NoSuchDatabase(f"The address of the database of {service} is not one that Django knows.") from error
    if description["ENGINE"].endswith("sqlite3") and not Path(description["NAME"]).is_file():
        raise NoSuchDatabase(f"The database of {service}, {description['NAME']}, is not there.")  # SQLite would make it
    other = ConnectionHandler({DEFAULT_DB_ALIAS: description})[DEFAULT_DB_ALIAS]
    try:
        names = other.introspection.table_names()
    except Error as error:
        raise NoSuchDatabase(f"The database of {service} does not answer: {error}") from error
    if TABLES[service] not in names:
        other.close()
        raise NoSuchDatabase(f"The database of {service} has no table {TABLES[service]}: is it another service's?")
    return Database([service], other)


def find_holder(databases: Sequence[Database], service: str) -> Database | None:
    """Returns the database that holds a service's tables."""
    return next((database for database in databases if service in database.services), None)


def missing_migrations(database: Database) -> list[str]:
    """Returns the migrations of this code, such as `stock.0004_record_owner`, without which an audit would name columns
    that are not there. Of another service, too, whose migrations Django leaves out here."""
    applied = list_applied(database.connection)
    return [
        f"{app}.{name}"
        for app in (*database.services, "messaging")
        for name in list_migrations(app)
        if (app, name) not in applied
    ]


def list_applied(connection: BaseDatabaseWrapper) -> set[tuple[str, str]]:
    """Returns (app, name) of each migration that a database has had. Django's own reading of them looks for its
    database by an alias, which others share here."""
    if MIGRATIONS not in connection.introspection.table_names():
        return set()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT app, name FROM {MIGRATIONS}")
        return set(cursor.fetchall())


def list_migrations(app: str) -> list[str]:
    return [module.name for module in iter_modules(import_module(f"{app}.migrations").__path__)]
