from datetime import timedelta

import pytest
from django.core.checks import run_checks
from pytest_django.fixtures import Settings

from lab.kit.factories import NOW, later
from lab.kit.factories import SANDBOX as SANDBOX_PATH
from lab.kit.interleaving import Background, Parked, await_lock_wait
from messaging.models import Message
from orders.errors import PaymentNotFound
from orders.models import SandboxPayment, SandboxRefund
from orders.payments.port import PaymentRequest, RefundRefused, RefundRequest
from orders.payments.sandbox import Sandbox, act, capture_payment, notify_ladder
from orders.payments.sandbox.page import read_link

pytestmark = pytest.mark.django_db

SANDBOX = Sandbox()


def begin(outcome: str = "page", payment_id: int = 5) -> str:
    request = PaymentRequest(payment_id, order_id=1, amount=9950, currency="CNY", expires_at=later(60))
    return SANDBOX.begin(request, outcome=outcome, timeout_seconds=5, now=NOW)


def close(payment_id: int = 5):
    return SANDBOX.close(payment_id, timeout_seconds=2, now=NOW)


def query(payment_id: int = 5):
    return SANDBOX.query(payment_id, timeout_seconds=2)


def refund(trade_id: str, amount: int = 9950, currency: str = "CNY") -> None:
    SANDBOX.refund(RefundRequest(5, 5, trade_id, amount, currency), timeout_seconds=5, now=NOW)


def test_begin_opens_a_payment_and_waits_for_the_page():
    url = begin()

    row = SandboxPayment.objects.get()
    assert (row.payment_id, row.amount, row.currency, row.status, row.expires_at) == (
        5,
        9950,
        "CNY",
        SandboxPayment.Status.OPEN,
        later(60),
    )
    assert read_link(url.rpartition("/")[2]) == row
    assert query() is None
    assert not Message.objects.exists()


def test_begin_now_takes_the_money_and_announces_it():
    begin("now")

    row = SandboxPayment.objects.get()
    assert (row.status, row.captured_at) == (SandboxPayment.Status.CAPTURED, NOW)
    message = Message.objects.get()
    assert (message.topic, message.key, message.deliver_at) == ("payment_notify", "5", NOW)
    assert message.payload == {
        "v": 1,
        "payment_id": "5",
        "trade_id": row.trade_id,
        "amount": 9950,
        "currency": "CNY",
        "captured_at": NOW.isoformat(),
    }


def test_begin_again_opens_nothing_more_and_takes_no_money_twice():
    begin("now")
    first = SandboxPayment.objects.get().trade_id

    begin("now")

    assert SandboxPayment.objects.get().trade_id == first
    assert Message.objects.count() == 1


def test_begin_of_a_closed_payment_does_not_open_it_again():
    begin()
    close()

    begin("now")

    assert SandboxPayment.objects.get().status == SandboxPayment.Status.CLOSED
    assert not Message.objects.exists()


def test_capture_after_the_time_takes_no_money():
    begin()

    assert capture_payment(payment_id=5, now=later(60)) is False

    assert SandboxPayment.objects.get().status == SandboxPayment.Status.OPEN
    assert capture_payment(payment_id=5, now=later(59)) is True


def test_capture_of_an_unknown_payment_takes_no_money():
    assert capture_payment(payment_id=404, now=NOW) is False


def test_close_of_an_open_payment_closes_it_for_good():
    begin()

    assert close() is None

    assert capture_payment(payment_id=5, now=NOW) is False
    assert close() is None


def test_close_of_a_captured_payment_returns_the_capture():
    begin("now")

    capture = close()

    assert capture == query()
    assert (capture.payment_id, capture.channel, capture.amount, capture.currency, capture.captured_at) == (
        5,
        "sandbox",
        9950,
        "CNY",
        NOW,
    )


def test_close_of_a_payment_that_never_arrived_is_none():
    assert close(404) is None


def test_refund_again_is_harmless():
    begin("now")
    trade_id = SandboxPayment.objects.get().trade_id

    for _ in range(2):
        refund(trade_id)

    assert SandboxPayment.objects.get().refunded == 9950


@pytest.mark.parametrize(
    ("trade_id", "amount", "currency", "refusal"),
    [
        ("nobody's", 1, "CNY", PaymentNotFound),
        (None, 9951, "CNY", RefundRefused),
        (None, 9950, "USD", RefundRefused),
    ],
)
def test_refund_of_what_never_came_in_is_refused(trade_id, amount, currency, refusal):
    begin("now")
    trade_id = trade_id or SandboxPayment.objects.get().trade_id

    with pytest.raises(refusal):
        refund(trade_id, amount, currency)

    assert SandboxPayment.objects.get().refunded == 0


def test_parts_add_up_to_what_came_in_and_no_further():
    begin("now")
    trade_id = SandboxPayment.objects.get().trade_id

    for number, amount in ((11, 9000), (12, 950), (11, 9000)):
        SANDBOX.refund(RefundRequest(number, 5, trade_id, amount, "CNY"), timeout_seconds=5, now=NOW)
    with pytest.raises(RefundRefused):
        SANDBOX.refund(RefundRequest(13, 5, trade_id, 1, "CNY"), timeout_seconds=5, now=NOW)

    assert SandboxPayment.objects.get().refunded == 9950
    assert list(SandboxRefund.objects.values_list("refund_id", "amount")) == [(11, 9000), (12, 950)]


def test_refund_that_the_version_before_has_sent_is_not_sent_again():
    begin("now")
    SandboxPayment.objects.update(refunded=9950)  # which is all that it writes down

    refund(SandboxPayment.objects.get().trade_id)

    assert SandboxPayment.objects.get().refunded == 9950


def test_link_that_is_forged_or_of_nobody_is_not_found():
    link = begin().rpartition("/")[2]

    for wrong in (link + "x", "6" + link[1:], "5", "", "5:x"):
        with pytest.raises(PaymentNotFound):
            read_link(wrong)


@pytest.mark.parametrize(("demo", "unit"), [(False, timedelta(minutes=1)), (True, timedelta(seconds=1))])
def test_ladder_of_callbacks_is_in_minutes_and_in_seconds_in_the_demo(settings, demo, unit):
    settings.DEMO = demo

    assert notify_ladder() == tuple(step * unit for step in (1, 3, 5, 10, 15, 30, 60))


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_close_during_a_capture_waits_and_returns_it():
    begin()

    with (
        Parked(lambda: capture_payment(payment_id=5, now=NOW), at="UPDATE sandbox_payment", after=True) as capturing,
        Background(close) as closing,
    ):
        await_lock_wait()
        assert capturing.go() is True
        assert closing.result().payment_id == 5


def test_declined_payment_stays_open():
    begin()

    act(payment_id=5, outcome="decline", now=NOW)

    row = SandboxPayment.objects.get()
    assert (row.status, row.declined_at) == (SandboxPayment.Status.OPEN, NOW)
    act(payment_id=5, outcome="pay", now=NOW)
    assert query().amount == 9950


def test_lost_callback_leaves_the_money_to_a_query():
    begin()

    act(payment_id=5, outcome="lose", now=NOW)

    assert query().amount == 9950
    assert not Message.objects.exists()


def test_late_payment_is_taken_when_the_shop_has_closed_it():
    begin()
    act(payment_id=5, outcome="late", now=NOW)
    assert query() is None

    assert close() is None

    assert close() == query()
    assert Message.objects.get().deliver_at == later(5)


def test_unknown_outcome_does_nothing():
    begin()

    act(payment_id=5, outcome="steal", now=NOW)

    assert query() is None


@pytest.mark.parametrize(("is_demo", "told"), [(False, True), (True, False)])
def test_before_a_deployment_it_is_warned_of_outside_the_demo(settings: Settings, is_demo: bool, told: bool):
    settings.PAYMENT_PROVIDER, settings.DEMO = SANDBOX_PATH, is_demo

    found = [message.id for message in run_checks(include_deployment_checks=True)]

    assert ("orders.W001" in found) is told
    assert "orders.W001" not in [message.id for message in run_checks()]
