"""Two shops on one Redis know nothing of each other, and what lies there runs no code."""

import pickle
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.cache import cache
from django_redis import get_redis_connection

from charites import health
from charites.common.shop import shop_of
from lab.kit.rest_client import anybody

HERE = {"HOST": "10.0.0.1", "PORT": 3306, "NAME": "charites", "USER": "shop", "PASSWORD": "old"}


@pytest.mark.parametrize("change", [{"HOST": "10.0.0.2"}, {"PORT": 3307}, {"NAME": "other"}])
def test_another_database_is_another_shop(change: dict[str, object]) -> None:
    assert shop_of(HERE | change) != shop_of(HERE)


def test_another_user_or_password_is_the_same_shop() -> None:
    assert shop_of(HERE | {"USER": "readonly", "PASSWORD": "new"}) == shop_of(HERE)


def test_heartbeat_of_one_shop_is_none_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    health.beat("sweep")
    assert health.alive()["sweep"]

    monkeypatch.setitem(settings.DATABASES["default"], "NAME", "another")

    assert not health.alive()["sweep"]


class Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return pytest.fail, ("what lay in Redis was run",)


@pytest.fixture
def written() -> Iterator[None]:
    """Somebody has been at the Redis."""
    get_redis_connection("default").set(cache.make_key("heartbeat:worker"), pickle.dumps(Runs()))
    yield
    cache.delete("heartbeat:worker")


@pytest.mark.usefixtures("written")
def test_what_somebody_writes_into_redis_is_not_run() -> None:
    with pytest.raises(ValueError, match="utf"):
        cache.get("heartbeat:worker")


@pytest.mark.django_db
@pytest.mark.usefixtures("written")
def test_what_somebody_writes_into_redis_is_not_run_by_who_asks_for_it_over_rest() -> None:
    answer = anybody().get("/statusz")

    assert answer.status_code == 503
    assert not answer.json()["checks"]["worker"]["ok"]


def test_what_the_log_in_limit_keeps_comes_back_as_it_was() -> None:
    cache.set("limit", [1764412345.25, 1764412344.5], 10)

    assert cache.get("limit") == [1764412345.25, 1764412344.5]
