"""What resolves a commit whose reply was lost: a read that waits for whoever still holds the row."""

import pytest
from django.db import OperationalError

from charites.common.transactions import outermost
from lab.kit.factories import (
    NOW,
    SANDBOX,
    counts,
    later,
    make_capture,
    make_command,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    stored,
)
from lab.kit.interleaving import Background, LostCommit, Parked, await_lock_wait
from orders.models import Order, Payment
from orders.participant import OrderParticipant
from orders.payloads import Closing, NewOrder, Paying, Placing
from orders.services import cancel_orders, close_due, place_order, record_captures
from stock.errors import StockBusy
from stock.moves import Move, Outcome, Participant, Status, confirm, reserve, roll_back
from stock.records import RecordParticipant
from stock.services import move as move_stock

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _shop(settings):
    settings.PAYMENT_PROVIDER = SANDBOX
    make_goods(1, stock=5)


def resolved_while(function, move: Move, *, at: str) -> Status:
    """Asks about a move while the transaction of `function` is open after the statement `at`, then lets that commit."""
    with (
        Parked(function, at=at, after=True) as owner,
        Background(lambda: find(move, OrderParticipant())) as asking,
    ):
        await_lock_wait()
        assert asking.is_running
        owner.go()
        return asking.result().status


def find(move: Move, participant: Participant) -> Outcome:
    """What the runner of transactions does after a COMMIT without a reply."""
    with outermost():
        return participant.find([move])[move]


def test_find_of_an_order_waits_for_the_transaction_that_inserted_it():
    # The number is known only inside, so it is asked for by its key.
    order = NewOrder(404, 7, None, 1, NOW, NOW, "a", "n", "p", idempotency_key="k", request_digest=digest())
    placing = reserve(404, {1: 1}, key=(7, "k"), payload=Placing(order, ()))

    status = resolved_while(
        lambda: place_order(command=make_command(idempotency_key="k"), now=NOW),
        placing,
        at="INSERT INTO shopping_order_detail",
    )

    assert status is Status.REPEATED


def digest() -> str:
    return make_command(idempotency_key="k").digest()


def test_find_of_a_capture_waits_for_the_transaction_that_stores_it():
    order = make_order()
    capture = make_capture(make_payment(order))

    status = resolved_while(
        lambda: record_captures(captures=[capture]),
        confirm(order.order_id, payload=Paying(capture, 1)),
        at="UPDATE shopping_order_detail",
    )

    assert status is Status.OK


def test_find_of_a_closing_waits_for_the_transaction_that_closes():
    order = make_order()

    status = resolved_while(
        lambda: close_due(now=later(10**6)),
        roll_back(order.order_id, payload=Closing(Order.ClosedBy.TIMEOUT, later(10**6))),
        at="UPDATE shopping_stock_record ",
    )

    assert status is Status.OK


def test_find_of_a_closing_does_not_take_another_end_for_its_own():
    order = make_paid_order()
    cancelling = roll_back(order.order_id, payload=Closing(Order.ClosedBy.USER, NOW))

    with outermost():
        assert OrderParticipant().find([cancelling]) == {}


def test_find_of_a_closing_that_somebody_else_did_first_is_no_deed_of_ours():
    order = make_order({1: 2})
    close_due(now=later(10**6))
    cancelling = roll_back(order.order_id, payload=Closing(Order.ClosedBy.USER, NOW))

    with outermost():
        (outcome,) = OrderParticipant().find([cancelling]).values()

    assert outcome.status is Status.REPEATED


def test_cancel_whose_commit_is_lost_is_not_done_when_the_order_was_paid_meanwhile():
    order = make_order({1: 2})
    capture = make_capture(make_payment(order))
    Payment.objects.update(status=Payment.Status.CLOSED)  # as a cancel leaves it, before it closes the order

    def cancel():
        with LostCommit(carried_out=False, error=OperationalError(2013, "Lost connection")):
            return cancel_orders(order_ids=[order.order_id], closed_by=Order.ClosedBy.USER, now=NOW)

    with Parked(cancel, at="closed_by( AS closed_by)? FROM shopping_order .* FOR UPDATE") as cancelling:
        assert record_captures(captures=[capture]) == [None]
        errors = cancelling.go()

    assert [type(error) for error in errors.values()] == [StockBusy]
    assert stored(order).status == Order.Status.PAID
    assert counts(1) == (3, 0, 2)


def test_find_of_stock_alone_waits_for_the_transaction_that_wrote_its_record():
    reserving = reserve(10, {1: 1})

    with (
        Parked(lambda: move_stock([reserving]), at="UPDATE shopping_stock ", after=True) as owner,
        Background(lambda: find(reserving, RecordParticipant())) as asking,
    ):
        await_lock_wait()
        owner.go()
        assert asking.result().status is Status.OK
