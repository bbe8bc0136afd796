"""The rows of orders, written inside the transaction that moves their stock. Set-based: a batch may hold any mix.

Lock order: payment, order, allowance; then stock locks records and stock rows. Placing alone locks allowances first,
which decide over it, and then looks at the orders of its buyers: where it meets a closing of the same buyer crosswise,
the database ends one of the two, which begins anew. An order is locked before it is asked whether a payment has begun,
and a payment begins under the lock of its order: neither can slip past the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from charites.common.transactions import expect_rows
from orders.announcements import announce_closed, announce_paid, announce_placed
from orders.errors import PaymentNotFound
from orders.limits import BuyerRules, add_pieces, check_orders, give_back_pieces
from orders.models import Order, OrderDetail, Payment, Refund
from orders.payloads import Capture, Closing, Paying, Placing
from orders.refunds import NewRefund, left_of, store_refunds
from orders.rows import MARK_LINES_PAID, MARK_PAID, STORE_CAPTURES, find_keys, insert_orders
from orders.selectors import in_status, list_archived, with_keys
from stock.moves import NO_RULES, OK, REPEATED, Move, Outcome, Rules, Status


class OrderParticipant:
    """Orders' part of a move; see `stock.moves.Participant`."""

    def settle(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        keyed = [move for move in moves if isinstance(move.payload, Placing) and move.payload.order.idempotency_key]
        return settle_keys(keyed) if keyed else {}

    def rules(self, moves: Sequence[Move]) -> Rules:
        return BuyerRules(moves) if any(isinstance(move.payload, Placing) for move in moves) else NO_RULES

    def write(self, moves: Sequence[Move]) -> list[Move]:
        return [
            *write_captures([move for move in moves if isinstance(move.payload, Paying)]),
            *write_closings([move for move in moves if isinstance(move.payload, Closing)]),
            *write_placings([move for move in moves if isinstance(move.payload, Placing)]),
        ]

    def find(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        return (
            find_captures([move for move in moves if isinstance(move.payload, Paying)])
            | find_closings([move for move in moves if isinstance(move.payload, Closing)])
            | find_placings([move for move in moves if isinstance(move.payload, Placing)])
        )


def settle_keys(moves: Sequence[Move]) -> dict[Move, Outcome]:
    """Answers placements whose key is used: the same request again, that of an archived order, or a misuse of the
    key."""
    used = find_keys(move.payload.order for move in moves)
    outcomes = {}
    for move in moves:
        order = move.payload.order
        if key := used.get((order.user_id, order.idempotency_key)):
            refusal = key.refusal(order.idempotency_key, order.request_digest)
            outcomes[move] = Outcome(Status.FAILED, *refusal) if refusal else REPEATED
    return outcomes


def find_captures(moves: Sequence[Move]) -> dict[Move, Outcome]:
    """Which captures are stored."""
    if not moves:
        return {}
    stored = captured_trades([move.payload.capture for move in moves]).order_by("payment_id").select_for_update()
    trades = {(payment.channel, payment.trade_id) for payment in stored}
    return {move: OK for move in moves if (move.payload.capture.channel, move.payload.capture.trade_id) in trades}


def find_closings(moves: Sequence[Move]) -> dict[Move, Outcome]:
    """Which orders are closed, by whom these moves say or by somebody faster."""
    if not moves:
        return {}
    rows = lock(Order.objects.order_by("order_id"), moves).filter(status=Order.Status.CLOSED)
    closed_by = dict(rows.values_list("order_id", "closed_by"))
    return {
        move: OK if closed_by[move.order_id] == move.payload.closed_by else REPEATED
        for move in moves
        if move.order_id in closed_by
    }


def find_placings(moves: Sequence[Move]) -> dict[Move, Outcome]:
    """Which orders are there: by their numbers, or under their keys."""
    if not moves:
        return {}
    numbers = set(lock(Order.objects.order_by("order_id"), moves).values_list("order_id", flat=True))
    keyed = [move for move in moves if move.order_id not in numbers and move.payload.order.idempotency_key]
    if keyed:
        keys = [(move.payload.order.user_id, move.payload.order.idempotency_key) for move in keyed]
        list(with_keys(keys).order_by("order_id").select_for_update())
    stored = settle_keys(keyed) if keyed else {}
    return stored | {move: OK for move in moves if move.order_id in numbers}


def write_placings(moves: Sequence[Move]) -> list[Move]:
    """Inserts orders and their lines, and counts them against their buyers."""
    if moves:
        insert_orders([move.payload for move in moves])
        check_orders(moves)
        add_pieces(moves)
        announce_placed(move.order_id for move in moves)
    return list(moves)


def write_closings(moves: Sequence[Move]) -> list[Move]:
    """Closes unpaid orders, and returns the moves of exactly those that it closed.

    A time-out skips orders that somebody else has locked: they are being paid, cancelled or closed right now.
    """
    if not moves:
        return []
    unpaid = in_status(Order.Status.UNPAID).order_by("order_id")
    due = [move for move in moves if move.payload.closed_by == Order.ClosedBy.TIMEOUT]
    asked = [move for move in moves if move.payload.closed_by != Order.ClosedBy.TIMEOUT]
    locked: dict[int, datetime] = {}
    if due:
        overdue = unpaid.filter(expires_at__lte=max(move.payload.now for move in due))
        locked |= dict(lock(overdue, due, skip_locked=True).values_list("order_id", "expires_at"))
    if asked:
        locked |= dict(lock(unpaid, asked).values_list("order_id", "expires_at"))
    begun = set(begun_payments(locked).values_list("order_id", flat=True))
    closing = [
        move
        for move in moves
        if move.order_id in locked
        and is_due(move, locked[move.order_id])
        and (move.payload.despite_payment or move.order_id not in begun)
    ]
    for closed_by in sorted({move.payload.closed_by for move in closing}):
        order_ids = [move.order_id for move in closing if move.payload.closed_by == closed_by]
        close_locked(order_ids, closed_by)
    return closing


def close_locked(order_ids: Sequence[int], closed_by: str, *, was: Order.Status = Order.Status.UNPAID) -> None:
    """Closes locked orders; from then on nothing has paid them, and their pieces count against nobody."""
    closed = (
        in_status(was)
        .filter(order_id__in=order_ids)
        .update(
            status=Order.Status.CLOSED,
            closed_by=closed_by,
            pay_channel="",
            trade_id="",
            pay_time=None,
            version=F("version") + 1,
            updated_at=Now(),
        )
    )
    expect_rows(closed, len(order_ids))
    give_back_pieces(order_ids)
    announce_closed(order_ids, closed_by)


def is_due(move: Move, expires_at: datetime) -> bool:
    """Whether a time-out's own clock says so (a batch may hold several); somebody's word needs no time."""
    closing: Closing = move.payload
    return closing.closed_by != Order.ClosedBy.TIMEOUT or expires_at <= closing.now


def lock(orders: QuerySet[Order], moves: Sequence[Move], *, skip_locked: bool = False) -> QuerySet[Order]:
    """Locks the orders of these moves, in order of their numbers."""
    chosen = orders.filter(order_id__in=[move.order_id for move in moves])
    return chosen.select_for_update(skip_locked=skip_locked)


def begun_payments(order_ids: Iterable[int]) -> QuerySet[Payment]:
    """Payments that may still bring money for these orders."""
    return Payment.objects.filter(order_id__in=list(order_ids), status=Payment.Status.BEGUN)


def captured_trades(captures: Sequence[Capture]) -> QuerySet[Payment]:
    """The stored payments of these trades; with several channels perhaps more."""
    channels, trades = {c.channel for c in captures}, {c.trade_id for c in captures}
    return Payment.objects.filter(channel__in=channels, trade_id__in=trades)


def write_captures(moves: Sequence[Move]) -> list[Move]:
    """Stores captures; each pays its order or becomes a refund row, and one whose stock was refused closes its order
    then. Returns the moves of the orders that were paid."""
    if not moves:
        return []
    for move in moves:
        move.payload.stored_as, move.payload.refund_reason = 0, None
    moves = sorted(moves, key=lambda move: move.payload.capture.payment_id)
    payments = lock_payments(moves)
    known = set(captured_trades([move.payload.capture for move in moves]).values_list("channel", "trade_id"))
    news = [m for m in moves if (m.payload.capture.channel, m.payload.capture.trade_id) not in known]
    if not news:
        return []
    store_captures(news, payments)
    locked = lock(Order.objects.order_by("order_id"), news).values_list("order_id", "pay_amount", "status")
    orders = {order_id: (amount, status) for order_id, amount, status in locked}
    if missing := [move.order_id for move in news if move.order_id not in orders]:
        archived = list_archived(order_ids=missing)
        orders |= {order_id: (order.pay_amount, order.status) for order_id, order in archived.items()}
    for move in news:
        move.payload.stored_as = payment_id_of(move, payments)
        move.payload.refund_reason = refund_reason(move.payload, *orders[move.order_id])
    paid = [move for move in news if move.payload.refund_reason is None]
    mark_paid(paid)
    refused = [move.order_id for move in news if move.payload.refund_reason is Refund.Reason.STOCK]
    if refused:
        close_locked(refused, Order.ClosedBy.STOCK)
    store_refunds([new_refund(move) for move in news if move.payload.refund_reason])
    return paid


def lock_payments(moves: Sequence[Move]) -> dict[int, str]:
    """Locks the payments that captures are for; returns their states. Raises PaymentNotFound."""
    wanted = [move.payload.capture.payment_id for move in moves]
    rows = Payment.objects.select_for_update().filter(payment_id__in=wanted).order_by("payment_id")
    payments = dict(rows.values_list("payment_id", "status"))
    for payment_id in wanted:
        if payment_id not in payments:
            raise PaymentNotFound(payment_id=payment_id)
    return payments


def payment_id_of(move: Move, payments: Mapping[int, str]) -> int:
    """The payment that holds a capture: the one it was made for, or a spare one when that has a capture already."""
    asked: int = move.payload.capture.payment_id
    spare: int = move.payload.spare_payment_id
    return spare if payments[asked] == Payment.Status.CAPTURED else asked


def store_captures(moves: Sequence[Move], payments: Mapping[int, str]) -> None:
    """Writes what came in into the payment rows: amount and currency are the provider's word, not what we asked for."""
    first = [move.payload.capture for move in moves if payment_id_of(move, payments) == move.payload.capture.payment_id]
    if first:
        stored = STORE_CAPTURES.run([(c.payment_id, c.trade_id, c.amount, c.currency, c.captured_at) for c in first])
        expect_rows(stored, len(first))
    Payment.objects.bulk_create(
        Payment(
            payment_id=move.payload.spare_payment_id,
            order_id=move.order_id,
            channel=move.payload.capture.channel,
            amount=move.payload.capture.amount,
            currency=move.payload.capture.currency,
            status=Payment.Status.CAPTURED,
            trade_id=move.payload.capture.trade_id,
            captured_at=move.payload.capture.captured_at,
        )
        for move in moves
        if payment_id_of(move, payments) != move.payload.capture.payment_id
    )


def refund_reason(paying: Paying, amount: int, status: int) -> Refund.Reason | None:
    """Why a capture cannot pay its (locked) order; None when it does."""
    capture = paying.capture
    if (capture.amount, capture.currency) != (amount, settings.CURRENCY):
        return Refund.Reason.AMOUNT
    if status == Order.Status.UNPAID:
        return Refund.Reason.STOCK if paying.is_refused else None
    return Refund.Reason.LATE if status == Order.Status.CLOSED else Refund.Reason.DOUBLE


def mark_paid(moves: Sequence[Move]) -> None:
    """100 -> 200 for locked orders, and the time of payment on their lines."""
    if not moves:
        return
    captures = [(move.order_id, move.payload.capture) for move in moves]
    rows = [(order_id, c.channel, c.trade_id, c.captured_at) for order_id, c in captures]
    expect_rows(MARK_PAID.run(rows), len(rows))
    MARK_LINES_PAID.run(rows)
    announce_paid(captures)


def new_refund(move: Move) -> NewRefund:
    """The refund of a capture."""
    paying: Paying = move.payload
    assert paying.refund_reason
    capture = paying.capture
    return NewRefund(paying.stored_as, move.order_id, capture.amount, capture.currency, paying.refund_reason)


def close_refused_by_stock(order_ids: Sequence[int]) -> list[tuple[Order, NewRefund | None]]:
    """Closes those of the orders that are paid, as stock has refused to sell them; returns each with its money, which
    is sent back, if any is left."""
    captured = Payment.objects.filter(order_id__in=order_ids, status=Payment.Status.CAPTURED)
    payments = {(p.channel, p.trade_id): p for p in captured.order_by("payment_id").select_for_update()}
    orders = in_status(Order.Status.PAID).filter(order_id__in=order_ids).order_by("order_id").select_for_update()
    paid = {order: payments[order.pay_channel, order.trade_id] for order in orders}
    if not paid:
        return []
    paid_ids = [order.order_id for order in paid]
    OrderDetail.objects.filter(order_id__in=paid_ids).update(pay_time=None, updated_at=Now())
    close_locked(paid_ids, Order.ClosedBy.STOCK, was=Order.Status.PAID)
    earlier = list(Refund.objects.filter(payment_id__in=[payment.payment_id for payment in paid.values()]))
    refunds = {}
    for order, p in paid.items():
        if amount := left_of(p, earlier):  # somebody may have refunded a part
            refunds[order] = NewRefund(p.payment_id, p.order_id, amount, p.currency, Refund.Reason.STOCK)
    store_refunds(list(refunds.values()))
    return [(order, refunds.get(order)) for order in paid]
