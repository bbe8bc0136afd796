"""The topics of orders, delivered by the relay: callbacks of the sandbox over real HTTP, and refunds."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.utils import timezone

from charites.common.logs import request_context
from lab.kit.factories import NOW, SANDBOX, make_capture, make_goods, make_order, make_payment
from lab.kit.providers import AWAY
from messaging.models import Message
from messaging.relay import deliver_due
from orders.errors import BadSignature
from orders.models import Refund, SandboxPayment
from orders.payments import signing
from orders.services import record_captures

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _sandbox(settings):
    settings.PAYMENT_PROVIDER = SANDBOX


class Shop(HTTPServer):
    """Stands for the shop's own address of notices: answers `status` and notes what came.

    With `secrets` it answers 401 to what is signed with none of them.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ShopHandler)
        self.status = 200
        self.secrets: list[str] = []
        self.notices: list[tuple[dict[str, str], bytes]] = []


class ShopHandler(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.notices.append((headers, body))
        self.send_response(self.server.status if self.trusts(headers, body) else 401)
        self.send_header("content-length", "0")
        self.end_headers()

    def trusts(self, headers: dict[str, str], body: bytes) -> bool:
        try:
            if self.server.secrets:
                signing.verify(secrets=self.server.secrets, headers=headers, body=body, now=timezone.now())
        except BadSignature:
            return False
        return True

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
    ledger = make_paid_at_the_sandbox()

    assert deliver_due(now=NOW) == 1

    ((headers, body),) = shop.notices
    signing.verify(secrets=[settings.PAYMENT_SECRET], headers=headers, body=body, now=timezone.now())
    assert json.loads(body) == {
        "payment_id": str(ledger.payment_id),
        "trade_id": ledger.trade_id,
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

    deliver_due(now=NOW)

    message = Message.objects.get()
    assert (message.state, message.attempts) == (Message.State.READY, 1)
    assert str(status) in message.last_error
    shop.status = 200
    assert deliver_due(now=message.deliver_at) == 1
    message.refresh_from_db()
    assert message.state == Message.State.DONE
    assert [headers["webhook-id"] for headers, _ in shop.notices] == [f"notice-{message.pk}"] * 2


def test_notice_to_nobody_is_sent_again(settings):
    make_paid_at_the_sandbox()
    settings.PAYMENT_NOTIFY_URL = "http://127.0.0.1:1/"

    deliver_due(now=NOW)

    message = Message.objects.get()
    assert (message.state, message.attempts) == (Message.State.READY, 1)
    assert "ConnectError" in message.last_error


def test_notice_during_a_change_of_secrets_gets_through_whoever_changes_first(shop, settings):
    """The two sides never change at one moment; what the receiver does not know yet is signed anew and sent again."""
    old, new = "the-old-secret", "the-new-secret"
    make_paid_at_the_sandbox()
    message = Message.objects.get()

    settings.PAYMENT_SECRET, shop.secrets = new, [old]
    deliver_due(now=NOW)
    message.refresh_from_db()
    assert (message.state, message.attempts) == (Message.State.READY, 1)
    assert "401" in message.last_error

    shop.secrets = [old, new]  # the receiver learns the next one
    deliver_due(now=message.deliver_at)
    message.refresh_from_db()
    assert message.state == Message.State.DONE


def late_capture() -> Refund:
    make_goods(1, stock=5)
    payment = make_payment(make_order(), outcome="now")
    Message.objects.all().delete()
    trade_id = SandboxPayment.objects.get().trade_id
    record_captures(captures=[make_capture(payment, trade_id=trade_id, amount=9949)])
    return Refund.objects.get()


def test_refund_is_sent_by_its_message():
    refund = late_capture()

    assert deliver_due(now=timezone.now()) == 1

    refund.refresh_from_db()
    assert refund.status == Refund.Status.DONE
    assert SandboxPayment.objects.get().refunded == 9949
    assert Message.objects.get().state == Message.State.DONE


def test_refund_with_the_provider_away_climbs_the_ladder(settings):
    refund = late_capture()
    settings.PAYMENT_PROVIDER = AWAY

    deliver_due(now=timezone.now())

    refund.refresh_from_db()
    assert (refund.status, refund.attempts) == (Refund.Status.PENDING, 1)
    message = Message.objects.get()
    assert (message.state, message.attempts, message.last_error) == (
        "ready",
        1,
        """DeliveryFailed({'reason': "ConnectionRefusedError('away')"})""",
    )
    settings.PAYMENT_PROVIDER = SANDBOX
    deliver_due(now=message.deliver_at)
    refund.refresh_from_db()
    assert (refund.status, refund.attempts) == (Refund.Status.DONE, 2)
