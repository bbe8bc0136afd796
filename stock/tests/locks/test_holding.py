"""Several locks at once: all or none, and what a dead server costs."""

import pytest
import redis

from lab.kit.interleaving import Background
from lab.servers import EmbeddedRedis, free_port
from stock.errors import StockLockFailed
from stock.locks import holding, key_of, lock_of
from stock.tests.locks.lock_servers import FOR_EVER, LEASE, Noise


def test_holding_takes_all_names_in_the_order_given_and_frees_all(server):
    with holding(["1", "2", "10"]):
        held = {name: server.exists(key_of(name)) for name in ("1", "2", "10")}

    assert held == {"1": 1, "2": 1, "10": 1}
    assert not any(server.exists(key_of(name)) for name in ("1", "2", "10"))


def test_holding_frees_all_when_the_body_raises(server):
    with pytest.raises(ValueError, match="body"):
        with holding(["1", "2"]):
            raise ValueError("body")

    assert not any(server.exists(key_of(name)) for name in ("1", "2"))


def test_holding_that_fails_at_one_name_frees_those_before_and_takes_none_behind(server, lock, settings):
    settings.STOCK_LOCK_WAIT_SECONDS = 0.05
    lock.acquire("2", wait_seconds=0, lease_seconds=LEASE)
    noise = Noise(server)

    with pytest.raises(StockLockFailed) as caught:
        with holding(["1", "2", "3"]):
            pytest.fail("the lock of 2 is somebody else's")

    assert caught.value.code == 40010005
    assert [server.exists(key_of(name)) for name in ("1", "2", "3")] == [0, 1, 0]
    assert noise.calls()["set"] <= 4  # 1 once, 2 a few times, 3 never


def test_holding_fails_without_waiting_when_redis_is_gone(settings):
    settings.STOCK_LOCK_REDIS_URLS = [f"redis://127.0.0.1:{free_port()}/0"]
    settings.STOCK_LOCK_WAIT_SECONDS = FOR_EVER

    with Background(hold_one) as holder, pytest.raises(StockLockFailed) as caught:
        holder.result()

    assert isinstance(caught.value.__cause__, redis.ConnectionError)


def test_holding_fails_while_redis_hangs(settings):
    with EmbeddedRedis() as hanging:
        settings.STOCK_LOCK_REDIS_URLS = [hanging.url]
        settings.STOCK_LOCK_WAIT_SECONDS = FOR_EVER
        hold_one()
        hanging.pause()

        with Background(hold_one) as holder, pytest.raises(StockLockFailed) as caught:
            holder.result()
        lock_of((hanging.url,))._redis.close()

    assert isinstance(caught.value.__cause__, redis.TimeoutError)


def hold_one() -> None:
    with holding(["1"]):
        pass


def test_holding_goes_on_when_redis_ends_inside(settings):
    """Only the lock is gone: what it protects has its own fence."""
    with EmbeddedRedis() as mortal:
        settings.STOCK_LOCK_REDIS_URLS = [mortal.url]
        with holding(["1"]):
            mortal.kill()
