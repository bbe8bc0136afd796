"""Counters of those who were turned away, and of batches."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from prometheus_client import REGISTRY

from charites.common.batches import Batches, Bounds
from charites.common.callers import Call, Entry, Unserved
from charites.common.errors import ServiceError, Why, busy
from charites.common.refused import count_refusal
from charites.tests.web.asked import Web, as_buyer, order
from lab.kit.factories import make_goods
from lab.kit.grpc_server import Callers, grpc_callers, refusal
from lab.kit.interleaving import Background, Interruption
from lab.kit.processes.shop import wait_until
from lab.kit.rest_client import anybody, buyer
from orders.queue import PLACING
from orders.rpc.orders_pb2 import CreateOrderRequest
from stock.errors import StockBusy
from stock.rpc.stock_pb2 import StockLevel

ORDER = CreateOrderRequest(goods_id=1, num=1, address="a", name="n", phone="p")
BUSY = ("UNAVAILABLE", 10000004)


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()


@pytest.fixture
def callers() -> Iterator[Callers]:
    with grpc_callers() as callers:
        yield callers


@pytest.fixture
def full_queue(settings) -> Iterator[Any]:
    """Takes a function that fills the queue of placing."""
    settings.STOCK_GROUP_QUEUE = 0
    waiting = Call(["an order"], 60.0)
    yield lambda: PLACING._queue.append(Entry("an order", waiting))
    PLACING._queue.clear()


def told_busy(why: str) -> float:
    return REGISTRY.get_sample_value("charites_busy_total", {"why": why}) or 0


def of_queue(name: str, queue: str) -> float:
    return REGISTRY.get_sample_value(f"charites_{name}", {"queue": queue}) or 0


@pytest.mark.django_db(transaction=True)
def test_busy_web_server_is_counted_by_why(web: Web, settings, full_queue) -> None:
    make_goods(1, stock=5)
    web.send("GET", "/api/goods/1", headers=as_buyer())
    before = told_busy("calls"), told_busy("queue"), told_busy("threads")

    full_queue()
    assert web.send("POST", "/api/orders", order(), as_buyer()).status == 503
    settings.WEB_WAIT_SECONDS = 0.0
    for _ in range(settings.WEB_THREADS):
        web.run(web.app._turns._free.acquire())
    assert web.send("GET", "/api/orders", headers=as_buyer()).status == 503
    settings.WEB_MAX_CONCURRENT = 0
    assert web.send("GET", "/api/orders", headers=as_buyer()).status == 503

    assert (told_busy("calls"), told_busy("queue"), told_busy("threads")) == tuple(count + 1 for count in before)


@pytest.mark.django_db(transaction=True)
def test_busy_grpc_server_is_counted_by_why(callers: Callers, settings, full_queue) -> None:
    make_goods(1, stock=5)
    before = told_busy("calls"), told_busy("queue")
    create = callers.buyer().order.CreateOrder

    full_queue()
    assert refusal(create, ORDER) == BUSY
    settings.GRPC_MAX_CONCURRENT = 0
    assert refusal(callers.buyer().stock.GetStock, StockLevel(goods_id=1)) == BUSY

    assert (told_busy("calls"), told_busy("queue")) == (before[0] + 1, before[1] + 1)


@pytest.mark.django_db
def test_database_that_is_away_is_counted_as_such() -> None:
    before = told_busy("database")

    with connection.execute_wrapper(Interruption(OperationalError(2013, "gone"), at="SELECT", times=99)):
        assert buyer().get("/api/goods/1").status_code == 503

    assert told_busy("database") == before + 1


@pytest.mark.django_db
def test_rate_that_limits_is_counted() -> None:
    cache.clear()
    limited = {"error": "Limited"}
    before = REGISTRY.get_sample_value("charites_limited_total", limited) or 0

    wrong = {"username": "nobody", "password": "wrong"}
    statuses = [anybody().post("/api/auth/token", wrong).status_code for _ in range(61)]
    cache.clear()

    assert (statuses[0], statuses[-1]) == (401, 429)
    assert REGISTRY.get_sample_value("charites_limited_total", limited) == before + statuses.count(429)


@pytest.mark.parametrize(("error", "why"), [(busy(Why.STREAMS), "streams"), (StockBusy(), "StockBusy")])
def test_busy_is_counted_by_its_reason_or_its_name_which_no_caller_sees(error: ServiceError, why: str) -> None:
    before = told_busy(why)

    count_refusal(error)

    assert told_busy(why) == before + 1
    assert (error.details, why in error.message) == ({}, False)


def test_batches_are_counted_with_their_size_and_what_waits_behind_them(monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[Background] = []

    def carry_out(items: list[str]) -> list[str]:
        if items == ["first"]:
            for name in ("second", "third"):
                others.append(Background(lambda name=name: batches.call([name], seconds=60)).__enter__())
            wait_until(lambda: len(batches._queue) == 2, seconds=60, what="two others wait")
        return items

    batches: Batches[str, str] = Batches("tea", carry_out, lambda: Bounds(8, 8))
    waiting: list[float] = []
    monkeypatch.setattr(batches._waiting, "set", waiting.append)

    assert batches.call(["first"], seconds=60) == ["first"]
    assert [other.result() for other in others] == [["second"], ["third"]]
    wait_until(lambda: len(waiting) == 2, seconds=60, what="the second batch is counted")

    assert waiting == [2, 0]
    assert (of_queue("batch_size_count", "tea"), of_queue("batch_size_sum", "tea")) == (2, 3)
    assert of_queue("batch_seconds_count", "tea") == 2


def test_queue_that_is_full_is_no_batch() -> None:
    batches: Batches[str, str] = Batches("coffee", lambda items: items, lambda: Bounds(8, 1))

    assert batches.call(["one", "two", "three"], seconds=60) == ["one", "two", "three"]
    batches._queue.append(Entry("waits", Call(["waits"], 60.0)))
    assert batches.call(["one"], seconds=60) == [Unserved.FULL]

    assert of_queue("batch_size_count", "coffee") == 1
