"""The guarantee: overdue orders close and give their stock back, whatever of Redis and Celery is left."""

import threading
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import redis
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from charites import health
from charites.management.commands import sweep
from lab.kit.factories import make_goods, make_stock
from lab.kit.processes.shop import Shop, wait_until
from lab.kit.rest_client import anybody
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

    assert capsys.readouterr().out == "close: 1, call: 0, check: 0, webhooks: 0, tidy: 0\n"
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


@pytest.mark.django_db(transaction=True)
def test_loop_of_the_sweep_that_does_not_end_its_round_does_not_beat_and_is_named(settings: Settings) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}}
    ended: set[str] = set()
    stop, is_inside, may_go_on = threading.Event(), threading.Event(), threading.Event()

    def hang(now: datetime) -> int:
        is_inside.set()
        may_go_on.wait()
        return 0

    loop = threading.Thread(target=sweep.run_loop, args=("close", hang, stop, ended))
    loop.start()
    is_inside.wait()
    sweep.beat_for(ended)
    while_it_hangs = closes()
    stop.set()
    may_go_on.set()
    loop.join()
    sweep.beat_for(ended)

    assert (while_it_hangs, closes()) == (False, True)


def closes() -> bool:
    """Whether /statusz says that the loop that closes orders is well."""
    return bool(anybody().get("/statusz").json()["checks"]["sweep-close"]["ok"])


@pytest.mark.django_db(transaction=True)
def test_loop_of_the_sweep_whose_round_fails_does_not_beat() -> None:
    ended: set[str] = set()
    stop = threading.Event()

    def fail(now: datetime) -> int:
        stop.set()
        raise OSError("nobody there")

    sweep.run_loop("call", fail, stop, ended)

    assert ended == set()


def test_running_sweep_beats_for_itself_and_for_each_loop(process_environment: dict[str, str], tmp_path: Path) -> None:
    names = ["sweep", *(f"sweep-{name}" for name in sweep.LOOPS)]
    cache.delete_many([f"heartbeat:{name}" for name in names])  # of a test that ran before
    with Shop(tmp_path, process_environment) as shop:
        shop.start("sweep")

        wait_until(
            lambda: all(health.alive()[name] for name in names), seconds=CLOSE_SECONDS, what="all of its loops beat"
        )
