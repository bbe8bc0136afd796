"""One order is one trace, through every process that does something for it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from lab.kit.factories import bearer
from lab.kit.processes.shop import START_SECONDS, SplitShop, wait_until
from lab.kit.trace_collector import Span, TraceCollector
from lab.race.database import own_database

pytestmark = [pytest.mark.slow, pytest.mark.once]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ORDER = {"items": [{"goods_id": "5", "quantity": 1}], "address": "a", "name": "n", "phone": "p"}
SECONDS = 120  # a bound for slow machines, no measurement
SETTINGS = {
    "DEMO": "true",
    "ORDER_PAY_TIMEOUT_SECONDS": "3",
    "REMOTE_TIMEOUT_SECONDS": "60",  # the first call of cold processes
    "MESSAGE_FIRST_CHECK_SECONDS": "121",
    "OTEL_BSP_SCHEDULE_DELAY": "100",  # milliseconds
}


@pytest.fixture
def collector() -> Iterator[TraceCollector]:
    with TraceCollector() as collector:
        yield collector


@pytest.fixture
def shop(tmp_path: Path, django_db_blocker: Any, collector: TraceCollector) -> Iterator[SplitShop]:
    """Three services, without a sweep: what happens later is the worker's."""
    environment = {**os.environ, **SETTINGS, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with django_db_blocker.unblock(), ExitStack() as stack:
        databases = {name: stack.enter_context(own_database()) for name in ("goods", "stock", "orders")}
        shop = stack.enter_context(SplitShop(tmp_path, environment, databases))
        shop.prepare()
        for service in ("goods", "stock"):
            shop[service].start("grpc")
        shop["orders"].start("web", "worker")
        for service in ("goods", "stock"):
            with grpc.insecure_channel(shop[service].grpc_address) as channel:
                grpc.channel_ready_future(channel).result(START_SECONDS)
        shop["orders"].await_web()
        yield shop


@pytest.mark.long
def test_order_is_one_trace_through_web_stock_worker_message_and_stock_again(
    shop: SplitShop, collector: TraceCollector
) -> None:
    def seen(name: str, kind: str) -> Span:
        what = f"{name} in the trace"
        return wait_until(lambda: collector.find(TRACE, name, kind), seconds=SECONDS, what=what)

    headers = {"Authorization": bearer(1), "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    placed = httpx.post(f"{shop['orders'].url}/api/orders", json=ORDER, headers=headers, timeout=60)
    reserved = seen("Stock.ReserveStock", "SERVER")
    woken = seen("shopping_order_pay_timeout", "CONSUMER")
    shop["orders"].start("sweep")
    rolled_back = seen("Stock.RollbackStock", "SERVER")
    seen("deliver stock_roll_back", "CONSUMER")  # ends after all that is in it

    assert placed.status_code == 201
    web, stock, worker, sweep = (
        shop[service].processes[name].pid
        for service, name in (("orders", "web"), ("stock", "grpc"), ("orders", "worker"), ("orders", "sweep"))
    )
    names = {stock: "stock", worker: "worker", sweep: "sweep"}  # web's spans are of a child of its process
    assert web not in names

    def told(span: Span) -> list[tuple[str, str]]:
        return [(names.get(each.process, "web"), each.name) for each in collector.path_to(span)]

    assert told(reserved) == [
        ("web", "POST api/orders"),
        ("web", "batch placing"),
        ("web", "Stock.ReserveStock"),
        ("stock", "Stock.ReserveStock"),
    ]
    assert told(woken)[-1] == ("worker", "shopping_order_pay_timeout")
    assert told(rolled_back) == [
        *told(woken),
        ("worker", "transaction orders"),
        ("sweep", "deliver stock_roll_back"),
        ("sweep", "Stock.RollbackStock"),
        ("stock", "Stock.RollbackStock"),
    ]
    assert told(woken)[0] == ("web", "POST api/orders")
