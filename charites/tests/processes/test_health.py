"""Health: each check has its name, and one that fails is enough to be not ready."""

import uuid

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import override_settings
from pytest_django.fixtures import Settings

from charites import health
from lab.kit.rest_client import anybody

NAMES = ["database", "redis", "broker", "worker", "sweep"]
NOBODY_LISTENS = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _alive(settings: Settings) -> None:
    """Worker and sweep have just given a sign of life, under keys that no test beside this one uses."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}}
    health.beat("worker")
    health.beat("sweep")


def gone(execute, sql, params, many, context):
    raise OperationalError(2002, "Can't connect to server on '10.0.0.7'")


def failing() -> list[str]:
    """Asks /readyz, and returns the names of what is not well, after checking the shape of the answer."""
    response = anybody().get("/readyz")
    body = response.json()
    assert set(body) == {"status", "checks"}
    assert list(body["checks"]) == NAMES
    assert all(set(check) == {"ok", "detail"} for check in body["checks"].values())
    assert response["Cache-Control"].startswith("max-age=0, no-cache")
    assert "10.0.0.7" not in response.text
    bad = [name for name, check in body["checks"].items() if not check["ok"]]
    expected = (503, "not ready") if bad else (200, "ready")
    assert (response.status_code, body["status"]) == expected
    return bad


@pytest.mark.django_db
def test_readyz_is_green_when_everything_answers() -> None:
    assert failing() == []


@pytest.mark.django_db
def test_readyz_names_the_database() -> None:
    with connection.execute_wrapper(gone):
        assert failing() == ["database"]


@pytest.mark.django_db
def test_readyz_names_redis_and_whose_heartbeats_it_holds() -> None:
    with override_settings(CACHES={"default": {**settings.CACHES["default"], "LOCATION": NOBODY_LISTENS}}):
        assert failing() == ["redis", "worker", "sweep"]


@pytest.mark.django_db
def test_readyz_names_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", NOBODY_LISTENS)  # which Celery prefers to its settings

    assert failing() == ["broker"]


@pytest.mark.django_db
@pytest.mark.parametrize("process", ["worker", "sweep"])
def test_readyz_names_the_process_without_a_heartbeat(process: str) -> None:
    cache.delete(f"heartbeat:{process}")

    assert failing() == [process]


def test_heartbeat_is_forgotten_after_fifteen_seconds() -> None:
    assert 10 < cache.ttl("heartbeat:worker") <= 15


def test_livez_needs_nothing_but_the_process() -> None:
    with override_settings(CACHES={"default": {**settings.CACHES["default"], "LOCATION": NOBODY_LISTENS}}):
        response = anybody().get("/livez")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/"])
def test_health_is_only_read(path: str) -> None:
    assert anybody().post(path).status_code in (403, 405)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/"])
def test_health_answers_those_who_only_want_the_status(path: str) -> None:
    response = anybody().send("HEAD", path)

    assert (response.status_code, response.content) == (200, b"")
