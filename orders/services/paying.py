"""Paying orders: open a payment at the provider, and take news of money wherever it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from charites.common.ids import next_ids
from charites.common.transactions import Undone, run
from orders import flows, selectors
from orders.errors import OrderStateConflict, PaymentNotFound, TooLateToPay
from orders.events import ORDER_CLOSED, ORDER_PAID, PAYMENT_BEGUN, REFUND_MADE
from orders.models import Order, Payment, Refund
from orders.participant import close_refused_by_stock, new_refund
from orders.payloads import Capture, Paying
from orders.payments import calls
from orders.payments.port import PaymentRequest, get_provider
from orders.payments.schedule import PROVIDER_PATIENCE, first_question_at
from orders.refunds import NewRefund
from orders.rows import NewPayment, insert_payments
from orders.services.outcomes import ORDERS, error_of
from stock.errors import RecordConflict, ReservationOfAnother
from stock.moves import Move, Outcome, confirm

log = structlog.get_logger(__name__)

REFUSALS = (RecordConflict, ReservationOfAnother)  # of stock, for good: to try again is no use
PAYMENT_MARGIN_SECONDS = 60  # a payment expires this long before its order, or a quarter of the time-out


@dataclass(frozen=True, slots=True)
class BegunPayment:
    payment: Payment
    pay_url: str


def begin_payment(*, order_id: int, user_id: int | None, outcome: str, now: datetime) -> BegunPayment:
    """Opens a payment at the provider, or returns the one that is open; one a time and order.

    Raises OrderNotFound, OrderStateConflict, TooLateToPay, PaymentsUnavailable, Busy, OutcomeUnknown.
    However it ends, asking again is harmless: the order keeps its begun payment.
    """
    provider = get_provider()
    order = selectors.get_order(order_id=order_id, user_id=user_id).order
    if order.status != Order.Status.UNPAID:
        raise OrderStateConflict(order_id=order_id, wanted=_("paid"), found=order.get_status_display())
    if pay_by(order) <= now:
        raise TooLateToPay(order_id=order_id)
    begun = store_begun([order], channel=provider.channel)
    if not begun:
        raise OrderStateConflict(order_id=order_id, wanted=_("paid"), found=_("no longer unpaid"))
    payment = begun[0]
    pay_url = calls.begin(request_for(payment, order), channel=payment.channel, outcome=outcome, now=now)
    return BegunPayment(payment, pay_url)


def begin_payments(*, order_ids: Sequence[int], now: datetime) -> list[PaymentRequest]:
    """Stores a begun payment for each of the orders that is unpaid and has time left, in one transaction.

    Returns what the provider is to collect, by order_id; opening it there is left to the caller. An order that has a
    begun payment keeps it. Raises PaymentsUnavailable.
    """
    channel = get_provider().channel
    unpaid = Order.objects.filter(order_id__in=order_ids, status=Order.Status.UNPAID)
    payable = {order.order_id: order for order in unpaid.filter(expires_at__gt=now + payment_margin())}
    begun = store_begun(list(payable.values()), channel=channel)
    return [request_for(payment, payable[payment.order_id]) for payment in begun]


def request_for(payment: Payment, order: Order) -> PaymentRequest:
    """What the provider is asked to collect for a begun payment, and until when."""
    return PaymentRequest(payment.payment_id, order.order_id, payment.amount, payment.currency, pay_by(order))


def pay_by(order: Order) -> datetime:
    """Until when an order can be paid: its payment ends a while before it does."""
    return order.expires_at - payment_margin()


def payment_margin() -> timedelta:
    """How long before its order a payment expires at the provider."""
    return timedelta(seconds=min(PAYMENT_MARGIN_SECONDS, settings.ORDER_PAY_TIMEOUT_SECONDS / 4))


def store_begun(orders: Sequence[Order], *, channel: str) -> list[Payment]:
    """Inserts begun payments under the locks of their orders, so that a time-out sees them or comes first.

    Returns the begun payment of every order that is still unpaid, by order_id: a new one, or the one it had.
    """
    amounts = {order.order_id: order.pay_amount for order in orders}
    expiries = {order.order_id: order.expires_at for order in orders}
    numbers = dict(zip(amounts, next_ids(len(amounts)), strict=True))

    def store() -> list[Payment]:
        unpaid = selectors.in_status(Order.Status.UNPAID).filter(order_id__in=amounts).order_by("order_id")
        locked = list(unpaid.select_for_update().values_list("order_id", flat=True))
        begun = selectors.list_begun_payments(order_ids=locked)
        new = [order_id for order_id in locked if order_id not in begun]
        if new:
            insert_payments(
                NewPayment(
                    payment_id=numbers[order_id],
                    order_id=order_id,
                    channel=channel,
                    amount=amounts[order_id],
                    currency=settings.CURRENCY,
                    # Should everything else forget it: when its order is closed at the latest, the provider is asked.
                    next_question_at=first_question_at(expiries[order_id] + PROVIDER_PATIENCE),
                )
                for order_id in new
            )
            begun |= selectors.list_begun_payments(order_ids=new)
        return [begun[order_id] for order_id in locked]

    def find() -> list[Payment] | Undone:
        """After a COMMIT without a reply: the payments with our numbers."""
        ours = Payment.objects.filter(payment_id__in=numbers.values()).order_by("payment_id").select_for_update()
        if not list(ours):
            return Undone.BUSY  # it was not written, or there was nothing to write
        begun = selectors.list_begun_payments(order_ids=list(amounts))
        return [begun[order_id] for order_id in sorted(begun)]

    begun = run(store, name="store_begun", find=find)
    tell_begun([payment for payment in begun if payment.payment_id == numbers.get(payment.order_id)])
    return begun


def tell_begun(payments: Sequence[Payment]) -> None:
    """Writes a line for each payment that was begun here and now."""
    for payment in payments:
        ids = (str(payment.payment_id), str(payment.order_id))
        PAYMENT_BEGUN.tell(*ids, payment.channel, payment.amount, payment.currency)


def receive_notice(*, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Takes a provider's callback. Returns once it is stored; a valid repeat has no effect.

    Raises BadSignature, Invalid, PaymentNotFound, PaymentsUnavailable, StockBusy, OutcomeUnknown.
    """
    capture = calls.read_notice(headers=headers, body=body, now=now)
    if capture is None:
        return
    for error in record_captures(captures=[capture]):
        if error:
            raise error


def record_captures(*, captures: Sequence[Capture]) -> list[Exception | None]:
    """The one function for news of money: callback, query and closing all come here.

    In one transaction the capture is stored, and either pays its order, which makes its stock sold, or becomes a
    refund row. Where stock refuses for good to sell what the order reserved, the money goes back and the order is
    closed. None: stored, now or before. Errors: PaymentNotFound (also for a payment of another channel, as what is
    stored is known by channel and trade), StockBusy, OutcomeUnknown.
    """
    orders = selectors.list_order_ids_of_payments(payment_ids=[capture.payment_id for capture in captures])
    known = [capture for capture in captures if (capture.channel, capture.payment_id) in orders]
    spare = next_ids(len(known))
    moves = [
        confirm(orders[c.channel, c.payment_id], payload=Paying(c, number))
        for c, number in zip(known, spare, strict=True)
    ]
    outcomes = carry_out(moves)
    for move in moves:
        if outcomes[move].done:
            tell_recorded(move)
    recorded = {id(move.payload.capture): outcome for move, outcome in outcomes.items()}
    return [error_of_capture(capture, recorded.get(id(capture))) for capture in captures]


def carry_out(moves: Sequence[Move]) -> dict[Move, Outcome]:
    """Pays orders; those whose stock is refused, in a second transaction, become refunds."""
    outcomes = dict(zip(moves, flows.carry_out(moves), strict=True))
    refused = [move for move, outcome in outcomes.items() if outcome.error in REFUSALS]
    for move in refused:
        log.error("capture_refused_by_stock", order_id=move.order_id, error=outcomes[move].words)
        move.payload.is_refused = True
    return outcomes | dict(zip(refused, flows.carry_out(refused), strict=True)) if refused else outcomes


def close_unsellable(*, order_id: int) -> bool:
    """Closes a paid order whose stock another service refuses to sell, and sends its money back, in one transaction.

    Returns whether the order is closed, now or before: one that was completed is not, and somebody has to look. Raises
    Busy, OutcomeUnknown.
    """
    for closed, refund in run(lambda: close_refused_by_stock([order_id]), name="close_unsellable"):
        if refund:
            tell_refund(refund)
        tell_unsellable(order_id, closed.pay_amount, settings.CURRENCY)
    (order,) = selectors.list_by_numbers(order_ids=[order_id])
    if order.status == Order.Status.CLOSED:
        log.error("paid_order_refused_by_stock", order_id=order_id)
    return order.status == Order.Status.CLOSED


def tell_recorded(move: Move) -> None:
    """Counts what a capture became, and writes its line; of one that was stored before there is nothing to tell."""
    capture, payment_id = move.payload.capture, move.payload.stored_as
    if not payment_id:
        return
    if move.payload.refund_reason:
        tell_refund(new_refund(move))
        if move.payload.refund_reason is Refund.Reason.STOCK:
            tell_unsellable(move.order_id, capture.amount, capture.currency)
        return
    ORDERS.labels("paid").inc()
    ORDER_PAID.tell(str(move.order_id), str(payment_id), capture.channel, capture.amount, capture.currency)


def tell_refund(refund: NewRefund) -> None:
    """Counts money that is to be sent back."""
    ORDERS.labels("capture_without_order").inc()
    money = (refund.amount, refund.currency)
    REFUND_MADE.tell(str(refund.payment_id), str(refund.order_id), refund.reason.value, *money)


def tell_unsellable(order_id: int, amount: int, currency: str) -> None:
    """Counts an order that was closed because stock refuses to sell it."""
    ORDERS.labels(f"closed_by_{Order.ClosedBy.STOCK}").inc()
    ORDER_CLOSED.tell(str(order_id), str(Order.ClosedBy.STOCK), amount, currency)


def error_of_capture(capture: Capture, outcome: Outcome | None) -> Exception | None:
    """Why a capture is not stored, if so."""
    if outcome is None:
        log.warning("capture_of_unknown_payment", payment_id=capture.payment_id, trade_id=capture.trade_id)
        return PaymentNotFound(payment_id=capture.payment_id)
    return None if outcome.done else error_of(outcome)
