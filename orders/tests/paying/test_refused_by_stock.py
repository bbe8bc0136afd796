"""Money for an order whose stock cannot be sold: it is recorded, it goes back, and the provider hears a yes."""

import json

import pytest
from django.db import OperationalError
from django.utils import timezone

from lab.kit.admin_site import confirm, make_operator, sign_in
from lab.kit.factories import NOW, counts, make_capture, make_goods, make_order, make_payment, stored
from lab.kit.findings import findings
from lab.kit.interleaving import LostCommit
from lab.kit.rest_client import anybody
from lab.kit.stock_steps import roll_back_stock
from orders.models import Order, OrderDetail, Payment, Refund
from orders.payments import sandbox, signing
from orders.services import close_due
from orders.tests.paying.paid import record, refund_messages, refunds
from stock.models import StockRecord

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox")]


def give_back(order: Order) -> None:
    roll_back_stock(order_id=order.order_id, goods_ids=[])


def lose_records(order: Order) -> None:
    StockRecord.objects.filter(order_id=order.order_id).delete()


def give_away_records(order: Order) -> None:
    StockRecord.objects.filter(order_id=order.order_id).update(owner="service:warehouse")


def ending(order: Order) -> tuple[int, str, str, str, object]:
    row = stored(order)
    return row.status, row.closed_by, row.pay_channel, row.trade_id, row.pay_time


REFUSED = (Order.Status.CLOSED, Order.ClosedBy.STOCK, "", "", None)


@pytest.mark.parametrize("fault", [give_back, lose_records, give_away_records])
def test_capture_that_stock_refuses_is_a_refund_and_its_order_is_closed(fault):
    make_goods(1, stock=5)
    order = make_order({1: 2})
    payment = make_payment(order)
    fault(order)
    before = counts(1)

    assert record(make_capture(payment)) == [None]

    assert ending(order) == REFUSED
    assert OrderDetail.objects.get().pay_time is None
    payment.refresh_from_db()
    assert payment.status == Payment.Status.CAPTURED
    assert refunds() == [(payment.payment_id, order.order_id, payment.amount, "CNY", "stock", "pending")]
    assert refund_messages() == [(str(payment.payment_id), {"v": 1, "payment_id": str(payment.payment_id)})]
    assert counts(1) == before


def test_capture_refused_by_stock_leaves_a_shop_in_which_every_rule_holds():
    make_goods(1, stock=5)
    order = make_order({1: 2})
    payment = make_payment(order)
    give_back(order)

    record(make_capture(payment, captured_at=NOW))

    assert findings() == []
    assert close_due(now=stored(order).expires_at) == 0


def test_same_money_again_and_more_of_it_are_refunds_of_their_own():
    make_goods(1, stock=5)
    order = make_order({1: 2})
    payment = make_payment(order)
    capture = make_capture(payment)
    give_back(order)
    record(capture)

    assert record(capture, make_capture(payment)) == [None, None]

    assert [row[4] for row in refunds()] == ["stock", "late"]
    assert ending(order) == REFUSED


def test_neighbours_in_the_batch_are_paid():
    make_goods(1, stock=5)
    orders = [make_order({1: 1}) for _ in range(3)]
    captures = [make_capture(make_payment(order)) for order in orders]
    give_back(orders[1])

    assert record(*captures) == [None] * 3

    assert [stored(order).status for order in orders] == [Order.Status.PAID, Order.Status.CLOSED, Order.Status.PAID]
    assert [row[1] for row in refunds()] == [orders[1].order_id]
    assert counts(1) == (3, 0, 2)


def test_wrong_amount_of_a_refused_order_is_a_refund_for_that_and_closes_nothing():
    make_goods(1, stock=5)
    order = make_order({1: 2})
    capture = make_capture(make_payment(order), amount=1)
    give_back(order)

    assert record(capture) == [None]

    assert [(row[2], row[4]) for row in refunds()] == [(1, "amount")]
    assert stored(order).status == Order.Status.UNPAID


def test_notice_is_answered_with_success(settings):
    make_goods(1, stock=5)
    order = make_order({1: 2})
    payment = make_payment(order)
    give_back(order)
    news = {"trade_id": "T-1", "amount": payment.amount, "currency": "CNY", "captured_at": NOW.isoformat()}
    body = json.dumps({"payment_id": str(payment.payment_id), **news}).encode()
    headers = signing.sign(secret=settings.PAYMENT_SECRET, notice_id="n", body=body, now=timezone.now())

    answers = [anybody().send("POST", "/api/payments/notify", body, headers).status_code for _ in range(2)]

    assert answers == [200, 200]  # so the provider does not come back
    assert ending(order) == REFUSED
    assert Refund.objects.count() == 1


def test_money_that_an_operator_asks_for_is_a_refund_too():
    make_goods(1, stock=5)
    order = make_order({1: 2})
    payment = make_payment(order)
    sandbox.capture_payment(payment_id=payment.payment_id, now=NOW, announced=False)
    give_back(order)

    assert confirm(sign_in(make_operator()), "ask_provider", [payment]) == ["Done for 1 row."]

    assert ending(order) == REFUSED
    assert [row[4] for row in refunds()] == ["stock"]


@pytest.mark.parametrize("carried_out", [True, False])
def test_reply_to_the_commit_of_the_refund_is_lost_and_the_same_again_settles_it(carried_out):
    make_goods(1, stock=5)
    order = make_order({1: 2})
    capture = make_capture(make_payment(order))
    give_back(order)

    with LostCommit(carried_out=carried_out, error=OperationalError(2013, "Lost connection")):
        record(capture)
    assert record(capture) == [None]

    assert ending(order) == REFUSED
    assert [row[4] for row in refunds()] == ["stock"]
