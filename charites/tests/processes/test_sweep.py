"""The guarantee: overdue orders close and give their stock back, whatever of Redis and Celery is left."""

from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.core.management import call_command
from django.utils import timezone

from lab.kit.factories import make_goods, make_stock
from lab.kit.processes.shop import Shop, wait_until
from orders.models import Order
from orders.payloads import PlaceOrder
from orders.services import place_order, place_orders
from stock.models import Stock

CLOSE_SECONDS = 120  # a bound for slow machines, no measurement: the sweep comes round every second


def command(quantity: int = 1) -> PlaceOrder:
    return PlaceOrder(user_id=7, quantities={1: quantity}, address="1 Road", name="Wang", phone="138")


def unpaid() -> int:
    return Order.objects.filter(status=Order.Status.UNPAID).count()


@pytest.mark.django_db(transaction=True)
def test_sweep_once_closes_what_is_due_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    make_goods(goods_id=1)
    make_stock(goods_id=1, available=5)
    place_order(command=command(2), now=timezone.now() - timedelta(days=1))
    place_order(command=command(1), now=timezone.now())

    call_command("sweep", "--once")

    assert capsys.readouterr().out == "close: 1, call: 0, check: 0, tidy: 0\n"
    assert unpaid() == 1
    assert Stock.objects.get(goods_id=1).available == 4


@pytest.mark.slow
def test_sweep_with_the_worker_killed_and_redis_flushed_closes_every_order_once(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    make_goods(goods_id=1)
    make_stock(goods_id=1, available=100)
    with Shop(tmp_path, process_environment) as shop:
        shop.start("web", "worker", "sweep", "sweep2")
        shop.await_ready()
        moment = timezone.now() - timedelta(seconds=1800 - 3)  # they expire while the processes run
        place_orders(commands=[command() for _ in range(40)], now=moment)

        shop.kill("worker")
        redis.Redis.from_url(process_environment["REDIS_URL"]).flushall()

        wait_until(lambda: unpaid() == 0, seconds=CLOSE_SECONDS, what="all orders are closed")
        audit = shop.manage("audit")

    stock = Stock.objects.get(goods_id=1)
    assert (stock.available, stock.reserved, stock.sold) == (100, 0, 0)
    assert set(Order.objects.values_list("status", "closed_by")) == {(300, "timeout")}
    assert audit.returncode == 0, audit.stdout


def test_sweep_asked_to_end_ends_with_success(process_environment: dict[str, str], tmp_path: Path) -> None:
    make_goods(goods_id=1)
    make_stock(goods_id=1, available=5)
    place_order(command=command(), now=timezone.now() - timedelta(days=1))
    with Shop(tmp_path, process_environment) as shop:
        shop.start("sweep")
        wait_until(lambda: unpaid() == 0, seconds=CLOSE_SECONDS, what="the order is closed")

        code = shop.end("sweep")

    assert code == 0
