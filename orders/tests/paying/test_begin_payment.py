"""How a payment begins."""

import pytest

from lab.kit.factories import NOW, SANDBOX, later, make_closed_order, make_goods, make_order, make_paid_order
from lab.kit.interleaving import Background, Parked, await_lock_wait
from lab.kit.providers import AWAY
from orders.errors import OrderNotFound, OrderStateConflict, PaymentsUnavailable, TooLateToPay
from orders.models import Payment, SandboxPayment
from orders.services import begin_payment, complete_order
from orders.tests.paying.paid import begin

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


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

    with pytest.raises(TooLateToPay):
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


# Side by side


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
