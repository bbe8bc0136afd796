"""Health: /readyz says whether an order can be placed; in /statusz each check has its name, and one that fails is
enough."""

import uuid

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client, override_settings
from pytest_django.fixtures import Settings

from charites import health
from charites.version import VERSION
from lab.kit.rest_client import anybody

LOOPS = ["sweep-close", "sweep-call", "sweep-check", "sweep-webhooks", "sweep-tidy"]
NAMES = ["database", "redis", "broker", "worker", "sweep", *LOOPS]
NOBODY_LISTENS = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _alive(settings: Settings) -> None:
    """Worker, sweep and its loops have just given a sign of life, under keys that no test beside this one uses."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}}
    for process in NAMES[3:]:
        health.beat(process)


def gone(execute, sql, params, many, context):
    raise OperationalError(2002, "Can't connect to server on '10.0.0.7'")


def saying(read_only: str):
    """A server whose `read_only` is that."""
    return lambda execute, sql, params, many, context: execute(f"SELECT {read_only}", params, many, context)


def failing(path: str = "/statusz") -> list[str]:
    """Asks for the state, and returns the names of what is not well, after checking the shape of the answer."""
    response = anybody().get(path)
    body = response.json()
    assert set(body) == {"status", "checks"}
    assert list(body["checks"]) == (NAMES if path == "/statusz" else ["database"])
    assert all(set(check) == {"ok", "detail"} for check in body["checks"].values())
    assert response["Cache-Control"].startswith("max-age=0, no-cache")
    assert "10.0.0.7" not in response.text
    bad = [name for name, check in body["checks"].items() if not check["ok"]]
    expected = (503, "not ready") if bad else (200, "ready")
    assert (response.status_code, body["status"]) == expected
    return bad


@pytest.mark.django_db
def test_everything_is_green_when_everything_answers() -> None:
    assert (failing(), failing("/readyz")) == ([], [])


@pytest.mark.django_db
def test_both_name_a_database_that_does_not_answer() -> None:
    with connection.execute_wrapper(gone):
        assert (failing(), failing("/readyz")) == (["database"], ["database"])


@pytest.mark.django_db
@pytest.mark.parametrize("read_only", ["1", "'ON'", "'NO_LOCK_NO_ADMIN'"])
def test_both_name_a_database_that_takes_no_writes(read_only: str) -> None:
    with connection.execute_wrapper(saying(read_only)):
        assert (failing(), failing("/readyz")) == (["database"], ["database"])
        assert anybody().get("/readyz").json()["checks"]["database"]["detail"] == "takes no writes"


@pytest.mark.django_db
@pytest.mark.parametrize("read_only", ["0", "'OFF'"])
def test_database_takes_writes_whether_it_says_so_by_number_or_by_name(read_only: str) -> None:
    with connection.execute_wrapper(saying(read_only)):
        assert failing("/readyz") == []


@pytest.mark.servers
@pytest.mark.django_db
def test_readyz_of_a_replica_says_that_it_takes_no_writes() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET GLOBAL read_only = 1")
        try:
            assert failing("/readyz") == ["database"]
        finally:
            cursor.execute("SET GLOBAL read_only = 0")
    assert failing("/readyz") == []


@pytest.mark.django_db
def test_statusz_names_redis_and_whose_heartbeats_it_holds_and_readyz_needs_none() -> None:
    with override_settings(CACHES={"default": {**settings.CACHES["default"], "LOCATION": NOBODY_LISTENS}}):
        assert failing() == ["redis", "worker", "sweep", *LOOPS]
        assert failing("/readyz") == []


@pytest.mark.django_db
def test_statusz_names_the_broker_and_readyz_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", NOBODY_LISTENS)  # which Celery prefers to its settings

    assert (failing(), failing("/readyz")) == (["broker"], [])


@pytest.mark.django_db
@pytest.mark.parametrize("process", ["worker", "sweep", *LOOPS])
def test_statusz_and_metrics_name_the_process_or_loop_without_a_heartbeat(process: str) -> None:
    cache.delete(f"heartbeat:{process}")

    assert (failing(), failing("/readyz")) == ([process], [])
    lines = [line for line in anybody().get("/metrics").text.splitlines() if line.startswith("charites_heartbeat{")]
    beating = {name: "0.0" if name == process else "1.0" for name in NAMES[3:]}
    assert lines == [f'charites_heartbeat{{process="{name}"}} {value}' for name, value in beating.items()]


@pytest.mark.django_db
def test_statusz_takes_no_heartbeat_of_another_shop_on_the_same_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing() == []

    monkeypatch.setitem(settings.DATABASES["default"], "NAME", "another")

    assert failing() == NAMES[3:]


def test_heartbeats_are_forgotten_after_a_while() -> None:
    assert 10 < cache.ttl("heartbeat:worker") <= 15
    assert 50 < cache.ttl("heartbeat:sweep-close") <= 60


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/statusz", "/metrics"])
def test_probes_may_ask_by_address(path: str) -> None:
    by_address = Client(headers={"Host": "10.42.8.201:8000"})

    assert by_address.get(path).status_code == 200
    assert by_address.get("/").status_code == 400


def test_livez_needs_nothing_but_the_process() -> None:
    with override_settings(CACHES={"default": {**settings.CACHES["default"], "LOCATION": NOBODY_LISTENS}}):
        response = anybody().get("/livez")

    assert (response.status_code, response.json()) == (200, {"status": "alive", "version": VERSION})


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/statusz", "/metrics", "/"])
def test_health_is_only_read(path: str) -> None:
    assert anybody().post(path).status_code in (403, 405)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/statusz", "/metrics", "/"])
def test_health_answers_those_who_only_want_the_status(path: str) -> None:
    response = anybody().send("HEAD", path)

    assert (response.status_code, response.content) == (200, b"")
