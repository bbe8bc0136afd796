import json

import pytest
from django.db import OperationalError, connection

from charites.common.errors import Invalid
from lab.kit.factories import (
    NOW,
    SANDBOX,
    counts,
    later,
    make_capture,
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    stored,
)
from lab.kit.interleaving import Background, Interruption, LostCommit, Parked, await_lock_wait
from lab.kit.providers import AWAY
from messaging.models import Message
from orders.errors import BadSignature, OrderNotFound, OrderStateConflict, PaymentNotFound, PaymentsUnavailable
from orders.models import Order, OrderDetail, Payment, Refund, SandboxPayment
from orders.payments import signing
from orders.services import (
    begin_payment,
    cancel_order,
    close_due,
    complete_order,
    receive_notice,
    record_captures,
    send_refunds,
)
from stock.errors import StockBusy

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sandbox(settings):
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.ORDER_PAY_TIMEOUT_SECONDS = 1800


def begin(order: Order, *, now=NOW, outcome="page", user_id=7):
    return begin_payment(order_id=order.order_id, user_id=user_id, outcome=outcome, now=now)


def record(*captures) -> list[Exception | None]:
    return record_captures(captures=captures)


def refunds() -> list[tuple[int, int, int, str, str, str]]:
    """Returns (payment_id, order_id, amount, currency, reason, status) of every refund."""
    rows = Refund.objects.order_by("pk")
    return list(rows.values_list("payment_id", "order_id", "amount", "currency", "reason", "status"))


def refund_messages() -> list[tuple[str, dict]]:
    rows = Message.objects.filter(topic="payment_refund").order_by("pk")
    return [(row.key, row.payload) for row in rows]


# Begin


def test_begin_opens_one_payment_for_the_amount_of_the_order():
    make_goods(1, stock=5, price=150)
    order = make_order({1: 2})

    begun = begin(order)

    payment = Payment.objects.get()
    assert payment.payment_id == begun.payment.payment_id
    assert (payment.order_id, payment.amount, payment.currency, payment.status, payment.trade_id) == (
        order.order_id,
        300,
        "CNY",
        Payment.Status.BEGUN,
        None,
    )
    ledger = SandboxPayment.objects.get()
    assert (ledger.payment_id, ledger.amount, ledger.status) == (payment.payment_id, 300, SandboxPayment.Status.OPEN)
    assert ledger.expires_at == later(1800 - 60)
    assert begun.pay_url.startswith("http")


def test_begin_again_returns_the_begun_payment():
    make_goods(1, stock=5)
    order = make_order()

    first, second = begin(order), begin(order, now=later(5))

    assert first.payment.payment_id == second.payment.payment_id
    assert first.pay_url == second.pay_url
    assert Payment.objects.count() == SandboxPayment.objects.count() == 1


def test_begin_after_a_closed_payment_opens_another_one():
    make_goods(1, stock=5)
    order = make_order()
    first = begin(order)
    Payment.objects.update(status=Payment.Status.CLOSED)

    second = begin(order)

    assert second.payment.payment_id != first.payment.payment_id


@pytest.mark.parametrize(("timeout", "margin"), [(1800, 60), (240, 60), (60, 15), (4, 1)])
def test_begin_lets_the_payment_expire_before_its_order(settings, timeout, margin):
    settings.ORDER_PAY_TIMEOUT_SECONDS = timeout
    make_goods(1, stock=5)
    order = make_order()

    begin(order)

    assert SandboxPayment.objects.get().expires_at == later(timeout - margin)


def test_begin_with_no_time_left_is_refused():
    make_goods(1, stock=5)
    order = make_order()
    last_moment = later(1800 - 60)

    with pytest.raises(OrderStateConflict):
        begin(order, now=last_moment)

    assert not Payment.objects.exists()
    begin(order, now=later(-0.000001, last_moment))


def test_begin_of_somebody_elses_or_an_unknown_order_is_not_found():
    make_goods(1, stock=5)
    order = make_order()

    with pytest.raises(OrderNotFound):
        begin(order, user_id=8)
    with pytest.raises(OrderNotFound):
        begin_payment(order_id=404, user_id=7, outcome="now", now=NOW)

    assert not Payment.objects.exists()


def test_begin_in_every_state_but_unpaid_is_refused():
    make_goods(1, stock=5)
    paid, closed, completed = make_paid_order(), make_closed_order(), make_paid_order()
    complete_order(order_id=completed.order_id, actor="staff", now=NOW)
    before = Payment.objects.count()

    for order in (paid, closed, completed):
        with pytest.raises(OrderStateConflict):
            begin(order)

    assert Payment.objects.count() == before


def test_begin_with_the_provider_away_is_unavailable_and_can_be_repeated(settings):
    make_goods(1, stock=5)
    order = make_order()
    settings.PAYMENT_PROVIDER = AWAY

    with pytest.raises(PaymentsUnavailable):
        begin(order)

    settings.PAYMENT_PROVIDER = SANDBOX
    begin(order)
    assert Payment.objects.count() == 1


def test_begin_without_a_provider_is_unavailable_and_writes_nothing(settings):
    make_goods(1, stock=5)
    order = make_order()
    settings.PAYMENT_PROVIDER = ""

    with pytest.raises(PaymentsUnavailable):
        begin(order)

    assert not Payment.objects.exists()


# News of money


def test_capture_of_the_right_amount_pays_the_order_and_sells_its_stock():
    make_goods(1, stock=5)
    order = make_order({1: 2})
    payment = make_payment(order)

    assert record(make_capture(payment, trade_id="T-1", captured_at=later(9))) == [None]

    order = stored(order)
    assert (order.status, order.pay_channel, order.trade_id, order.pay_time) == (
        Order.Status.PAID,
        "sandbox",
        "T-1",
        later(9),
    )
    assert OrderDetail.objects.get().pay_time == later(9)
    payment.refresh_from_db()
    assert (payment.status, payment.trade_id) == (Payment.Status.CAPTURED, "T-1")
    assert counts(1) == (3, 0, 2)
    assert refunds() == []


def test_capture_repeated_has_no_further_effect():
    make_goods(1, stock=5)
    order = make_order({1: 2})
    capture = make_capture(make_payment(order))
    record(capture)
    version = stored(order).version

    assert record(capture, capture) == [None, None]

    assert stored(order).version == version
    assert Payment.objects.count() == 1
    assert counts(1) == (3, 0, 2)
    assert (refunds(), refund_messages()) == ([], [])


@pytest.mark.parametrize(("amount", "currency"), [(9949, "CNY"), (9951, "CNY"), (9950, "USD")])
def test_capture_of_a_wrong_amount_is_stored_and_sent_back(amount, currency):
    make_goods(1, stock=5, price=9950)
    order = make_order()
    payment = make_payment(order)

    assert record(make_capture(payment, amount=amount, currency=currency)) == [None]

    assert stored(order).status == Order.Status.UNPAID
    assert counts(1) == (4, 1, 0)
    payment.refresh_from_db()
    assert (payment.status, payment.amount, payment.currency) == (Payment.Status.CAPTURED, amount, currency)
    assert refunds() == [(payment.payment_id, order.order_id, amount, currency, "amount", "pending")]
    assert refund_messages() == [
        (str(payment.payment_id), {"v": 1, "payment_id": str(payment.payment_id)}),
    ]


def test_capture_of_a_wrong_amount_leaves_the_order_payable():
    make_goods(1, stock=5)
    order = make_order()
    record(make_capture(make_payment(order), amount=1))

    record(make_capture(make_payment(order)))

    assert stored(order).status == Order.Status.PAID
    assert [row[4] for row in refunds()] == ["amount"]


def test_capture_for_a_closed_order_is_late_and_sent_back():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    Payment.objects.update(status=Payment.Status.CLOSED)
    assert close_due(now=later(1800)) == 1

    assert record(make_capture(payment)) == [None]

    assert stored(order).status == Order.Status.CLOSED
    assert counts(1) == (5, 0, 0)
    assert refunds() == [(payment.payment_id, order.order_id, 9950, "CNY", "late", "pending")]


def test_capture_for_a_closed_payment_of_an_unpaid_order_pays_it():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    Payment.objects.update(status=Payment.Status.CLOSED)

    record(make_capture(payment))

    assert stored(order).status == Order.Status.PAID


def test_capture_of_a_second_payment_is_double_and_sent_back():
    make_goods(1, stock=5)
    order = make_order()
    first = make_payment(order)
    Payment.objects.update(status=Payment.Status.CLOSED)
    second = make_payment(order)

    assert record(make_capture(first, trade_id="T-1"), make_capture(second, trade_id="T-2")) == [None, None]

    assert stored(order).trade_id == "T-1"
    assert refunds() == [(second.payment_id, order.order_id, 9950, "CNY", "double", "pending")]
    assert counts(1) == (4, 0, 1)


def test_capture_by_a_second_trade_of_one_payment_is_double_and_stored_under_a_payment_of_its_own():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)

    assert record(make_capture(payment, trade_id="T-1"), make_capture(payment, trade_id="T-2", amount=9950)) == [
        None,
        None,
    ]

    spare = Payment.objects.get(trade_id="T-2")
    assert spare.payment_id != payment.payment_id
    assert (spare.order_id, spare.status, spare.amount) == (order.order_id, Payment.Status.CAPTURED, 9950)
    assert refunds() == [(spare.payment_id, order.order_id, 9950, "CNY", "double", "pending")]
    assert stored(order).trade_id == "T-1"


def test_capture_for_a_completed_order_is_double():
    make_goods(1, stock=5)
    order = make_paid_order()
    complete_order(order_id=order.order_id, actor="staff", now=NOW)
    payment = Payment.objects.get()

    record(make_capture(payment))

    assert [row[4] for row in refunds()] == ["double"]
    assert stored(order).status == Order.Status.COMPLETED


def test_captures_whose_trade_ids_differ_in_case_only_are_two():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)

    record(make_capture(payment, trade_id="trade"), make_capture(payment, trade_id="TRADE"))

    assert [row[4] for row in refunds()] == ["double"]


def test_capture_for_an_unknown_payment_is_not_found_and_harms_no_other():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    good = make_capture(payment)

    errors = record(make_capture(payment, payment_id=404), good)

    assert [type(error) for error in errors] == [PaymentNotFound, type(None)]
    assert stored(order).status == Order.Status.PAID


def test_captures_of_many_orders_are_recorded_in_one_go(django_assert_max_num_queries):
    make_goods(1, stock=50)
    payments = [make_payment(make_order()) for _ in range(20)]

    with django_assert_max_num_queries(18):
        errors = record(*[make_capture(payment) for payment in payments])

    assert errors == [None] * 20
    assert counts(1) == (30, 0, 20)
    trades = {row.order_id: row.trade_id for row in Order.objects.all()}
    assert trades == {row.order_id: row.trade_id for row in Payment.objects.all()}


def test_capture_after_a_deadlock_counts_once():
    make_goods(1, stock=5)
    order = make_order()
    capture = make_capture(make_payment(order), amount=1)

    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="INSERT INTO shopping_refund", times=2)
    with connection.execute_wrapper(deadlock):
        assert record(capture) == [None]

    assert len(refunds()) == len(refund_messages()) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("carried_out", [True, False])
def test_capture_whose_commit_is_lost_is_resolved(carried_out):
    make_goods(1, stock=5)
    order = make_order()
    capture = make_capture(make_payment(order))

    with LostCommit(carried_out=carried_out, error=OperationalError(2013, "Lost connection")):
        (error,) = record(capture)

    # The provider is told to try again when nothing is stored.
    assert type(error) is (type(None) if carried_out else StockBusy)
    assert stored(order).status == (Order.Status.PAID if carried_out else Order.Status.UNPAID)
    assert record(capture) == [None]
    assert counts(1) == (4, 0, 1)
    assert refunds() == []


# Callbacks


def notice(payment: Payment, **changes) -> bytes:
    body = {
        "payment_id": str(payment.payment_id),
        "trade_id": "T-1",
        "amount": payment.amount,
        "currency": "CNY",
        "captured_at": NOW.isoformat(),
    }
    return json.dumps({**body, **changes}).encode()


def receive(settings, body: bytes, *, signed_at=NOW, now=NOW) -> None:
    headers = signing.sign(secret=settings.PAYMENT_SECRET, notice_id="n", body=body, now=signed_at)
    receive_notice(headers=headers, body=body, now=now)


def test_notice_that_is_signed_pays_the_order_and_again_has_no_effect(settings):
    make_goods(1, stock=5)
    order = make_order()
    body = notice(make_payment(order))

    receive(settings, body)
    receive(settings, body, signed_at=later(60), now=later(60))

    assert stored(order).status == Order.Status.PAID
    assert refunds() == []


def test_notice_that_is_forged_or_stale_is_refused_and_writes_nothing(settings):
    make_goods(1, stock=5)
    order = make_order()
    body = notice(make_payment(order))
    headers = signing.sign(secret="another secret", notice_id="n", body=body, now=NOW)

    with pytest.raises(BadSignature):
        receive_notice(headers=headers, body=body, now=NOW)
    with pytest.raises(BadSignature):
        receive(settings, body, signed_at=NOW, now=later(301))

    assert stored(order).status == Order.Status.UNPAID


@pytest.mark.parametrize(
    ("secret", "fallbacks", "accepted"),
    [
        ("new", ["old"], {"old", "new"}),  # the shop has changed, the provider not yet
        ("old", ["new"], {"old", "new"}),  # the shop knows what comes
        ("new", [], {"new"}),  # the change is over
        ("new", ["old", "older"], {"old", "older", "new"}),
    ],
)
def test_notice_may_be_signed_with_the_secret_or_a_fallback(settings, secret, fallbacks, accepted):
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    settings.PAYMENT_SECRET, settings.PAYMENT_SECRET_FALLBACKS = secret, fallbacks

    for signed_with in ("old", "older", "new", "another"):
        body = notice(payment, trade_id=f"T-{signed_with}")
        headers = signing.sign(secret=signed_with, notice_id="n", body=body, now=NOW)
        if signed_with in accepted:
            receive_notice(headers=headers, body=body, now=NOW)
        else:
            with pytest.raises(BadSignature):
                receive_notice(headers=headers, body=body, now=NOW)

    stored_trades = set(Payment.objects.values_list("trade_id", flat=True))
    assert stored_trades == {f"T-{name}" for name in accepted}


def test_notice_for_an_unknown_payment_is_not_found(settings):
    make_goods(1, stock=5)
    payment = make_payment(make_order())

    with pytest.raises(PaymentNotFound):
        receive(settings, notice(payment, payment_id="404"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"payment_id": Infinity, "trade_id": "T", "amount": 1, "currency": "CNY", "captured_at": "2026-01-01"}',
    ],
)
def test_notice_that_is_signed_but_no_notice_is_invalid(settings, body):
    with pytest.raises(Invalid, match="body"):
        receive(settings, body)


@pytest.mark.parametrize(
    "change",
    [
        {"payment_id": "x"},
        {"payment_id": None},
        {"payment_id": "0"},
        {"payment_id": str(2**63)},
        {"trade_id": ""},
        {"trade_id": "x" * 65},
        {"trade_id": 7},
        {"trade_id": "\ud800"},
        {"amount": "100"},
        {"amount": 1.5},
        {"amount": True},
        {"amount": 0},
        {"amount": -1},
        {"amount": 2**63},
        {"currency": "YUAN"},
        {"currency": None},
        {"captured_at": "yesterday"},
        {"captured_at": "2026-01-01T00:00:00"},
        {"captured_at": "2026-13-01T00:00:00Z"},
        {"captured_at": 7},
    ],
)
def test_notice_with_a_wrong_field_is_invalid_and_writes_nothing(settings, change):
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)

    with pytest.raises(Invalid, match="body"):
        receive(settings, notice(payment, **change))

    assert stored(order).status == Order.Status.UNPAID
    assert refunds() == []


# Refunds


def test_send_refunds_returns_the_money_once():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order, outcome="now")
    ledger = SandboxPayment.objects.get()
    Payment.objects.update(status=Payment.Status.CLOSED)
    cancel_order(order_id=order.order_id, user_id=7, closed_by=Order.ClosedBy.USER, now=NOW)
    record(make_capture(payment, trade_id=ledger.trade_id))

    send_refunds(payment_ids=[payment.payment_id], now=later(1))
    send_refunds(payment_ids=[payment.payment_id], now=later(2))

    refund = Refund.objects.get()
    assert (refund.status, refund.attempts, refund.reason) == (Refund.Status.DONE, 1, "late")
    ledger.refresh_from_db()
    assert ledger.refunded == 9950


def test_send_refunds_with_the_provider_away_leaves_them_pending(settings):
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    record(make_capture(payment, amount=5))
    settings.PAYMENT_PROVIDER = AWAY

    errors = send_refunds(payment_ids=[payment.payment_id], now=NOW)

    assert {payment_id: type(error) for payment_id, error in errors.items()} == {
        payment.payment_id: PaymentsUnavailable
    }
    refund = Refund.objects.get()
    assert (refund.status, refund.attempts) == (Refund.Status.PENDING, 1)


# Side by side


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_one_trade_reported_from_two_sides_pays_once():
    make_goods(1, stock=5)
    order = make_order()
    capture = make_capture(make_payment(order))

    with (
        Parked(lambda: record(capture), at="UPDATE shopping_order ", after=True) as first,
        Background(lambda: record(capture)) as second,
    ):
        await_lock_wait()
        assert (first.go(), second.result()) == ([None], [None])

    assert counts(1) == (4, 0, 1)
    assert refunds() == []


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_trades_of_one_order_from_two_sides_pay_once_and_refund_once():
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)

    with (
        Parked(lambda: record(make_capture(payment, trade_id="T-1")), at="UPDATE shopping_order ", after=True) as first,
        Background(lambda: record(make_capture(payment, trade_id="T-2"))) as second,
    ):
        await_lock_wait()
        assert (first.go(), second.result()) == ([None], [None])

    assert stored(order).trade_id == "T-1"
    assert [row[4] for row in refunds()] == ["double"]


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_begin_from_two_sides_opens_one_payment():
    make_goods(1, stock=5)
    order = make_order()

    with (
        Parked(lambda: begin(order), at="INSERT INTO shopping_payment ", after=True) as first,
        Background(lambda: begin(order)) as second,
    ):
        await_lock_wait()
        assert first.go().payment.payment_id == second.result().payment.payment_id

    assert Payment.objects.count() == 1
