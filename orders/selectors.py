"""Reading orders."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from charites.common.models import DEFAULT_PAGE, MAX_PAGE
from orders.errors import OrderNotFound
from orders.models import Order, OrderDetail, Payment, Refund


@dataclass(frozen=True, slots=True)
class OrderWithLines:
    order: Order
    lines: list[OrderDetail]


@dataclass(frozen=True, slots=True)
class DueRefund:
    """A refund, and the trade that brought its money."""

    refund: Refund
    channel: str
    trade_id: str


def with_lines(orders: Sequence[Order]) -> list[OrderWithLines]:
    """Adds the lines to orders, in one query."""
    lines = defaultdict(list)
    order_ids = [order.order_id for order in orders]
    for line in OrderDetail.objects.filter(order_id__in=order_ids).order_by("order_id", "goods_id"):
        lines[line.order_id].append(line)
    return [OrderWithLines(order, lines[order.order_id]) for order in orders]


def get_order(*, order_id: int, user_id: int | None) -> OrderWithLines:
    """Returns an order of this user; None means any user's. Raises OrderNotFound, also for somebody else's order."""
    orders = Order.objects.filter(order_id=order_id)
    if user_id is not None:
        orders = orders.filter(user_id=user_id)
    order = orders.first()
    if order is None:
        raise OrderNotFound(order_id=order_id)
    return with_lines([order])[0]


def list_orders(
    *, user_id: int | None, status: int | None = None, before_id: int | None = None, limit: int = DEFAULT_PAGE
) -> list[OrderWithLines]:
    """Returns a page of orders, newest first; `before_id` is the last order number of the page before."""
    orders = Order.objects.order_by("-order_id")
    if user_id is not None:
        orders = orders.filter(user_id=user_id)
    if status is not None:
        orders = orders.filter(status=status)
    if before_id is not None:
        orders = orders.filter(order_id__lt=before_id)
    return with_lines(list(orders[: min(limit, MAX_PAGE)]))


def list_by_numbers(*, order_ids: Sequence[int]) -> list[Order]:
    """Returns those of the orders that exist, by number."""
    return list(Order.objects.filter(order_id__in=order_ids).order_by("order_id"))


def list_by_keys(*, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], OrderWithLines]:
    """Returns the orders that are stored under (user_id, idempotency key)."""
    if not keys:
        return {}
    wanted = Q(user_id__in={user for user, _ in keys}, idempotency_key__in={key for _, key in keys})
    orders = with_lines(list(Order.objects.filter(wanted).order_by("order_id")))
    return {(found.order.user_id, str(found.order.idempotency_key)): found for found in orders}


def due_orders(now: datetime) -> QuerySet[Order]:
    """Unpaid orders whose time is up, the longest overdue first."""
    return Order.objects.filter(status=Order.Status.UNPAID, expires_at__lte=now).order_by("expires_at", "order_id")


def list_due(*, now: datetime, after: tuple[datetime, int] | None, limit: int) -> list[tuple[datetime, int]]:
    """Returns (expires_at, order_id) of overdue orders without a begun payment, from `after` on, unlocked."""
    begun = Payment.objects.filter(order_id=OuterRef("order_id"), status=Payment.Status.BEGUN)
    due = due_orders(now).filter(~Exists(begun))
    if after:
        due = due.filter(Q(expires_at__gt=after[0]) | Q(expires_at=after[0], order_id__gt=after[1]))
    return list(due.values_list("expires_at", "order_id")[:limit])


def list_overdue_payments(*, now: datetime, limit: int) -> list[tuple[Payment, datetime]]:
    """Returns begun payments of overdue orders that nobody is asking about, with when the order expired."""
    free = Payment.objects.filter(Q(leased_until=None) | Q(leased_until__lt=now), status=Payment.Status.BEGUN)
    due = due_orders(now).filter(order_id__in=free.values_list("order_id", flat=True))
    expired = dict(due.values_list("order_id", "expires_at")[:limit])
    return [(payment, expired[payment.order_id]) for payment in free.filter(order_id__in=expired).order_by("pk")]


def oldest_overdue_at(*, now: datetime) -> datetime | None:
    """Returns when the longest overdue unpaid order expired, or None."""
    return due_orders(now).values_list("expires_at", flat=True).first()


def list_begun_payments(*, order_ids: Sequence[int]) -> dict[int, Payment]:
    """Returns order_id -> the payment that may still bring money, for the orders that have one."""
    begun = Payment.objects.filter(order_id__in=order_ids, status=Payment.Status.BEGUN).order_by("-pk")
    return {payment.order_id: payment for payment in begun}


def list_payments_to_ask_about(*, now: datetime, limit: int) -> list[Payment]:
    """Returns payments whose question to the provider is due and that nobody is asking about, the longest due first.

    A begun payment without a planned question was left by an earlier version; it is due once its order has ended.
    """
    free = Payment.objects.filter(Q(leased_until=None) | Q(leased_until__lt=now))
    due = free.filter(status__in=[Payment.Status.BEGUN, Payment.Status.CLOSED], next_question_at__lte=now)
    found = list(due.order_by("next_question_at", "pk")[:limit])
    unpaid = Order.objects.filter(order_id=OuterRef("order_id"), status=Order.Status.UNPAID)
    unplanned = free.filter(~Exists(unpaid), status=Payment.Status.BEGUN, next_question_at=None)
    return [*found, *unplanned.order_by("pk")[: limit - len(found)]]


def list_uncaptured(*, payment_ids: Sequence[int]) -> list[Payment]:
    """Returns those of the payments that have brought no money so far, oldest first."""
    payments = Payment.objects.filter(payment_id__in=payment_ids).exclude(status=Payment.Status.CAPTURED)
    return list(payments.order_by("pk"))


def list_pending_refunds(*, payment_ids: Sequence[int]) -> list[DueRefund]:
    """Returns those of the refunds that are not done yet, oldest first."""
    pending = Refund.objects.filter(payment_id__in=payment_ids, status=Refund.Status.PENDING)
    return with_trades(list(pending.order_by("pk")))


def list_forgotten_refunds(*, due_before: datetime, now: datetime, limit: int) -> list[DueRefund]:
    """Returns pending refunds that nobody is sending and whose try was due before a time, the longest due first."""
    free = Refund.objects.filter(Q(leased_until=None) | Q(leased_until__lt=now), status=Refund.Status.PENDING)
    due = free.filter(Q(next_try_at__lt=due_before) | Q(next_try_at=None, created_at__lt=due_before))
    return with_trades(list(due.order_by("next_try_at", "pk")[:limit]))


def with_trades(refunds: Sequence[Refund]) -> list[DueRefund]:
    """Adds what the provider knows a refund's money by, in one query."""
    payments = Payment.objects.filter(payment_id__in=[refund.payment_id for refund in refunds])
    trades = {payment.payment_id: payment for payment in payments} if refunds else {}
    return [
        DueRefund(refund, trades[refund.payment_id].channel, str(trades[refund.payment_id].trade_id))
        for refund in refunds
    ]


def list_payments(*, order_id: int) -> list[Payment]:
    """Returns the payments of an order, oldest first."""
    return list(Payment.objects.filter(order_id=order_id).order_by("pk"))


def list_refunds(*, order_id: int) -> list[Refund]:
    """Returns the refunds of an order's payments, oldest first."""
    return list(Refund.objects.filter(order_id=order_id).order_by("pk"))


def list_order_ids_of_payments(*, payment_ids: Sequence[int]) -> dict[int, int]:
    """Returns payment_id -> order_id for the payments that exist."""
    return dict(Payment.objects.filter(payment_id__in=payment_ids).values_list("payment_id", "order_id"))
