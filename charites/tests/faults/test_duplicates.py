"""Every message a hundred times at once: it takes effect once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from lab.kit.factories import SANDBOX, counts, make_capture, make_goods, make_order, make_payment
from lab.kit.findings import findings, wrong_endings
from lab.kit.processes.shop import Shop
from lab.kit.trials import Trials
from messaging import relay
from messaging.models import Message
from messaging.registry import list_topics
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payloads import RefundOrder
from orders.payments import signing
from orders.payments.sandbox import capture_payment
from orders.services import record_captures, refund_order, send_refunds

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]

COPIES = 100
SWEEPS = 13  # 13 x 8 deliveries are all hundred of them at once


@pytest.fixture(autouse=True)
def _shop(settings: Any) -> None:
    settings.PAYMENT_PROVIDER = SANDBOX
    make_goods(1, stock=10)


# What each topic's message comes from, and what it has done when it has taken effect once

Effect = Callable[[], None]


def payment_notify() -> Effect:
    """A buyer has paid at the provider, which calls back."""
    order = make_order({1: 2}, now=timezone.now())
    make_payment(order, now=timezone.now(), outcome="now")

    def paid_once() -> None:
        assert Order.objects.get().status == Order.Status.PAID
        assert wrong_endings([order.order_id]) == {}
        assert Refund.objects.count() == 0
        assert counts(1) == (8, 0, 2)

    return paid_once


def payment_refund() -> Effect:
    """Less money came in than the order costs."""
    payment = captured_payment()
    record_captures(captures=[make_capture(payment, trade_id=trade_of(payment), amount=payment.amount - 1)])

    def sent_back_once() -> None:
        refund = Refund.objects.get()
        assert refund.status == Refund.Status.DONE
        assert SandboxPayment.objects.get().refunded == refund.amount == payment.amount - 1
        assert Order.objects.get().status == Order.Status.UNPAID

    return sent_back_once


def order_refund() -> Effect:
    """Somebody asked that a part of a paid order's money goes back."""
    refund_piece(amount=100)

    def sent_back_once() -> None:
        assert Refund.objects.get().status == Refund.Status.DONE
        assert SandboxPayment.objects.get().refunded == 100
        assert counts(1) == (8, 0, 2)

    return sent_back_once


def stock_returned() -> Effect:
    """A piece came back with the money of a paid order."""
    refund = refund_piece(amount=100, returned={1: 1})
    assert send_refunds(refund_ids=[refund.refund_id], now=timezone.now()) == {}
    Message.objects.filter(topic="order_refund").delete()  # which has had its effect

    def available_once() -> None:
        assert SandboxPayment.objects.get().refunded == 100
        assert counts(1) == (9, 0, 2)

    return available_once


def captured_payment() -> Payment:
    """A payment whose money the sandbox has, and whose callback is lost."""
    payment = make_payment(make_order({1: 2}, now=timezone.now()), now=timezone.now())
    assert capture_payment(payment_id=payment.payment_id, now=timezone.now())
    Message.objects.all().delete()
    return payment


def trade_of(payment: Payment) -> str:
    return SandboxPayment.objects.get(payment_id=payment.payment_id).trade_id


def refund_piece(*, amount: int, returned: dict[int, int] | None = None) -> Refund:
    """A refund of a paid order, asked for by staff."""
    payment = captured_payment()
    assert record_captures(captures=[make_capture(payment, trade_id=trade_of(payment))]) == [None]
    command = RefundOrder(payment.order_id, amount, "broken", "staff:3", "k1", returned=returned or {})
    requested = refund_order(command=command)
    assert requested.refund
    return requested.refund


TOPICS: dict[str, Callable[[], Effect]] = {
    topic.__name__: topic for topic in (order_refund, payment_notify, payment_refund, stock_returned)
}
ALL_TOPICS = list_topics()


def at_once(function: Callable[[], Any], times: int) -> list[Any]:
    """Calls a function in that many threads, each with a connection of its own, that start together."""
    start = threading.Barrier(times)

    def call(_number: int) -> Any:
        try:
            connection.ensure_connection()
            start.wait(120)
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(call, range(times)))


def sweep(seconds_later: float = 0) -> int:
    """One round of a sweep's delivery; returns how many messages it claimed."""
    return relay.deliver_due(now=timezone.now() + timedelta(seconds=seconds_later))


def sweep_all(seconds_later: float = 0) -> None:
    while sweep(seconds_later):
        pass


def test_every_topic_is_tried() -> None:
    assert sorted(TOPICS) == sorted(ALL_TOPICS)


@pytest.mark.parametrize("topic", ALL_TOPICS)
def test_hundred_copies_of_a_message_take_effect_once(
    topic: str, live_server: LiveServer, settings: Any, trials: Trials
) -> None:
    settings.PAYMENT_NOTIFY_URL = f"{live_server.url}/api/payments/notify"
    took_effect_once = TOPICS[topic]()
    copies_of(Message.objects.get(topic=topic))

    at_once(sweep_all, SWEEPS)
    sweep_all(seconds_later=600)  # a copy that met another one at work was refused, and comes again

    took_effect_once()
    assert set(Message.objects.filter(topic=topic).values_list("state", flat=True)) == {"done"}
    assert findings() == []
    trials.tell(f"{topic}: {COPIES} copies, {SWEEPS} sweeps at once")


def copies_of(message: Message) -> None:
    """Makes it a hundred of the same."""
    message.pk = None
    Message.objects.bulk_create([message] * (COPIES - 1))
    assert Message.objects.filter(topic=message.topic).count() == COPIES


@pytest.mark.parametrize("topic", ALL_TOPICS)
def test_message_that_many_sweeps_want_is_delivered_once(
    topic: str, live_server: LiveServer, settings: Any, trials: Trials
) -> None:
    settings.PAYMENT_NOTIFY_URL = f"{live_server.url}/api/payments/notify"
    took_effect_once = TOPICS[topic]()
    sweeps = trials.count(sample=30, full=100)

    claimed = at_once(sweep, sweeps)

    took_effect_once()
    message = Message.objects.get(topic=topic)
    assert (sum(claimed), message.state, message.attempts) == (1, "done", 1)
    assert findings() == []
    trials.tell(f"{topic}: {sweeps} sweeps at once for one message")


def test_hundred_notices_at_once_pay_once(
    process_environment: dict[str, str], tmp_path: Path, settings: Any, trials: Trials
) -> None:
    order = make_order({1: 2}, now=timezone.now())
    make_payment(order, now=timezone.now(), outcome="now")
    notice = Message.objects.get(topic="payment_notify")
    body = httpx.Request("POST", "http://shop", json={**notice.payload}).content
    headers = signing.sign(secret=settings.PAYMENT_SECRET, notice_id="n", body=body, now=timezone.now())
    with Shop(tmp_path, {**process_environment, "PAYMENT_PROVIDER": SANDBOX}) as shop:
        shop.start("web", "web2")
        shop.await_web()

        def send() -> int:
            return httpx.post(f"{shop.url}/api/payments/notify", content=body, headers=headers, timeout=60).status_code

        answers = at_once(send, COPIES)

    assert answers == [200] * COPIES
    assert wrong_endings([order.order_id]) == {}
    assert (Refund.objects.count(), counts(1)) == (0, (8, 0, 2))
    notice.delete()
    assert findings() == []
    trials.tell(f"{COPIES} identical notices at two web processes: all answered with success")
