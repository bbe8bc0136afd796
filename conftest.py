"""The ground of every test: an environment of its own, a database, a Redis, and the guard on stock statements.

The settings come from the environment and are read once, so it is made here, before Django loads: a file of SQLite and
the embedded Redis or, with TEST_DATABASE=mariadb, a MariaDB and a Redis server. Each worker of pytest-xdist has servers
of its own, because tests look at the row locks of a whole server and empty a whole Redis.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.management.color import no_style
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.test import TransactionTestCase
from django.utils import translation
from django_redis import get_redis_connection
from redis import RedisError

from charites.common import batches, clock, rates
from lab.kit import autocommit_guard, sql_guard
from lab.servers import EmbeddedRedis, MariaDB, Redis, Server
from lab.servers.command_line import addresses

pytest_plugins = ["lab.kit.trials", "lab.kit.dealing"]

# What a controller of pytest-xdist made is its own: its workers, who inherit it, make theirs.
MADE = "CHARITES_TESTS_MADE"
for name in os.environ.pop(MADE, "").split():
    del os.environ[name]

FOLDER = Path(tempfile.mkdtemp(prefix="charites-tests-"))
IS_GIVEN = "DATABASE_URL" in os.environ  # somebody's own server, for one process of tests
MARIADB = os.environ["DATABASE_URL"].startswith("mysql") if IS_GIVEN else os.environ.get("TEST_DATABASE") == "mariadb"
DATABASES = {"db", "transactional_db", "django_db_reset_sequences", "live_server"}  # what opens one to a test
MADE_BY_MIGRATIONS = {"auth_permission", "django_content_type", "django_migrations"}
# What tests write may be lost with the machine. The tests of what a server keeps start one with production's settings.
UNSYNCED = ("--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0")
PATIENT = ("--wait-timeout=28800",)  # a test that has others at work for an hour says nothing meanwhile

if settings.configured:
    pytest.exit("Unset DJANGO_SETTINGS_MODULE: the tests load the settings after making their own environment.", 4)


def servers() -> list[Server]:
    """The servers of this process, not started; none where it only deals the tests out to workers."""
    if any(re.match(r"-n|--numprocesses", word) for word in sys.argv):  # the options are not parsed yet
        return []
    redis: list[Server] = [Redis() if MARIADB else EmbeddedRedis()]
    return redis if IS_GIVEN or not MARIADB else [*redis, MariaDB(*UNSYNCED, *PATIENT)]


def environment() -> dict[str, str]:
    """What the settings of the tests are made from."""
    made = {
        "ENV_FILE": "",  # neither .env nor what `make run` wrote
        "DEBUG": "false",
        "DEMO": "false",
        "HTTPS_ONLY": "false",
        **dict.fromkeys(("DATABASE_REPLICA_URL", "CONSUL_URL", "REMOTE_BROKER_URL"), ""),
        # One buyer does everything here, and fast; the tests of these rules choose their own.
        "MAX_UNPAID_ORDERS": "0",
        "PLACE_RATE": "0",
        "CANCEL_RATE": "0",
        "PUBLIC_PARTS": "metrics,readiness,docs,reflection",
        "CELERY_QUEUE": "charites",  # or it would be named after the database, which is another one in the processes
        "DATABASE_TIMEOUT_SECONDS": "60",  # a busy machine is no failure; tests of outages choose their own
        "SECRET_KEY": "a-key-for-tests-which-is-long-enough-to-pass-every-check-0123456789",
        "PAYMENT_SECRET": "a-payment-secret-for-tests-which-is-long-enough-0123456789",
        "METRICS_DIR": str(FOLDER / "metrics"),
        "STATIC_ROOT": str(FOLDER / "static"),
    }
    if not IS_GIVEN:
        # A file, not memory: the tests use threads and processes.
        made["DATABASE_URL"] = f"sqlite:///{FOLDER / 'database.sqlite3'}"
    return made | addresses(SERVERS)


def do_not_wait_for_the_disk(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """What a test writes into SQLite may be lost with the machine; the processes that tests start keep syncing."""
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA synchronous=OFF")


def empty_tables(test_case: TransactionTestCase) -> None:
    """Does what Django does after a test that commits, but keeps what it would make anew each time, half the work."""
    tables = set(connection.introspection.django_table_names(include_views=False)) - MADE_BY_MIGRATIONS
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), sorted(tables)))
    lock_limits()


def lock_limits() -> None:
    """The row that a migration made, and that stands for the counting of limits."""
    from orders.models import LimitedGoods  # noqa: PLC0415 (after the settings)

    LimitedGoods.objects.get_or_create(goods_id=0)


SERVERS = servers()
for server in SERVERS:
    server.__enter__()
made = environment()
os.environ.update(made, **{MADE: " ".join(made), "DJANGO_SETTINGS_MODULE": "charites.settings"})
(FOLDER / "metrics").mkdir()
(FOLDER / "static").mkdir()
django.setup()
from messaging.webhooks import outbox  # noqa: E402 (after Django's setup)

del os.environ["DJANGO_SETTINGS_MODULE"]  # in a worker it would load the settings before this file
settings.PASSWORD_HASHERS = ["lab.kit.passwords.QuickPasswordHasher"]
rates.TIMEOUT_SECONDS = 10.0  # a busy machine is no failure; a Redis that is away refuses at once
outbox.SUBSCRIBED_SECONDS = 3600.0  # or the clock would decide how many statements a call sends
batches.IDLE_SECONDS = 0.05  # what works for others in one test is gone before the next
TransactionTestCase._fixture_teardown = empty_tables
connection_created.connect(sql_guard.watch_connection)
connection_created.connect(autocommit_guard.watch_connection)
connection_created.connect(do_not_wait_for_the_disk)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail when a test was skipped, for whatever reason")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("no_skips") and reporter and reporter.stats.get("skipped") and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    if IS_GIVEN and config.getoption("numprocesses", None):
        raise pytest.UsageError("Workers need a server each: TEST_DATABASE=mariadb, without DATABASE_URL.")
    # A polite end lets pytest end the servers that tests have started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A script in the background ignores Ctrl-C, and what it starts inherits that; our tests send it to processes.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    for server in SERVERS:
        server.kill()  # nothing of it is kept
        server.close()
    shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marker, reason = ("sqlite", "is about SQLite itself") if MARIADB else ("servers", "needs TEST_DATABASE=mariadb")
    for item in items:
        if item.get_closest_marker(marker):
            item.add_marker(pytest.mark.skip(reason=reason))
        if isinstance(item, pytest.Function) and "process_environment" in item.fixturenames:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(FOLDER / "test.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """No test begins with the groups that `migrate` makes: those that commit would leave none to the next."""
    from django.contrib.auth.models import Group  # noqa: PLC0415 (after the settings)

    with django_db_blocker.unblock():
        Group.objects.all().delete()


def has_database(item: pytest.Item) -> bool:
    return item.get_closest_marker("django_db") is not None or not DATABASES.isdisjoint(
        getattr(item, "fixturenames", ())
    )


@pytest.fixture(scope="session", autouse=True)
def _clock_has_been_read(request: pytest.FixtureRequest) -> None:
    """The clock's first look needs the database, which is closed to many a test; from then on it carries itself.
    Where no test of a run has a database, there is none.
    """
    if MARIADB and any(map(has_database, request.session.items)):
        request.getfixturevalue("django_db_setup")
        with request.getfixturevalue("django_db_blocker").unblock():
            clock.now()
            connection.close()


@pytest.fixture
def process_environment(transactional_db: None) -> dict[str, str]:
    """The environment for a process of ours (web, gRPC, worker, sweep) that works on the database of this test."""
    address, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    name = connection.settings_dict["NAME"]
    return {**os.environ, "DATABASE_URL": f"{address}/{name}" if MARIADB else f"sqlite:///{name}"}


@pytest.fixture(scope="session")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages' own styles and scripts, collected once."""
    folder = tmp_path_factory.mktemp("static")
    manage = [sys.executable, str(Path(__file__).parent / "manage.py"), "collectstatic", "--noinput"]
    subprocess.run(manage, env={**os.environ, "STATIC_ROOT": str(folder)}, capture_output=True, check=True)
    return folder


@pytest.fixture
def demo_environment(process_environment: dict[str, str], static_root: Path) -> dict[str, str]:
    """The same for processes of a demo shop with its styles and scripts."""
    return {**process_environment, "DEMO": "true", "STATIC_ROOT": str(static_root)}


@pytest.fixture
def browser(window: Any) -> Iterator[Any]:
    """A window of a headless Chromium, `lab.kit.browser.Browser`, empty at first and at the end."""
    yield window
    window.open("about:blank")
    window.forget()
    window.complaints()


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The window of a module's tests."""
    from lab.kit.browser import Browser, find_browser  # noqa: PLC0415 (after Django's setup)

    path = find_browser()
    if path is None:
        pytest.skip("no Chromium and chromedriver here")
    with Browser(path, tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _nothing_is_known_from_before() -> None:
    """What a process remembers for a moment is of rows that are gone, and of callers of another test; so is what all
    processes count of callers."""
    from charites.common import sign_in  # noqa: PLC0415
    from charites.common.auth import standing  # noqa: PLC0415
    from goods import remembered  # noqa: PLC0415
    from live import desk_reads  # noqa: PLC0415
    from orders import catalogue, limits  # noqa: PLC0415 (after Django's setup)
    from stock import sold_out  # noqa: PLC0415

    for memory in (sold_out, catalogue, remembered, standing, sign_in, desk_reads.SALES):
        memory.clear()
    limits.CROWDED.clear()
    outbox.assume(frozenset())  # until a test has somebody subscribe
    with suppress(RedisError):  # of a test that has put an end to it
        redis = get_redis_connection("default")
        for key in redis.scan_iter("*rate:*"):
            redis.delete(key)


@pytest.fixture(autouse=True)
def _nobody_has_spoken_before() -> None:
    """Django's client leaves this thread in the language of its last request."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def _stock_statements_are_safe(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test whose code changed a stock row in a way that strategies could not be mixed with, or wrote outside of
    any transaction."""
    sql_guard.complaints.clear()
    yield
    complaints = list(sql_guard.complaints)
    if complaints and not request.node.get_closest_marker("unguarded_stock_sql"):
        pytest.fail("A statement is not safe:\n" + "\n".join(complaints), pytrace=False)
