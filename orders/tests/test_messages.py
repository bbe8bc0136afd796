"""The topics of orders, delivered by the relay: callbacks of the sandbox over real HTTP, and refunds."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.utils import timezone

from charites.common.logs import request_context
from charites.tests.factories import NOW, SANDBOX, make_capture, make_goods, make_order, make_payment
from messaging.models import Message
from messaging.relay import deliver_remote
from orders.models import Refund, SandboxPayment
from orders.payments import signing
from orders.services import record_captures
from orders.tests.providers import AWAY

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _sandbox(settings):
    settings.PAYMENT_PROVIDER = SANDBOX


class Shop(HTTPServer):
    """Stands for the shop's own address of notices: answers `status` and notes what came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ShopHandler)
        self.status = 200
        self.notices: list[tuple[dict[str, str], bytes]] = []


class ShopHandler(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.notices.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def shop(settings) -> Iterator[Shop]:
    with Shop() as server:
        settings.PAYMENT_NOTIFY_URL = f"http://127.0.0.1:{server.server_port}/api/payments/notify"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def make_paid_at_the_sandbox() -> SandboxPayment:
    make_goods(1, stock=5)
    with request_context("request-1"):
        make_payment(make_order(), outcome="now")
    return SandboxPayment.objects.get()


def test_notice_carries_the_capture_signed_and_the_request_id(shop, settings):
    books = make_paid_at_the_sandbox()

    assert deliver_remote(now=NOW) == 1

    ((headers, body),) = shop.notices
    signing.verify(secret=settings.PAYMENT_SECRET, headers=headers, body=body, now=timezone.now())
    assert json.loads(body) == {
        "payment_id": str(books.payment_id),
        "trade_id": books.trade_id,
        "amount": 9950,
        "currency": "CNY",
        "captured_at": NOW.isoformat(),
    }
    assert (headers["x-request-id"], headers["content-type"]) == ("request-1", "application/json")
    assert Message.objects.get().state == Message.State.DONE


@pytest.mark.parametrize("status", [500, 503, 404, 302])
def test_notice_that_is_not_answered_with_success_is_sent_again(shop, status):
    make_paid_at_the_sandbox()
    shop.status = status

    deliver_remote(now=NOW)

    message = Message.objects.get()
    assert (message.state, message.attempts) == (Message.State.READY, 1)
    assert str(status) in message.last_error
    shop.status = 200
    assert deliver_remote(now=message.deliver_at) == 1
    message.refresh_from_db()
    assert message.state == Message.State.DONE
    assert [headers["webhook-id"] for headers, _ in shop.notices] == [f"notice-{message.pk}"] * 2


def test_notice_to_nobody_is_sent_again(settings):
    make_paid_at_the_sandbox()
    settings.PAYMENT_NOTIFY_URL = "http://127.0.0.1:1/"

    deliver_remote(now=NOW)

    message = Message.objects.get()
    assert (message.state, message.attempts) == (Message.State.READY, 1)
    assert "ConnectError" in message.last_error


def late_capture() -> Refund:
    make_goods(1, stock=5)
    payment = make_payment(make_order(), outcome="now")
    Message.objects.all().delete()
    trade_id = SandboxPayment.objects.get().trade_id
    record_captures(captures=[make_capture(payment, trade_id=trade_id, amount=9949)])
    return Refund.objects.get()


def test_refund_is_sent_by_its_message():
    refund = late_capture()

    assert deliver_remote(now=timezone.now()) == 1

    refund.refresh_from_db()
    assert refund.status == Refund.Status.DONE
    assert SandboxPayment.objects.get().refunded == 9949
    assert Message.objects.get().state == Message.State.DONE


def test_refund_with_the_provider_away_climbs_the_ladder(settings):
    refund = late_capture()
    settings.PAYMENT_PROVIDER = AWAY

    deliver_remote(now=timezone.now())

    refund.refresh_from_db()
    assert (refund.status, refund.attempts) == (Refund.Status.PENDING, 1)
    message = Message.objects.get()
    assert (message.state, message.attempts, message.last_error) == ("ready", 1, "ConnectionError('away')")
    settings.PAYMENT_PROVIDER = SANDBOX
    deliver_remote(now=message.deliver_at)
    refund.refresh_from_db()
    assert (refund.status, refund.attempts) == (Refund.Status.DONE, 2)
