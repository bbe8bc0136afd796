import itertools
import re
import shlex
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import StringIO

import httpx
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db.models import Sum
from django.utils import timezone

from charites.audit import run_audit
from charites.common.auth import Role
from goods.models import Goods
from lab.demo.fixture_catalogue import load_catalogue
from lab.kit.factories import bearer
from lab.kit.processes.shop import Shop
from lab.servers import LOOPBACK, free_port
from lab.tour.curl_client import Answer, Call, TourFailed, check, shortened
from orders.models import Order
from stock.models import Stock, StockAdjustment
from stock.services import Adjustment, adjust_stock

# As `make run` does, but for the time to pay: the tour waits for it, and pays another order before.
RUN = {
    "DEMO": "true",
    "ORDER_PAY_TIMEOUT_SECONDS": "12",
    "MAX_UNPAID_ORDERS": "5",
    "PLACE_RATE": "30/min",
    "CANCEL_RATE": "10/min",
}


@pytest.fixture
def demo(settings):
    settings.DEMO = True
    settings.HTTP_HOST = LOOPBACK
    settings.HTTP_PORT = free_port()
    return settings


def available():
    return dict(Stock.objects.values_list("goods_id", "available"))


@pytest.mark.servers
def test_tour_of_a_running_shop_shows_everything_and_leaves_the_stock_as_it_was(demo, tmp_path, process_environment):
    load_catalogue(now=timezone.now())
    before = available()
    with Shop(tmp_path, process_environment | RUN) as shop:
        shop.start("web", "worker", "sweep")
        shop.await_ready()

        tour = shop.manage("tour")

    assert (tour.returncode, tour.stderr) == (0, "")
    assert available() == before
    assert Stock.objects.get(goods_id=1).sold == 2
    closed_by = Order.objects.order_by("order_id").values_list("status", "closed_by")
    assert sorted(closed_by) == [(200, ""), (300, "timeout"), *[(300, "user")] * 5]
    assert "Exactly 5 got one; 15 were told that nothing is left." in tour.stdout
    assert f"curl -X POST {shop.url}/api/orders" in tour.stdout
    assert [str(number) in tour.stdout for number in (40010008, 30010002, 50010009)] == [True] * 3
    kettle = re.findall(r"(before|ordered|closed) +│ +(\d+) │ +(\d+) │ +(\d+) │", tour.stdout)[-3:]
    assert kettle == [("before", "60", "0", "0"), ("ordered", "59", "1", "0"), ("closed", "60", "0", "0")]
    assert "there is no refusal to show" not in tour.stdout
    assert f"{len(run_audit(now=timezone.now()))} rules hold." in tour.stdout
    assert [result.check.id for result in run_audit(now=timezone.now()) if result.total] == []


class Passers:
    """Others who buy what the tour buys, and give some of it back, until the block ends."""

    def __init__(self, url, goods_ids):
        self._url, self._goods_ids = url, goods_ids
        self._over, self._users = threading.Event(), itertools.count(50_000)
        self.bought = 0

    def __enter__(self):
        self._pool = ThreadPoolExecutor(1)
        self._running = self._pool.submit(self._run)
        return self

    def __exit__(self, *_):
        self._over.set()
        self._running.result()
        self._pool.shutdown()

    def _run(self):
        header = {"Authorization": bearer(0, Role.SERVICE)}
        with httpx.Client(base_url=self._url, headers=header, timeout=60) as client:
            for goods_id in itertools.cycle(self._goods_ids):
                if self._over.is_set():
                    break
                body = {"GoodsId": goods_id, "Num": 1, "UserId": next(self._users), "Address": "a", "Name": "n"}
                placed = client.post("/v1/createorder", json=body | {"Phone": "1"})
                if placed.status_code == 200:
                    self.bought += 1
                    if self.bought % 2:
                        client.post(f"/api/orders/{placed.json()['OrderId']}/cancel")


@pytest.mark.long
@pytest.mark.servers
@pytest.mark.slow
def test_tour_among_other_buyers_ends_well_and_takes_nothing_from_them(demo, tmp_path, process_environment):
    load_catalogue(now=timezone.now())
    adjust_stock(adjustments=[Adjustment(goods_id, "plenty", "test", target=100_000) for goods_id in (1, 2, 4)])
    with Shop(tmp_path, process_environment | RUN) as shop:
        shop.start("web", "worker", "sweep")
        shop.await_ready()

        with Passers(shop.url, [1, 2, 4]) as passers:
            tour = shop.manage("tour")

    assert (tour.returncode, tour.stderr) == (0, "")
    assert passers.bought > 3
    ours = StockAdjustment.objects.filter(idempotency_key__startswith="tour-")
    assert dict(ours.values_list("goods_id").annotate(Sum("delta"))) == {1: 2, 4: 0}
    assert [result.check.id for result in run_audit(now=timezone.now()) if result.total] == []


@pytest.mark.long
@pytest.mark.servers
def test_tour_with_an_audit_that_finds_something_fails_and_names_it(demo, tmp_path, process_environment):
    load_catalogue(now=timezone.now())
    Stock.objects.create(goods_id=99)  # without an adjustment
    Goods.objects.filter(goods_id=30).update(sale_starts_at=datetime(2026, 11, 11, 20, 30, tzinfo=UTC))
    with Shop(tmp_path, process_environment | RUN) as shop:
        shop.start("web", "worker", "sweep")
        shop.await_ready()

        tour = shop.manage("tour")

    assert tour.returncode == 1
    assert "I1-first-adjustment" in tour.stdout
    assert "99" in tour.stdout
    assert "The audit found 1 of" in tour.stderr
    told = " ".join(tour.stdout.split())
    assert (
        "The sale of product 30 opened at 2026-11-11 20:30 UTC: it takes orders, so there is no refusal to show."
        in told
    )


def test_tour_without_a_shop_says_how_to_start_one(demo):
    with pytest.raises(CommandError, match=f"No shop answers at http://{LOOPBACK}:{demo.HTTP_PORT}: .*`make run`"):
        call_command("tour", stdout=StringIO())


def test_tour_outside_of_the_demo_says_so(settings):
    settings.DEMO = False

    with pytest.raises(CommandError, match="DEMO is off"):
        call_command("tour", stdout=StringIO())


def test_tour_of_a_shop_without_its_background_processes_names_them(demo, live_server):
    demo.HTTP_PORT = live_server.thread.port
    cache.delete("heartbeat:sweep")  # of a test that ran before

    with pytest.raises(CommandError, match=r"The shop is not ready \(.*sweep.*\)"):
        call_command("tour", stdout=StringIO())

    assert not Order.objects.exists()


def test_curl_of_a_call_is_the_same_request():
    call = Call("buyer", "POST", "/api/orders", {"name": "O'Hara 李"}, key="tour-1")

    words = shlex.split(call.curl("http://shop").replace("\\\n", ""))

    assert words == [
        *("curl", "-X", "POST", "http://shop/api/orders"),
        *("-H", "Authorization: Bearer buyer", "-H", "Idempotency-Key: tour-1", "-H", "Content-Type: application/json"),
        *("-d", '{"name": "O\'Hara 李"}'),
    ]


def test_curl_of_a_read_has_neither_method_nor_body():
    assert Call("staff", "GET", "/api/rooms").curl("http://shop") == (
        "curl http://shop/api/rooms \\\n  -H 'Authorization: Bearer staff'"
    )


def test_shortened_keeps_what_a_reader_wants():
    answer = {"goods": [{"goods_id": "1", "title": "a" * 70, "brief": "b"}, {}, {}, {}], "room_id": None}

    assert shortened(answer) == {"goods": [{"goods_id": "1", "title": "a" * 60 + "..."}, {}, "... 2 more"]}


def test_check_of_another_status_says_what_the_shop_said():
    call, answer = Call("buyer", "GET", "/api/rooms"), Answer(409, {"code": 1, "message": "No."})

    with pytest.raises(TourFailed, match=r"GET /api/rooms answered 409 \(1 No\.\) where 200 \(OK\) was expected\."):
        check(call, answer, 200)

    check(call, answer, 409)
