"""What is answered of an order that has left: its number, its key, its money, its buyer's limit."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from charites.common import clock
from goods.models import Goods
from lab.kit.factories import (
    BUYER_ID,
    counts,
    make_capture,
    make_closed_order,
    make_command,
    make_goods,
    make_order,
    make_payment,
)
from lab.kit.findings import findings
from lab.kit.old_orders import archive, make_completed_order
from lab.kit.rest_client import staff
from messaging.models import Message
from orders.errors import OrderArchived, OrderNotFound, OverBuyersLimit
from orders.models import Allowance, Order, Payment, Refund
from orders.payloads import RefundOrder
from orders.payments import sandbox
from orders.payments.sandbox.statement import write_lines
from orders.payments.statements import find_reader, read_statement
from orders.services import (
    begin_payment,
    book_missing,
    cancel_order,
    cancel_orders,
    compare_statement,
    complete_order,
    forget_order,
    place_order,
    place_orders,
    record_captures,
    refund_order,
    refund_orders,
    send_refunds,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox")]

SOMEBODY_ELSE = 8


@pytest.fixture(autouse=True)
def _goods() -> None:
    make_goods(1, stock=1000)


# Its number


CALLS: dict[str, Callable[[int], object]] = {
    "pay": lambda number: begin_payment(order_id=number, user_id=BUYER_ID, outcome="page", now=clock.now()),
    "cancel": lambda number: cancel_order(
        order_id=number, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=clock.now()
    ),
    "complete": lambda number: complete_order(order_id=number, actor="staff", now=clock.now()),
    "forget": lambda number: forget_order(order_id=number, actor="staff"),
    "refund": lambda number: refund_order(command=RefundOrder(number, 1, "broken", "staff", "k")),
}


@pytest.mark.parametrize("call", CALLS)
def test_nothing_can_be_done_with_it(call: str, tmp_path: Path) -> None:
    order = make_completed_order()
    archive(tmp_path)

    with pytest.raises(OrderArchived):
        CALLS[call](order.order_id)

    assert Refund.objects.count() == 0
    assert findings() == []


def test_others_of_the_same_call_are_served(tmp_path: Path) -> None:
    archived, left = make_completed_order(), make_completed_order()
    Order.objects.filter(pk=left.pk).update(created_at=clock.now() + timedelta(days=300))
    archive(tmp_path)
    numbers = [archived.order_id, left.order_id, 1]

    refunds = refund_orders(commands=[RefundOrder(number, 1, "broken", "staff", "k") for number in numbers])
    cancelled = cancel_orders(order_ids=numbers, closed_by=Order.ClosedBy.STAFF, now=clock.now())

    assert [type(refund.error) for refund in refunds] == [OrderArchived, type(None), OrderNotFound]
    assert [type(error).__name__ for error in cancelled.values()] == [
        "OrderArchived",
        "OrderStateConflict",
        "OrderNotFound",
    ]


# Its key


def test_key_stays_used_and_no_second_order_is_placed(tmp_path: Path) -> None:
    order = make_completed_order(idempotency_key="k")
    archive(tmp_path)
    before = counts()
    same, other = make_command(idempotency_key="k"), make_command({1: 2}, idempotency_key="k")

    placed = place_orders(commands=[same, other], now=clock.now())

    assert [type(result.error) for result in placed] == [OrderArchived] * 2
    assert {result.error.details["order_id"] for result in placed if result.error} == {order.order_id}
    assert (counts(), Order.objects.count()) == (before, 0)
    assert findings() == []


def test_key_of_an_archived_order_is_told_before_what_is_wrong_by_now(tmp_path: Path) -> None:
    make_completed_order(idempotency_key="k")
    archive(tmp_path)
    Goods.objects.update(status=Goods.Status.OFF_SALE)

    with pytest.raises(OrderArchived):
        place_order(command=make_command(idempotency_key="k"), now=clock.now())


def test_key_of_another_buyer_and_in_other_letters_is_free(tmp_path: Path) -> None:
    make_completed_order(idempotency_key="k")
    archive(tmp_path)

    make_order(idempotency_key="k", user_id=SOMEBODY_ELSE, now=clock.now())
    make_order(idempotency_key="K", now=clock.now())

    assert Order.objects.count() == 2
    assert findings() == []


# Its money


def test_money_that_comes_for_a_closed_one_is_sent_back(tmp_path: Path) -> None:
    order = make_order()
    payment = make_payment(order)
    cancel_order(order_id=order.order_id, user_id=None, closed_by=Order.ClosedBy.STAFF, now=clock.now())
    Payment.objects.update(next_question_at=None)  # all questions were answered: it has no money
    assert archive(tmp_path).orders == 1
    capture = make_capture(payment)

    assert record_captures(captures=[capture]) == [None]
    assert record_captures(captures=[capture]) == [None]  # its callback comes again

    refund = Refund.objects.get()
    assert (refund.order_id, refund.amount, refund.reason) == (order.order_id, capture.amount, "late")
    assert Message.objects.get(topic="payment_refund").key == str(payment.payment_id)
    assert findings() == []


def test_second_money_for_a_completed_one_is_sent_back(tmp_path: Path) -> None:
    order = make_completed_order()
    archive(tmp_path)
    payment = Payment.objects.get()

    assert record_captures(captures=[make_capture(payment, trade_id="again")]) == [None]

    refund = Refund.objects.get()
    assert (refund.order_id, refund.reason, refund.status) == (order.order_id, "double", "pending")
    assert refund.payment_id != payment.payment_id
    assert findings() == []


def test_payment_and_its_refunds_are_shown_without_their_order(tmp_path: Path, admin_client) -> None:
    order = make_completed_order()
    archive(tmp_path)
    payment = Payment.objects.get()

    page = admin_client.get(f"/admin/orders/payment/{payment.pk}/change/")

    assert page.status_code == 200
    assert str(order.order_id) in page.content.decode()
    assert [row["payment_id"] for row in staff().get("/api/payments").json()["payments"]] == [str(payment.payment_id)]


def test_statement_of_its_day_agrees_and_books_nothing(tmp_path: Path) -> None:
    order = make_order()
    payment = make_payment(order, outcome="now")
    capture = sandbox.Sandbox().query(payment.payment_id, timeout_seconds=1)
    assert record_captures(captures=[capture]) == [None]
    complete_order(order_id=order.order_id, actor="staff", now=clock.now())
    refund = refund_order(command=RefundOrder(order.order_id, 100, "broken", "staff", "k")).refund
    assert send_refunds(refund_ids=[refund.refund_id], now=clock.now()) == {}
    Message.objects.update(state=Message.State.DONE)
    assert archive(tmp_path).orders == 1
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
    file = tmp_path / "statement.csv"
    file.write_text("".join(",".join(map(str, row)) + "\n" for row in write_lines(since=since, until=until)))
    reader = find_reader()
    about = {"lines": lambda: read_statement(file, reader), "channel": reader.channel}

    found = compare_statement(**about, since=since, until=until)

    assert (found.lines.total(), found.findings) == (2, [])
    assert book_missing(**about, found=found).booked == 0
    assert findings() == []


# Its buyer's limit


def test_pieces_of_archived_orders_count_against_a_limit_that_was_there(tmp_path: Path) -> None:
    Goods.objects.update(limit_per_buyer=2)
    make_completed_order({1: 2})
    make_closed_order({1: 2}, user_id=SOMEBODY_ELSE)
    archive(tmp_path)

    with pytest.raises(OverBuyersLimit):
        make_order()
    make_order({1: 2}, user_id=SOMEBODY_ELSE, now=clock.now())  # a closed order counts for nothing

    assert findings() == []


def test_pieces_of_archived_orders_count_against_a_limit_that_comes_later(tmp_path: Path) -> None:
    make_completed_order({1: 1})
    archive(tmp_path)
    make_completed_order({1: 1})
    Goods.objects.update(limit_per_buyer=2)

    with pytest.raises(OverBuyersLimit) as refused:
        make_order()

    assert refused.value.details["held"] == 2
    assert Allowance.objects.get().pieces == 2
    assert findings() == []
