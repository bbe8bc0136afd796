"""redis_lock: what the lock surrounds, bursts of buyers, and a holder that is stopped while its lease runs out."""

import os
import signal
from collections import Counter

import pytest
import redis
from django.conf import settings as project
from django.db import OperationalError, connection

from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import TIMEOUT_SECONDS, Interruption, LostCommit, plain
from lab.kit.participants import NoteParticipant, stored_notes
from lab.kit.processes.shop import wait_until
from lab.kit.racing import Worker, order, race
from lab.kit.stock_steps import confirm_stock, reserve_stock, roll_back_stock
from lab.servers import free_port
from stock.locks import RedisLock, key_of
from stock.models import StockRecord
from stock.moves import Status, reserve
from stock.services import move


@pytest.fixture(autouse=True)
def _redis_lock(settings) -> None:
    settings.STOCK_STRATEGY = "redis_lock"


@pytest.fixture
def server():
    client = redis.Redis.from_url(project.REDIS_URL, decode_responses=True)
    yield client
    for key in client.scan_iter(key_of("*")):
        client.delete(key)
    client.close()


class HeldDuring:
    """Notes which of the locks are held whenever a statement runs, and at COMMIT."""

    def __init__(self, server: redis.Redis, *goods_ids: int) -> None:
        self._server, self._goods_ids = server, goods_ids
        self.seen: list[tuple[str, set[int]]] = []
        self._commit = connection._commit

    def held(self) -> set[int]:
        return {goods_id for goods_id in self._goods_ids if self._server.exists(key_of(str(goods_id)))}

    def __call__(self, execute, sql, params, many, context):
        if "shopping_stock" in sql or "auth_group" in sql:
            self.seen.append((plain(sql).split(" ")[0], self.held()))
        return execute(sql, params, many, context)

    def commit(self) -> None:
        self._commit()
        self.seen.append(("COMMIT", self.held()))


@pytest.mark.django_db(transaction=True)
def test_locks_of_all_goods_are_held_from_before_the_first_read_until_after_the_commit(server, monkeypatch):
    for goods_id in (1, 2, 10):
        make_stock(goods_id, 5)
    noted = HeldDuring(server, 1, 2, 10)
    monkeypatch.setattr(connection, "_commit", noted.commit)

    with connection.execute_wrapper(noted):
        move([reserve(5, {10: 1, 2: 1}), reserve(6, {1: 1})], participant=NoteParticipant())

    assert {kind for kind, _ in noted.seen} == {"SELECT", "INSERT", "UPDATE", "COMMIT"}
    assert [held for _, held in noted.seen] == [{1, 2, 10}] * len(noted.seen)
    assert noted.held() == set()


@pytest.mark.django_db
def test_locks_are_taken_in_order_of_the_goods_ids_as_numbers(server):
    make_stock(2, 5)
    make_stock(10, 5)
    with server.monitor() as monitor:
        move([reserve(5, {10: 1, 2: 1})], participant=NoteParticipant())
        server.echo("end")
        taken = []
        for entry in monitor.listen():
            if entry["command"].startswith("ECHO"):
                break
            if entry["command"].startswith("SET " + key_of("")):
                taken.append(entry["command"].split(" ")[1])

    assert taken == [key_of("2"), key_of("10")]


@pytest.mark.django_db
def test_pay_and_close_take_no_lock(server):
    make_stock(1, 5)
    reserve_stock(order_id=10, quantities={1: 1})
    reserve_stock(order_id=11, quantities={1: 1})
    server.set(key_of("1"), "somebody")

    confirm_stock(order_id=10)
    roll_back_stock(order_id=11, goods_ids=[1])

    assert counts(1) == (4, 0, 1)


@pytest.mark.django_db
def test_lock_that_is_not_obtained_in_time_is_busy_with_its_own_code_and_nothing_is_taken(server, settings):
    settings.STOCK_LOCK_WAIT_SECONDS = 0.05
    make_stock(1, 5)
    server.set(key_of("1"), "somebody")

    outcomes = move([reserve(10, {1: 1}), reserve(11, {1: 1})], participant=NoteParticipant())

    assert [(outcome.status, outcome.error.code) for outcome in outcomes] == [(Status.BUSY, 40010005)] * 2
    assert (counts(1), stored_notes()) == ((5, 0, 0), [])
    assert server.get(key_of("1")) == "somebody"


@pytest.mark.django_db
def test_redis_that_is_gone_is_busy_with_the_code_of_the_lock(settings):
    settings.STOCK_LOCK_REDIS_URLS = [f"redis://127.0.0.1:{free_port()}/0"]
    make_stock(1, 5)

    outcome = move([reserve(10, {1: 1})], participant=NoteParticipant())[0]

    assert (outcome.status, outcome.error.code) == (Status.BUSY, 40010005)
    assert counts(1) == (5, 0, 0)


@pytest.mark.django_db
def test_lock_is_freed_when_the_database_refuses(server):
    make_stock(1, 5)
    full = Interruption(OperationalError(1040, "Too many connections"), at="auth_group", times=1000)

    with connection.execute_wrapper(full):
        move([reserve(10, {1: 1})], participant=NoteParticipant())

    assert not server.exists(key_of("1"))


@pytest.mark.django_db(transaction=True)
def test_lock_is_held_until_an_unknown_commit_is_resolved(server):
    make_stock(1, 5)
    noted = HeldDuring(server, 1)

    with LostCommit(carried_out=True, error=OperationalError(2013, "gone")), connection.execute_wrapper(noted):
        outcome = move([reserve(10, {1: 1})], participant=NoteParticipant())[0]

    assert outcome.status is Status.OK
    assert noted.seen[-1] == ("SELECT", {1})
    assert noted.held() == set()


@pytest.mark.long
@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("buyers", "threads"), [(20, 5), (200, 50)])
def test_burst_of_buyers_is_served_or_refused_for_lack_of_stock_and_none_for_the_lock(
    worker_environment, server, buyers, threads
):
    make_stock(1, buyers // 2)
    orders = [order(1000 + n, {1: 1}) for n in range(buyers)]

    answers = race(worker_environment, ["redis_lock"], orders, processes=4, threads=threads)

    assert Counter(answers.values()) == {"ok": buyers // 2, "not enough": buyers // 2}
    assert counts(1) == (0, buyers // 2, 0)
    assert not server.exists(key_of("1"))


def is_stopped(worker: Worker) -> bool:
    found = os.waitid(os.P_PID, worker.process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
    return found is not None and found.si_status == signal.SIGSTOP


@pytest.mark.long
@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("stock", "answer", "left"),
    [(1, "not enough", (0, 1, 0)), (5, "ok", (3, 2, 0))],
    ids=["of the last piece", "with enough for both"],
)
def test_holder_stopped_until_its_lease_has_passed_cannot_spoil_the_count(
    worker_environment, server, stock, answer, left
):
    """Stopped between its read and its write; the other buyer is served meanwhile. The fence costs it a second try."""
    make_stock(1, stock)
    environment = {**worker_environment, "STOCK_LOCK_LEASE_SECONDS": "0.5"}
    hand = [[order(10, {1: 1})]]
    holder = Worker(environment, strategy="redis_lock", threads=hand, stop_at="INSERT INTO auth_group")
    try:
        holder.await_ready()
        holder.go()
        wait_until(lambda: is_stopped(holder), seconds=TIMEOUT_SECONDS, what="the holder stops itself")
        wait_until(lambda: not server.exists(key_of("1")), seconds=TIMEOUT_SECONDS, what="its lease ends")
        other = move([reserve(11, {1: 1})], participant=NoteParticipant())[0]
        assert other.status is Status.OK
        assert holder.process.poll() is None

        holder.process.send_signal(signal.SIGCONT)
        answers = holder.answers()
    finally:
        holder.end()

    assert answers == {10: answer}
    assert holder.retries == 1
    assert counts(1) == left
    assert stored_notes() == (["10", "11"] if answer == "ok" else ["11"])
    assert StockRecord.objects.count() == left[1]


@pytest.mark.django_db
def test_late_holder_does_not_free_the_lock_of_the_present_one(server):
    make_stock(1, 5)
    thief = RedisLock(project.REDIS_URL)
    taken = []

    def lose_the_lease(execute, sql, params, many, context):
        if plain(sql).startswith("INSERT INTO auth_group") and not taken:
            server.delete(key_of("1"))
            taken.append(thief.acquire("1", wait_seconds=0, lease_seconds=10))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(lose_the_lease):
        outcome = move([reserve(10, {1: 1})], participant=NoteParticipant())[0]

    assert outcome.status is Status.OK
    assert server.get(key_of("1")) == taken[0]
