"""The ground of every test: an environment of its own, a database file, a Redis, and the guard on stock statements.

The settings come from the environment and are read once, so it is made here, before Django loads. `make test` brings
DATABASE_URL, REDIS_URL and TEST_RABBITMQ_URL; without them the tests run on SQLite and the embedded Redis.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from lab.kit import autocommit_guard, sql_guard
from lab.servers import EmbeddedRedis

pytest_plugins = ["lab.kit.trials"]

# What a controller of pytest-xdist made is its own: its workers, who inherit it, make theirs.
MADE = "CHARITES_TESTS_MADE"
for name in os.environ.pop(MADE, "").split():
    del os.environ[name]

FOLDER = Path(tempfile.mkdtemp(prefix="charites-tests-"))
REDIS = EmbeddedRedis() if "REDIS_URL" not in os.environ else None

if settings.configured:
    pytest.exit("Unset DJANGO_SETTINGS_MODULE: the tests load the settings after making their own environment.", 4)


def environment() -> dict[str, str]:
    """What the settings of the tests are made from, beside what `make test` sets."""
    made = {
        "ENV_FILE": "",  # neither .env nor what `make run` wrote
        "DEBUG": "false",
        "DEMO": "false",
        "HTTPS_ONLY": "false",
        "DATABASE_TIMEOUT_SECONDS": "60",  # a busy machine is no failure; tests of outages choose their own
        "SECRET_KEY": "a-key-for-tests-which-is-long-enough-to-pass-every-check-0123456789",
        "PAYMENT_SECRET": "a-payment-secret-for-tests-which-is-long-enough-0123456789",
        "METRICS_DIR": str(FOLDER / "metrics"),
        "STATIC_ROOT": str(FOLDER / "static"),
    }
    if "DATABASE_URL" not in os.environ:
        # A file, not memory: the tests use threads and processes.
        made["DATABASE_URL"] = f"sqlite:///{FOLDER / 'database.sqlite3'}"
    if REDIS is not None:
        made |= {"REDIS_URL": REDIS.url, "CELERY_BROKER_URL": REDIS.broker_url}
    return made


def do_not_wait_for_the_disk(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """What a test writes into SQLite may be lost with the machine; the processes that tests start keep syncing."""
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA synchronous=OFF")


if REDIS is not None:
    REDIS.__enter__()
made = environment()
os.environ.update(made, **{MADE: " ".join(made), "DJANGO_SETTINGS_MODULE": "charites.settings"})
(FOLDER / "metrics").mkdir()
(FOLDER / "static").mkdir()
django.setup()
del os.environ["DJANGO_SETTINGS_MODULE"]  # in a worker it would load the settings before this file
settings.PASSWORD_HASHERS = ["lab.kit.passwords.QuickPasswordHasher"]
connection_created.connect(sql_guard.watch_connection)
connection_created.connect(autocommit_guard.watch_connection)
connection_created.connect(do_not_wait_for_the_disk)


def pytest_configure() -> None:
    # A polite end lets pytest end the servers that tests have started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A script in the background ignores Ctrl-C, and what it starts inherits that; our tests send it to processes.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    if REDIS is not None:
        REDIS.close()
    shutil.rmtree(FOLDER, ignore_errors=True)


def is_mariadb() -> bool:
    return os.environ["DATABASE_URL"].startswith("mysql")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reasons = {}
    if not is_mariadb() or "TEST_RABBITMQ_URL" not in os.environ:
        reasons["servers"] = "needs the servers that `make test` starts"
    if is_mariadb():
        reasons["sqlite"] = "is about SQLite, and the database is MariaDB"
    for item in items:
        for marker, reason in reasons.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    from django.db import connection  # noqa: PLC0415 (Django is set up above)

    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(FOLDER / "test.sqlite3")


@pytest.fixture
def process_environment(transactional_db: None) -> dict[str, str]:
    """The environment for a process of ours (web, gRPC, worker, sweep) that works on the database of this test."""
    from django.db import connection  # noqa: PLC0415 (Django is set up above)

    address, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    name = connection.settings_dict["NAME"]
    return {**os.environ, "DATABASE_URL": f"sqlite:///{name}" if not is_mariadb() else f"{address}/{name}"}


@pytest.fixture(autouse=True)
def _stock_statements_are_safe(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test whose code changed a stock row in a way that strategies could not be mixed with, or wrote outside of
    any transaction."""
    sql_guard.complaints.clear()
    yield
    complaints = list(sql_guard.complaints)
    if complaints and not request.node.get_closest_marker("unguarded_stock_sql"):
        pytest.fail("A statement is not safe:\n" + "\n".join(complaints), pytrace=False)
