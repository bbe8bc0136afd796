"""One lock on one server: who waits, who is woken, and what a dead holder costs."""

import contextlib
import socket
import threading

import pytest
import redis
from django.conf import settings as project

from lab.kit.interleaving import TIMEOUT_SECONDS, Background
from lab.kit.processes.shop import wait_until
from stock.locks import RedisLock, key_of
from stock.tests.locks.lock_servers import FOR_EVER, LEASE, Noise, await_waiters


def test_lock_that_is_free_is_taken_with_a_lease(server, lock):
    token = lock.acquire("1", wait_seconds=0, lease_seconds=LEASE)

    assert server.get(key_of("1")) == token
    assert 0 < server.pttl(key_of("1")) <= LEASE * 1000


def test_lock_that_is_held_is_not_given_when_there_is_no_time_to_wait(server, lock):
    token = lock.acquire("1", wait_seconds=0, lease_seconds=LEASE)

    assert lock.acquire("1", wait_seconds=0, lease_seconds=LEASE) is None
    assert server.get(key_of("1")) == token


def test_waiter_sleeps_until_the_release_and_does_not_ask_meanwhile(server, lock, monkeypatch):
    monkeypatch.setattr("stock.locks.LONGEST_NAP_SECONDS", float(TIMEOUT_SECONDS))
    patient = RedisLock(project.REDIS_URL)
    token = lock.acquire("1", wait_seconds=0, lease_seconds=LEASE)
    noise = Noise(server)

    with Background(lambda: patient.acquire("1", wait_seconds=TIMEOUT_SECONDS, lease_seconds=LEASE)) as waiter:
        await_waiters(server, 1)
        assert noise.calls()["set"] == 1
        lock.release("1", token, lease_seconds=LEASE)
        second = waiter.result()

    assert server.get(key_of("1")) == second
    # Once before it slept and once when it was woken; what a nap would add takes half a minute here.
    assert noise.calls()["set"] == 2
    assert server.exists(key_of("1:free")) == 0


def test_signal_that_comes_before_the_waiter_sleeps_is_not_lost(server, lock, monkeypatch):
    """The release comes between the waiter's SET and its BLPOP."""
    monkeypatch.setattr("stock.locks.LONGEST_NAP_SECONDS", float(TIMEOUT_SECONDS))
    hasty = RedisLock(project.REDIS_URL)
    token = lock.acquire("1", wait_seconds=0, lease_seconds=LEASE)
    blpop = hasty._redis.blpop

    def release_first(*arguments, **options):
        lock.release("1", token, lease_seconds=LEASE)
        return blpop(*arguments, **options)

    monkeypatch.setattr(hasty._redis, "blpop", release_first)

    with Background(lambda: hasty.acquire("1", wait_seconds=TIMEOUT_SECONDS, lease_seconds=LEASE)) as waiter:
        assert waiter.result() is not None


def test_waiter_whose_lock_is_stolen_is_woken_by_the_thief(server, lock, monkeypatch):
    monkeypatch.setattr("stock.locks.LONGEST_NAP_SECONDS", float(TIMEOUT_SECONDS))
    patient = RedisLock(project.REDIS_URL)
    server.rpush(key_of("1:free"), "1")  # a signal of a release, after which somebody faster took the lock
    stolen = lock.acquire("1", wait_seconds=0, lease_seconds=LEASE)

    with Background(lambda: patient.acquire("1", wait_seconds=TIMEOUT_SECONDS, lease_seconds=LEASE)) as waiter:
        await_waiters(server, 1)
        assert server.exists(key_of("1:free")) == 0
        lock.release("1", stolen, lease_seconds=LEASE)
        assert waiter.result() is not None


def test_one_release_wakes_one_of_many_waiters(server, lock, monkeypatch):
    monkeypatch.setattr("stock.locks.LONGEST_NAP_SECONDS", float(TIMEOUT_SECONDS))
    token = lock.acquire("1", wait_seconds=0, lease_seconds=LEASE)
    waiting = RedisLock(project.REDIS_URL)
    served: list[str] = []

    def wait_and_pass_on() -> None:
        mine = waiting.acquire("1", wait_seconds=TIMEOUT_SECONDS, lease_seconds=LEASE)
        served.append(mine)
        waiting.release("1", mine, lease_seconds=LEASE)

    with contextlib.ExitStack() as stack:
        waiters = [stack.enter_context(Background(wait_and_pass_on)) for _ in range(20)]
        await_waiters(server, 20)
        noise = Noise(server)
        lock.release("1", token, lease_seconds=LEASE)
        for waiter in waiters:
            waiter.result()

    assert len(set(served)) == 20
    # Each was woken once and found the lock free: 20 SETs, not 20 + 19 + 18...
    assert noise.calls()["set"] == 20
    assert server.llen(key_of("1:free")) <= 1


def test_two_hundred_waiters_in_one_process_all_get_their_turn(server, lock):
    served: list[str] = []

    def take_turn() -> None:
        token = lock.acquire("1", wait_seconds=TIMEOUT_SECONDS, lease_seconds=LEASE)
        served.append(token)
        lock.release("1", token, lease_seconds=LEASE)

    first = lock.acquire("1", wait_seconds=0, lease_seconds=LEASE)
    with contextlib.ExitStack() as stack:
        waiters = [stack.enter_context(Background(take_turn)) for _ in range(200)]
        await_waiters(server, 200)
        lock.release("1", first, lease_seconds=LEASE)
        for waiter in waiters:
            waiter.result()

    assert len(set(served)) == 200


def test_waiter_of_a_holder_that_died_looks_again_by_itself(server, lock):
    lock.acquire("1", wait_seconds=0, lease_seconds=0.2)

    with Background(lambda: lock.acquire("1", wait_seconds=FOR_EVER, lease_seconds=LEASE)) as waiter:
        token = waiter.result()  # with a bound, and nobody gives a signal

    assert server.get(key_of("1")) == token


def test_release_by_who_lost_the_lock_does_nothing(server, lock):
    late = lock.acquire("1", wait_seconds=0, lease_seconds=0.05)
    wait_until(lambda: not server.exists(key_of("1")), seconds=TIMEOUT_SECONDS, what="the lease ends")
    present = lock.acquire("1", wait_seconds=0, lease_seconds=LEASE)

    lock.release("1", late, lease_seconds=LEASE)

    assert server.get(key_of("1")) == present
    assert server.exists(key_of("1:free")) == 0


def test_releases_without_waiters_leave_one_signal_that_ends_by_itself(server, lock):
    for _ in range(3):
        lock.release("1", lock.acquire("1", wait_seconds=0, lease_seconds=LEASE), lease_seconds=LEASE)

    assert server.llen(key_of("1:free")) == 1
    assert 0 < server.pttl(key_of("1:free")) <= LEASE * 1000


class DeafProxy:
    """Passes everything on to a server, but not the reply to the first SET."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.lost = 0

    def __enter__(self) -> "DeafProxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *failure: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(self._target) as server:
            while data := client.recv(65_536):
                server.sendall(data)
                answer = server.recv(65_536)
                if b"\r\nSET\r\n" in data and not self.lost:
                    self.lost += 1
                    return
                client.sendall(answer)


def test_lock_whose_set_lost_its_reply_is_given_back(server):
    pool = server.connection_pool.connection_kwargs
    with DeafProxy((pool["host"], pool["port"])) as proxy:
        lock = RedisLock(f"redis://127.0.0.1:{proxy.port}/{pool.get('db', 0)}")
        with pytest.raises(redis.ConnectionError):
            lock.acquire("1", wait_seconds=5, lease_seconds=LEASE)

    assert proxy.lost == 1
    assert server.exists(key_of("1")) == 0
