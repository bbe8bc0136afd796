"""One process with a clock of its own, an hour ahead or ten minutes behind: it goes by the database's all the same, and
harms nobody."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from django.conf import settings

from charites.common.clock import read_database_time
from charites.common.models import Node
from charites.common.rpc import Client, read_error
from goods.errors import SaleNotStarted, SaleOver
from lab.kit.factories import (
    SANDBOX,
    bearer,
    counts,
    make_capture,
    make_goods,
    make_order,
    make_payment,
    stored,
)
from lab.kit.message_rows import make_message
from lab.kit.processes.shop import Shop, wait_until
from lab.kit.trials import Trials
from messaging import wakeups
from messaging.models import Message
from orders.models import Order, Refund
from orders.refunds import REFUND_TOPIC
from orders.rpc.orders_pb2 import CreateOrderRequest
from orders.rpc.orders_pb2_grpc import OrderStub
from orders.services import TIMEOUT_TASK, record_captures

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

AHEAD, BEHIND = 3600, -600
FIVE_MINUTES = timedelta(minutes=5)
SECOND = timedelta(seconds=1)
ORDER = {"items": [{"goods_id": "1", "quantity": 1}], "address": "a", "name": "n", "phone": "p"}
NODE = 5


@pytest.fixture(params=[AHEAD, BEHIND], ids=["ahead", "behind"])
def wrong(request: pytest.FixtureRequest, process_environment: dict[str, str]) -> dict[str, str]:
    """The environment of a process whose clock is wrong. Its monotonic clock is right: nobody can set that."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("libfaketime is not installed here")
    environment = {
        **process_environment,
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{request.param:+}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PAYMENT_PROVIDER": SANDBOX,
        "NODE_FIRST": str(NODE),
        "NODE_LAST": str(NODE),
    }
    command = [sys.executable, "-c", "import time; print(time.time())"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert abs(float(told) - time.time() - request.param) < 30, "its clock is not wrong"
    return environment


@pytest.fixture
def shop(wrong: dict[str, str], tmp_path: Path, settings: Any) -> Iterator[Shop]:
    """A shop all of whose processes have the wrong clock."""
    settings.PAYMENT_PROVIDER = SANDBOX
    make_goods(1, stock=10)
    with Shop(tmp_path, wrong) as shop:
        yield shop


def database_time() -> datetime:
    now = read_database_time()
    assert now
    return now


def make_order_due(in_time: timedelta) -> Order:
    """An order whose time is up then, by the database's clock."""
    return make_order(now=database_time() + in_time - timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS))


def is_closed(order: Order) -> bool:
    return stored(order).status == Order.Status.CLOSED


@pytest.mark.long
def test_server_gives_orders_the_databases_time_and_takes_nobodys_node(shop: Shop) -> None:
    lease = Node.objects.create(node=NODE, owner="x", leased_until=database_time() + FIVE_MINUTES, used_until_ms=0)
    shop.start("web", "grpc")
    shop.await_web()

    def place() -> httpx.Response:
        return httpx.post(f"{shop.url}/api/orders", json=ORDER, headers={"Authorization": bearer()}, timeout=60)

    assert place().status_code == 503  # the node is somebody else's for five minutes more
    Node.objects.update(leased_until=database_time() - FIVE_MINUTES)

    before = database_time()
    placed = place()
    assert placed.status_code == 201, placed.text
    over_rest = [datetime.fromisoformat(placed.json()[name]) for name in ("created_at", "expires_at")]
    Node.objects.update(leased_until=database_time() - FIVE_MINUTES)  # for the next process
    with grpc.insecure_channel(shop.grpc_address) as channel:
        grpc.channel_ready_future(channel).result(60)
        request = CreateOrderRequest(goods_id=1, num=1, address="a", name="n", phone="p")
        reply = OrderStub(channel).CreateOrder(request, timeout=60, metadata=[("authorization", bearer())])
    after = database_time()

    over_grpc = [stamp.ToDatetime(tzinfo=UTC) for stamp in (reply.created_at, reply.expires_at)]
    for created_at, expires_at in (over_rest, over_grpc):
        assert before - SECOND <= created_at <= after + SECOND
        assert expires_at - created_at == timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS)
    lease.refresh_from_db()
    assert abs(lease.leased_until - after - timedelta(seconds=60)) < timedelta(seconds=30)


@pytest.mark.long
def test_sale_opens_and_ends_by_the_databases_time(shop: Shop) -> None:
    """An hour ahead every one of these sales would be open, or over; ten minutes behind none would."""
    now = database_time()
    make_goods(2, stock=10, sale_starts_at=now + 2 * FIVE_MINUTES)
    make_goods(3, stock=10, sale_starts_at=now - FIVE_MINUTES, sale_ends_at=now + 2 * FIVE_MINUTES)
    make_goods(4, stock=10, sale_ends_at=now - FIVE_MINUTES)
    shop.start("web")
    shop.await_web()

    over_rest = {}
    for goods_id in (2, 3, 4):
        body = {**ORDER, "items": [{"goods_id": str(goods_id), "quantity": 1}]}
        answer = httpx.post(f"{shop.url}/api/orders", json=body, headers={"Authorization": bearer()}, timeout=60)
        over_rest[goods_id] = answer.json().get("code", answer.status_code)
    shop.kill("web")
    Node.objects.update(leased_until=now - FIVE_MINUTES)  # for the next process
    shop.start("grpc")
    over_grpc = {}
    with Client(shop.grpc_address, token=bearer(), timeout_seconds=60, tries=1) as client:
        grpc.channel_ready_future(client.channel).result(60)
        for goods_id in (2, 3, 4):
            over_grpc[goods_id] = place_over_grpc(client, goods_id)

    assert over_rest == {2: SaleNotStarted.code, 3: 201, 4: SaleOver.code}
    assert over_grpc == {2: SaleNotStarted.code, 3: 0, 4: SaleOver.code}
    assert [counts(goods_id)[0] for goods_id in (2, 3, 4)] == [10, 8, 10]


def place_over_grpc(client: Client, goods_id: int) -> int:
    """Returns 0, or the number of the refusal."""
    request = CreateOrderRequest(goods_id=goods_id, num=1, address="a", name="n", phone="p")
    try:
        client.stub(OrderStub).CreateOrder(request)
    except grpc.RpcError as error:
        refusal = read_error(error)
        return refusal.code if refusal else -1
    return 0


def test_sweep_closes_by_the_databases_time_and_leaves_leases_and_retries_alone(shop: Shop, trials: Trials) -> None:
    starts = trials.count(sample=1, full=5)
    now = database_time()
    early = make_order_due(FIVE_MINUTES)
    refund = make_leased_refund(until=now + FIVE_MINUTES)
    next_try = make_due_message(deliver_at=now + FIVE_MINUTES)
    claimed = make_due_message(deliver_at=now, claimed_until=now + FIVE_MINUTES, lease="somebody's", attempts=1)

    for _ in range(starts):
        late, due = make_order_due(-timedelta(minutes=1)), make_due_message(deliver_at=database_time())
        shop.start("sweep")
        wait_until(lambda: is_closed(late), seconds=60, what="the order whose time is up is closed")  # noqa: B023
        wait_until(lambda: state_of(due) == "done", seconds=60, what="the message that is due is delivered")  # noqa: B023
        shop.kill("sweep")

    assert stored(early).status == Order.Status.UNPAID
    assert (state_of(next_try), state_of(claimed)) == ("ready", "ready")
    claimed.refresh_from_db()
    assert (claimed.lease, claimed.attempts, claimed.claimed_until) == ("somebody's", 1, now + FIVE_MINUTES)
    found = Refund.objects.get(pk=refund.pk)
    assert (found.status, found.attempts, found.leased_until) == ("pending", refund.attempts, now + FIVE_MINUTES)
    trials.tell(f"{starts} sweeps started with a wrong clock")


def make_due_message(**columns: Any) -> Message:
    """A message about a refund that nobody has to send any more."""
    return make_message(topic=REFUND_TOPIC, key="1", payload={"v": 1, "payment_id": "1"}, **columns)


def state_of(message: Message) -> str:
    return Message.objects.get(pk=message.pk).state


def make_leased_refund(*, until: datetime) -> Refund:
    """A refund that is overdue, without a message, and that somebody is sending."""
    payment = make_payment(make_order_due(timedelta(minutes=20)), now=database_time())
    assert record_captures(captures=[make_capture(payment, amount=5)]) == [None]
    Message.objects.all().delete()
    Refund.objects.update(leased_until=until, next_try_at=until - 2 * FIVE_MINUTES, attempts=1)
    return Refund.objects.get()


@pytest.mark.long
def test_worker_that_is_woken_closes_by_the_databases_time(shop: Shop) -> None:
    early, late = make_order_due(FIVE_MINUTES), make_order_due(-timedelta(minutes=1))
    long_ago = database_time() - 4 * FIVE_MINUTES

    shop.start("worker")
    wakeups.publish(TIMEOUT_TASK, int(long_ago.timestamp()) // wakeups.SLOT_SECONDS)
    wait_until(lambda: is_closed(late), seconds=60, what="the order whose time is up is closed")

    assert stored(early).status == Order.Status.UNPAID
    assert counts(1) == (9, 1, 0)
