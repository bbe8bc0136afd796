"""What the database has to be, before a process serves or migrates."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import ConnectionHandler

from charites.common import checks
from charites.common.rows import SetStatement

pytestmark = pytest.mark.django_db

Connect = Callable[..., BaseDatabaseWrapper]


@pytest.fixture
def connect(transactional_db: None) -> Iterator[Connect]:
    """Makes a database of another character set; gives a function that connects to it, with options."""
    name = f"{connection.settings_dict['NAME']}_narrow"

    def connected(**options: str) -> BaseDatabaseWrapper:
        made = {**connection.settings_dict, "NAME": name, "OPTIONS": {**connection.settings_dict["OPTIONS"], **options}}
        other = ConnectionHandler({DEFAULT_DB_ALIAS: made})[DEFAULT_DB_ALIAS]
        others.append(other)
        return other

    others: list[BaseDatabaseWrapper] = []
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET latin1")
    yield connected
    for other in others:
        other.close()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")


def test_database_of_the_tests_passes() -> None:
    for look in (checks.check_sets_of_rows, checks.check_session, checks.check_columns, checks.check_migrations):
        assert list(look(connection)) == []
    call_command("check", databases=["default"])


def test_database_that_leaves_backslashes_in_texts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    escaped = SetStatement("SELECT REPLACE(words, '\"', '\\\\\"') FROM {sent}", sent={"words": "text"})
    monkeypatch.setattr(checks, "ECHO", escaped)

    with pytest.raises(SystemCheckError, match="(?s)charites.E001.*MDEV-27412"):
        call_command("check", databases=["default"])


def test_database_that_reads_no_sets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = SetStatement("SELECT no_such_function(words) FROM {sent}", sent={"words": "text"})
    monkeypatch.setattr(checks, "ECHO", unknown)

    (error,) = checks.check_sets_of_rows(connection)

    assert error.id == "charites.E001"
    assert error.msg.startswith("The database cannot read sets of rows out of JSON (")
    assert "MDEV-27412" in str(error.hint)


def test_database_without_a_migration_is_refused_where_something_serves() -> None:
    last = MigrationRecorder.Migration.objects.filter(app="stock").order_by("-id")[0]
    last.delete()

    (error,) = checks.check_migrations(connection)

    assert error.msg == f"The database lacks 1 migrations of this code, the first is stock.{last.name}."
    assert error.hint == "Run `manage.py migrate`."
    call_command("check", databases=["default"])  # as `migrate` does, which brings it
    with pytest.raises(SystemCheckError, match="charites.E004"):
        call_command("check", deploy=True, databases=["default"])


@pytest.mark.servers
def test_database_of_another_character_set_is_refused(connect: Connect) -> None:
    (error,) = checks.check_session(connect())

    assert error.msg == "The database has character_set_database = latin1, and the shop needs utf8mb4."
    assert str(error.hint).startswith("ALTER DATABASE ")


@pytest.mark.servers
def test_connection_of_another_character_set_or_isolation_is_refused(connect: Connect) -> None:
    with closing(connect(charset="latin1", isolation_level="repeatable read")) as other:
        found = {error.msg for error in checks.check_session(other)}

    assert found == {
        "The database has character_set_client = latin1, and the shop needs utf8mb4.",
        "The database has character_set_connection = latin1, and the shop needs utf8mb4.",
        "The database has character_set_database = latin1, and the shop needs utf8mb4.",
        "The database has tx_isolation = REPEATABLE-READ, and the shop needs READ-COMMITTED.",
    }


@pytest.mark.servers
def test_table_that_kept_another_character_set_is_refused_and_other_applications_are_left_alone(
    connect: Connect,
) -> None:
    other = connect()
    with other.cursor() as cursor:
        cursor.execute("CREATE TABLE of_another_application (name varchar(9))")
        cursor.execute("CREATE TABLE shopping_goods (id int, name varchar(9), story text)")

    (error,) = checks.check_columns(other)

    assert error.msg == "2 columns of the database are not utf8mb4, the first is shopping_goods.name."
    assert str(error.hint).startswith("ALTER TABLE shopping_goods CONVERT TO CHARACTER SET utf8mb4;")
