"""What would fail a buyer ends a process before it serves: a sentence each on stderr, and no traceback."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from honcho.environ import parse_procfile
from pytest_django.fixtures import Settings

from charites import checks, start
from charites.environment import BETWEEN_SERVICES, REDIS, REDIS_SERVER, each
from lab.generate.document_settings import read_settings
from lab.kit.processes.shop import ROOT
from lab.kit.providers import Away
from orders import apps as orders
from stock import apps as stock

LONG = "long-enough-for-every-check-0123456789-0123456789-0123456789"
PROCFILE = parse_procfile((ROOT / "Procfile").read_text()).processes


def load(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> dict[str, Any]:
    """Loads the settings as a process would that has these in its environment."""
    given = {"ENV_FILE": "", "METRICS_DIR": "", "SECRET_KEY": LONG, "PAYMENT_SECRET": LONG, **values}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "charites" / "settings.py"))


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CURRENCY", "yuan", "three capital letters (ISO 4217), not 'yuan'"),
        ("OPERATORS_TIME_ZONE", "Berlin", "the name of a time zone, such as `Europe/Berlin` or `UTC`, not 'Berlin'"),
        ("OPERATORS_TIME_ZONE", "", "the name of a time zone, such as `Europe/Berlin` or `UTC`, not ''"),
        (
            "OPERATORS_TIME_ZONE",
            "../etc/passwd",
            "the name of a time zone, such as `Europe/Berlin` or `UTC`, not '../etc/passwd'",
        ),
        ("ORDER_PAY_TIMEOUT_SECONDS", "-5", "1 to 31622400, not '-5'"),
        ("ORDER_PAY_TIMEOUT_SECONDS", "0", "1 to 31622400, not '0'"),
        ("ORDER_PAY_TIMEOUT_SECONDS", "half an hour", "1 to 31622400, not 'half an hour'"),
        ("TOKEN_RATE", "sixty", "a number of times, `/` and s, min, h or day, such as `60/min`; or 0, not 'sixty'"),
        ("TOKEN_RATE", "0/min", "a number of times, `/` and s, min, h or day, such as `60/min`; or 0, not '0/min'"),
        ("PAYMENT_PROVIDER", "Bar", "empty, or the dotted path of a class, not 'Bar'"),
        ("REMOTE_BROKER_URL", "redis://10.0.0.1", BETWEEN_SERVICES.words),
        ("REMOTE_BROKER_URL", "amqp://10.0.0.1;redis://10.0.0.1", BETWEEN_SERVICES.words),
        ("REMOTE_BROKER_URL", "rocketmq://10.0.0.1:8081;rocketmq://10.0.0.2:8081", BETWEEN_SERVICES.words),
        ("REDIS_URL", "foo", REDIS.words),
        ("REDIS_URL", "redis://10.0.0.1:70000/0", REDIS.words),
        ("REDIS_URL", "redis+sentinel://:secret@10.0.0.1:26379", REDIS.words),
        ("REDIS_URL", "redis+sentinel://:secret@10.0.0.1,:26379/name/0", REDIS.words),
        ("REDIS_URL", "redis+sentinel://:secret@10.0.0.1,10.0.0.2:port/name/0", REDIS.words),
        ("REDIS_URL", "redis+sentinel://:secret@10.0.0.1/name/first", REDIS.words),
        ("REDIS_URL", "redis+sentinel://:secret@10.0.0.1/name/0/1", REDIS.words),
        ("REDIS_URL", "redis://:secret@10.0.0.1/0?time_out=1", REDIS.words),
        ("REDIS_URL", "redis+sentinel://:secret@10.0.0.1/name/0?time_out=1", REDIS.words),
        ("REDIS_URL", "rediss://:secret@10.0.0.1/0?ssl_cert_reqs=perhaps", REDIS.words),
        ("STOCK_LOCK_REDIS_URLS", "redis://10.0.0.1,foo", each(REDIS_SERVER).words),
        ("STOCK_LOCK_REDIS_URLS", "redis+sentinel://10.0.0.1/name/0", each(REDIS_SERVER).words),
        ("CELERY_BROKER_URL", "foo", None),
        ("CELERY_BROKER_URL", "redis+sentinel://:secret@10.0.0.1;redis+sentinel://:secret@10.0.0.2/name", None),
        ("CELERY_BROKER_URL", "sqs://key:secret@host", None),
        ("CELERY_BROKER_URL", "shop:secret@10.0.0.1", None),
        ("CELERY_BROKER_URL", "redis://10.0.0.1;amqp://shop:secret@10.0.0.1", None),
        ("DATABASE_URL", "foo", "`mysql://user:password@host:3306/name` or `sqlite:///file`"),
        ("DATABASE_URL", "postgres://u:secret@h/name", "`mysql://user:password@host:3306/name` or `sqlite:///file`"),
        ("DATABASE_URL", "mysql://u:secret@h:port/name", "`mysql://user:password@host:3306/name` or `sqlite:///file`"),
        ("SECRET_KEY", "abcd" * 20, "50 or more random characters outside DEBUG; keep it out of the repository"),
        ("SECRET_KEY", LONG[:49], "50 or more random characters outside DEBUG; keep it out of the repository"),
        ("PAYMENT_SECRET", "x", "50 or more random characters outside DEBUG; keep it out of the repository"),
        ("PAYMENT_SECRET", "", "50 or more random characters outside DEBUG; keep it out of the repository"),
        ("SECRET_KEY_FALLBACKS", "x" * 49, "50 or more random characters, each"),
        ("HTTP_PORT", "99999", "1 to 65535, not '99999'"),
        ("GRPC_PORT", "eighty", "1 to 65535, not 'eighty'"),
        ("HTTP_HOST", "http://shop", "a name or an address, without a port, not 'http://shop'"),
        ("ALLOWED_HOSTS", "a b", "a name or an address, without a port, each, not 'a b'"),
        ("LOG_LEVEL", "LOUD", "one of: DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'LOUD'"),
        ("APPS", "foo", "one or more of: goods, stock, orders, not 'foo'"),
        ("STOCK_GROUP_CAP", "0", "1 to 4096, not '0'"),
        ("STOCK_GROUP_WAIT_SECONDS", "-1", "0.01 to 3600, not '-1'"),
        ("WEB_WAIT_SECONDS", "nan", "0.01 to 3600, not 'nan'"),
        ("GRPC_SERVER", "java", "one of: grpcio, pyvoy, not 'java'"),
        ("STOCK_ENDPOINT", "nowhere", "empty, `ipv4:a:1,b:2` or `dns:///host:port`, not 'nowhere'"),
        ("PUBLIC_URL", "shop.example", "http:// or https:// with a host"),
        ("CSRF_TRUSTED_ORIGINS", "shop.example", "http:// or https:// with a host, each, not 'shop.example'"),
        ("STRIPE_API_KEY", "pk_live_secret@", "empty, or a key of Stripe for servers, such as `sk_live_` and letters"),
        ("STRIPE_WEBHOOK_SECRET", "secret@", "empty, or what Stripe signs its events with: `whsec_`"),
        ("CONSUL_TOKEN", "secret@\n", "empty, or printable ASCII without a blank"),
        ("CONSUL_TOKEN", "secret@ü", "empty, or printable ASCII without a blank"),
        ("DEMO", "perhaps", "true or false, not 'perhaps'"),
    ],
)
def test_setting_that_is_wrong_is_named_and_what_may_be_secret_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str | None
) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        load(monkeypatch, {name: value})

    assert str(refused.value).startswith(f"{name} must be {words or ''}")
    assert words is None or str(refused.value) == f"{name} must be {words}."
    assert "secret@" not in str(refused.value)


@pytest.mark.once
@pytest.mark.parametrize("name", ["SECRET_KEY_FALLBACKS", "PAYMENT_SECRET_FALLBACKS", "ALLOWED_HOSTS"])
@pytest.mark.parametrize("debug", ["true", "false"])
def test_blank_in_a_list_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, debug: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^{name} must have something before and after each comma.$"):
        load(monkeypatch, {name: f"{LONG}, ", "DEBUG": debug})

    assert load(monkeypatch, {name: f"{LONG} , {LONG}", "DEBUG": debug})[name] == [LONG, LONG]


@pytest.mark.once
def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        load(monkeypatch, {"CURRENCY": "yuan", "HTTP_PORT": "0", "DATABASE_URL": "foo"})

    assert [line.split()[0] for line in str(refused.value).splitlines()] == ["HTTP_PORT", "CURRENCY", "DATABASE_URL"]


@pytest.mark.once
def test_process_in_debug_makes_up_the_secrets_that_it_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"SECRET_KEY": "", "PAYMENT_SECRET": "", "DEBUG": "true"}

    one, another = load(monkeypatch, missing), load(monkeypatch, missing)

    made = {one["SECRET_KEY"], one["PAYMENT_SECRET"], another["SECRET_KEY"], another["PAYMENT_SECRET"]}
    assert len(made) == 4
    assert min(map(len, made)) >= 50


@pytest.mark.once
@pytest.mark.parametrize("name", ["HTTP_HOST", "GRPC_HOST"])
@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "[::]", "shop.example"])
def test_demo_that_others_would_reach_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, host: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="^DEMO accepts well-known tokens, so it listens on loopback only"):
        load(monkeypatch, {"DEMO": "true", name: host})

    assert load(monkeypatch, {"DEMO": "true", name: "[::1]"})[name] == "[::1]"


@pytest.mark.once
def test_folder_that_cannot_be_made_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="^METRICS_DIR=/dev/null/metrics cannot be made: Not a directory.$"):
        load(monkeypatch, {"METRICS_DIR": "/dev/null/metrics"})


@pytest.mark.once
def test_shops_on_one_broker_have_queues_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERY_QUEUE", raising=False)
    one, same, other = (
        load(monkeypatch, {"DATABASE_URL": url})["CELERY_TASK_DEFAULT_QUEUE"]
        for url in ("mysql://a:b@db:3306/one", "mysql://c@db:3306/one", "mysql://a:b@db:3306/other")
    )

    assert one == same != other
    assert one.startswith("charites-")


@pytest.mark.once
def test_every_number_has_a_bound() -> None:
    numbers = [setting for setting in read_settings() if (setting.default or "").replace(".", "").isdigit()]

    assert len(numbers) > 20
    assert [setting.name for setting in numbers if not setting.values] == []


# What settings have to be together


@pytest.mark.once
def test_currency_that_nobody_has_is_refused(settings: Settings) -> None:
    assert list(checks.unknown_currency()) == []

    settings.CURRENCY = "YUA"

    (told,) = checks.unknown_currency()
    assert told.startswith("CURRENCY=YUA is no currency")


@pytest.mark.once
def test_preload_without_what_it_wants_is_refused(settings: Settings) -> None:
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 365 * 86400, True
    settings.SECURE_HSTS_PRELOAD = True
    assert list(checks.half_a_preload()) == []

    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = False

    (told,) = checks.half_a_preload()
    assert told.startswith("HSTS_PRELOAD wants HSTS_SUBDOMAINS=true")


@pytest.mark.once
@pytest.mark.parametrize(("engine", "words"), [("sqlite3", 1), ("mysql", 0)])
def test_replica_of_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch, engine: str, words: int) -> None:
    databases = {"default": {"ENGINE": f"django.db.backends.{engine}"}, "replica": {}}
    monkeypatch.setattr(checks, "settings", SimpleNamespace(DATABASES=databases))

    assert len(list(checks.replica_of_a_file())) == words


@pytest.mark.once
@pytest.mark.parametrize(("is_trusted", "number", "words"), [(True, 0, 1), (True, 1, 0), (False, 0, 0)])
def test_proxy_that_is_trusted_is_counted(settings: Settings, is_trusted: bool, number: int, words: int) -> None:
    settings.TRUST_PROXY, settings.NUM_PROXIES = is_trusted, number

    assert len(list(checks.uncounted_proxy())) == words


@pytest.mark.once
@pytest.mark.parametrize("name", ["foo", "naive", ""])
def test_way_to_take_stock_that_is_not_safe_is_refused(settings: Settings, name: str) -> None:
    assert list(stock.unsafe_strategy()) == []

    settings.STOCK_STRATEGY = name

    (told,) = stock.unsafe_strategy()
    assert told.startswith(f"STOCK_STRATEGY={name!r} is not a safe way to take stock. Set it to one of: atomic_update")


@pytest.mark.once
def test_nodes_in_the_wrong_order_are_refused(settings: Settings) -> None:
    settings.NODE_FIRST, settings.NODE_LAST = 5, 4

    assert list(checks.no_node()) == ["NODE_FIRST=5 is above NODE_LAST=4: no order would get a number."]


@pytest.mark.once
def test_half_message_that_is_asked_about_too_early_is_refused(settings: Settings) -> None:
    settings.MESSAGE_FIRST_CHECK_SECONDS, settings.REMOTE_TIMEOUT_SECONDS = 4.0, 2.0
    assert list(checks.early_check()) == []

    settings.APPS = ["orders"]

    (told,) = checks.early_check()
    assert told.startswith("MESSAGE_FIRST_CHECK_SECONDS=4.0 is not more than twice REMOTE_TIMEOUT_SECONDS=2.0")


class HalfAProvider:
    channel = "half"

    def begin(self) -> None: ...

    def query(self) -> None: ...


class ProviderOfToday(Away):
    def close(self, payment_id: int, *, timeout_seconds: float) -> None: ...


class TalkativeProvider(Away):
    channel = "x" * 33


@pytest.mark.once
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("foo.Bar", "ModuleNotFoundError(\"No module named 'foo'\")"),
        (f"{__name__}.NoProvider", "ImportError("),
        ("decimal.Decimal", "it lacks channel, begin, close, query, refund, read_notice"),
        (f"{__name__}.HalfAProvider", "it lacks close, refund, read_notice"),
        (f"{__name__}.ProviderOfToday", "close is called with (payment_id, *, timeout_seconds, now): got an"),
        (f"{__name__}.TalkativeProvider", "its channel is no word of 1 to 32 printable ASCII characters."),
    ],
)
def test_provider_that_is_none_is_refused(settings: Settings, path: str, why: str) -> None:
    settings.PAYMENT_PROVIDER = path

    (told,) = orders.useless_provider()

    assert told.startswith(f"PAYMENT_PROVIDER={path} is no payment provider: {why}")


# Every process


PROCESSES = {
    **PROCFILE,
    "check": "exec python manage.py check",
    "migrate": "exec python manage.py migrate --verbosity 0",
    "grpc over pyvoy": f"GRPC_SERVER=pyvoy {PROCFILE['grpc'].removeprefix('exec ')}",
}


def end_of(command: str, environment: dict[str, str]) -> tuple[int, str]:
    """Runs a line of the Procfile to its end; returns the exit code and what it said."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ports = {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": "1", "GRPC_HOST": "127.0.0.1", "GRPC_PORT": "2"}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env={**ports, **environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=180,
    )
    return done.returncode, done.stderr


WRONG = {
    "CURRENCY": "yuan",
    "ORDER_PAY_TIMEOUT_SECONDS": "-5",
    "TOKEN_RATE": "sixty",
    "REDIS_URL": "foo",
    "PAYMENT_SECRET": "x",
    "SECRET_KEY_FALLBACKS": f"{LONG}, ",
}


@pytest.mark.parametrize("process", PROCESSES)
def test_process_with_wrong_settings_names_each_and_ends(process_environment: dict[str, str], process: str) -> None:
    code, told = end_of(PROCESSES[process], process_environment | WRONG)

    assert code != 0
    assert {name for name in WRONG if f"{name} must " in told} == set(WRONG)
    assert "CURRENCY must be three capital letters (ISO 4217), not 'yuan'.\n" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("process", "name"), [("web", "HTTP_PORT"), ("grpc", "GRPC_PORT"), ("grpc over pyvoy", "GRPC_PORT")]
)
def test_server_with_a_wrong_port_says_so_and_ends(
    process_environment: dict[str, str], process: str, name: str
) -> None:
    assert end_of(PROCESSES[process], process_environment | {name: "99999"}) == (
        1,
        f"{name} must be 1 to 65535, not '99999'.\n",
    )


def test_server_with_a_wrong_port_on_its_command_line_says_so_and_ends(process_environment: dict[str, str]) -> None:
    code, told = end_of("exec python manage.py grpcserver --port 99999", process_environment)

    assert (code, "99999 is no port: 0 to 65535." in told, "Traceback" in told) == (2, True, False)


@pytest.mark.parametrize("process", PROCESSES)
def test_process_with_settings_that_do_not_go_together_says_so_and_ends(
    process_environment: dict[str, str], process: str
) -> None:
    code, told = end_of(PROCESSES[process], process_environment | {"PAYMENT_PROVIDER": "foo.Bar"})

    assert code != 0
    assert "PAYMENT_PROVIDER=foo.Bar is no payment provider: ModuleNotFoundError" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("process", [name for name in PROCESSES if name not in ("check", "migrate")])
def test_process_whose_database_lacks_a_table_names_migrate_and_ends(
    process_environment: dict[str, str], process: str
) -> None:
    last = MigrationRecorder.Migration.objects.filter(app="stock").order_by("-id")[0]
    row = MigrationRecorder.Migration.objects.filter(pk=last.pk)
    row.update(name="later")
    try:
        code, told = end_of(PROCESSES[process], process_environment)
    finally:
        row.update(name=last.name)

    assert code != 0
    assert f"lacks 1 migrations of this code, the first is stock.{last.name}. Run `manage.py migrate`.\n" in told
    assert "Traceback" not in told


@pytest.mark.servers
@pytest.mark.parametrize("process", [name for name in PROCESSES if name != "check"])
def test_process_whose_database_is_out_of_reach_says_so_and_ends(
    process_environment: dict[str, str], process: str
) -> None:
    nobody = {"DATABASE_URL": "mysql://root:hidden@127.0.0.1:1/charites", "DATABASE_WAIT_SECONDS": "0"}

    code, told = end_of(PROCESSES[process], process_environment | nobody)

    assert code != 0
    assert "The database of DATABASE_URL cannot be reached: (2002, " in told
    assert "hidden" not in told
    assert "Traceback" not in told


@pytest.mark.django_db
def test_server_waits_for_its_database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATABASE_WAIT_SECONDS = 3600
    answers = iter([OperationalError(2002, "Can't connect"), OperationalError(2013, "Lost connection"), None])
    pauses: list[float] = []

    def connect() -> None:
        if error := next(answers):
            raise error

    monkeypatch.setattr(connection, "ensure_connection", connect)
    monkeypatch.setattr(start.time, "sleep", pauses.append)

    start.await_database()

    assert len(pauses) == 2
    assert next(answers, "asked three times") == "asked three times"


@pytest.mark.django_db
def test_server_does_not_wait_for_a_database_that_will_not_come(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATABASE_WAIT_SECONDS = 3600

    def connect() -> None:
        raise OperationalError(1045, "Access denied for user 'charites'")

    monkeypatch.setattr(connection, "ensure_connection", connect)

    with pytest.raises(start.CannotServe, match="cannot be reached: .*Access denied"):
        start.await_database()
