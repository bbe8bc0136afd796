"""Reading orders."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from itertools import chain
from operator import or_
from typing import NamedTuple

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery

from charites.common.ids import CLOCKS_DIFFER, first_id_at
from charites.common.pages import MOST_COUNTED, Row, along, count_values
from charites.common.sums import halves, sum_of_halves
from orders.errors import OrderArchived, OrderNotFound
from orders.models import (
    OF_ITS_ORDER,
    ON_ITS_WAY,
    Archive,
    ArchivedOrder,
    Order,
    OrderDetail,
    Payment,
    Refund,
    RefundLine,
)

PAGE = 500  # rows that are read together
REFUNDED = "_refunded"
ENDED = (Order.Status.CLOSED, Order.Status.COMPLETED)


@dataclass(frozen=True, slots=True)
class OrderWithLines:
    """`refunded`: cents of what paid the order that have left or are about to, as `in_full` reads it."""

    order: Order
    lines: list[OrderDetail]
    refunded: int = 0


@dataclass(frozen=True, slots=True)
class DueRefund:
    """A refund, and the trade that brought its money."""

    refund: Refund
    channel: str
    trade_id: str


@dataclass(frozen=True, slots=True)
class RefundWithPieces:
    """A refund, and the pieces that came back with it, by product."""

    refund: Refund
    pieces: list[RefundLine]


class Due(NamedTuple):
    """An order whose time is up, with the columns that they are listed by, and its amount in cents."""

    expires_at: datetime
    pk: int
    order_id: int
    pay_amount: int


class Amounts(NamedTuple):
    """What some orders are for, in cents: all, and those of them that are paid or completed."""

    of_all: int
    of_paid: int


def sum_amounts(orders: QuerySet[Order]) -> Amounts:
    """Returns what these orders are for."""
    paid = Q(status__in=(Order.Status.PAID, Order.Status.COMPLETED))
    sums = halves("pay_amount") | halves("pay_amount", paid, "_paid")
    found = orders.order_by().aggregate(**sums)
    return Amounts(sum_of_halves(found), sum_of_halves(found, "_paid"))


def with_lines(orders: Sequence[Order]) -> list[OrderWithLines]:
    """Adds the lines to orders, in one query."""
    lines = defaultdict(list)
    order_ids = [order.order_id for order in orders]
    for line in OrderDetail.objects.filter(order_id__in=order_ids).order_by("order_id", "goods_id"):
        lines[line.order_id].append(line)
    return [OrderWithLines(order, lines[order.order_id]) for order in orders]


def in_full(orders: Sequence[Order]) -> list[OrderWithLines]:
    """Adds the lines to orders, and to those that were paid what was refunded, in another query."""
    gone = sum_refunded(order_ids=[order.order_id for order in orders if order.pay_time])
    return [replace(found, refunded=gone.get(found.order.order_id, 0)) for found in with_lines(orders)]


def get_order(*, order_id: int, user_id: int | None) -> OrderWithLines:
    """Returns an order of this user; None means any user's. Raises OrderNotFound, also for somebody else's order;
    OrderArchived."""
    orders = Order.objects.filter(order_id=order_id)
    if user_id is not None:
        orders = orders.filter(user_id=user_id)
    order = orders.first()
    if order is None:
        raise explain_missing(order_ids=[order_id], user_id=user_id)[order_id]
    return in_full([order])[0]


def explain_missing(*, order_ids: Sequence[int], user_id: int | None = None) -> dict[int, OrderNotFound]:
    """Returns order_id -> why there is no such order of this user (None: of any): OrderArchived, or OrderNotFound."""
    archived = list_archived(order_ids=order_ids) if order_ids else {}
    gone = {order_id for order_id, order in archived.items() if user_id in (None, order.user_id)}
    return {
        order_id: OrderArchived(order_id=order_id) if order_id in gone else OrderNotFound(order_id=order_id)
        for order_id in order_ids
    }


def list_archived(*, order_ids: Sequence[int]) -> dict[int, ArchivedOrder]:
    """Returns order_id -> what is left of it, for those that were archived."""
    return {order.order_id: order for order in ArchivedOrder.objects.filter(order_id__in=order_ids)}


def list_archived_alike(*, orders: Sequence[Order]) -> list[ArchivedOrder]:
    """Returns the archived orders that have a number of these orders, or a key of the same user."""
    alike = ArchivedOrder.objects.filter(order_id__in=[order.order_id for order in orders])
    if keys := [(order.user_id, order.idempotency_key) for order in orders if order.idempotency_key is not None]:
        alike = alike.union(ArchivedOrder.objects.filter(has_one_of(keys)))
    return list(alike)


def list_lines(*, order_id: int) -> list[OrderDetail]:
    """Returns the lines of an order, by product; none of one that was archived."""
    return list(OrderDetail.objects.filter(order_id=order_id).order_by("goods_id"))


def list_by_numbers(*, order_ids: Sequence[int]) -> list[Order]:
    """Returns those of the orders that exist, by number."""
    return list(Order.objects.filter(order_id__in=order_ids).order_by("order_id"))


def list_by_keys(*, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], OrderWithLines]:
    """Returns the orders that are stored under (user_id, idempotency key)."""
    if not keys:
        return {}
    orders = in_full(list(with_keys(keys).order_by("order_id")))
    return {(found.order.user_id, str(found.order.idempotency_key)): found for found in orders}


def with_keys(keys: Iterable[tuple[int, str]]) -> QuerySet[Order]:
    """The orders that are stored under (user_id, idempotency key), for one key or more."""
    return Order.objects.filter(has_one_of(keys))


def has_one_of(keys: Iterable[tuple[int, str]]) -> Q:
    """That a row has one of (user_id, idempotency key), for one key or more. Pair by pair: of two lists MariaDB would
    read all orders of these users."""
    return reduce(or_, (Q(user_id=user, idempotency_key=key) for user, key in keys))


def in_status(status: Order.Status) -> QuerySet[Order]:
    """Orders in a status, to be locked by their numbers.

    The planner does not see the status: who finds a row by an index of statuses locks the entry first and then waits
    for the row; who has the row and changes its status needs the entry.
    """
    return Order.objects.alias(state=F("status") + 0).filter(state=status)


def in_statuses(*statuses: Order.Status) -> QuerySet[Order]:
    """The same for several statuses."""
    return Order.objects.alias(state=F("status") + 0).filter(state__in=statuses)


def with_personal_data() -> QuerySet[Order]:
    """Orders that have ended and still say who bought."""
    says = Q(receive_name__gt="") | Q(receive_phone__gt="") | Q(receive_address__gt="") | Q(request_digest__gt="")
    return in_statuses(*ENDED).filter(says)


def has_personal_data(order: Order) -> bool:
    return any((order.receive_name, order.receive_phone, order.receive_address, order.request_digest))


def list_open_numbers(*, user_id: int, limit: int = 10) -> list[int]:
    """Returns the numbers of orders of a user that have not ended, the first few of them."""
    orders = along(Order.objects.exclude(status__in=ENDED), "order_id", user_id=user_id)
    return list(orders.values_list("order_id", flat=True)[:limit])


def pages_with_personal_data(*, user_id: int, page: int) -> Iterator[list[int]]:
    """Yields the numbers of a user's orders that have ended and say who bought, so many at a time."""
    last = 0
    while True:
        orders = along(with_personal_data().filter(order_id__gt=last), "order_id", user_id=user_id)
        found = list(orders.values_list("order_id", flat=True)[:page])
        if not found:
            return
        yield found
        last = found[-1]


def pages_of_old_personal_data(*, before: datetime, page: int) -> Iterator[list[int]]:
    """Yields the numbers of orders that were placed and last changed before a time, have ended and say who bought.

    In windows of that many orders, by their numbers: however few are found, no statement reads more. A page may be
    empty.
    """
    old = with_personal_data().filter(created_at__lt=before, updated_at__lt=before)
    last = 0
    while True:
        following = Order.objects.filter(order_id__gt=last).order_by("order_id")
        window = list(following.values_list("order_id", flat=True)[:page])
        if not window:
            return
        chosen = old.filter(order_id__gt=last, order_id__lte=window[-1]).order_by("order_id")
        yield list(chosen.values_list("order_id", flat=True))
        last = window[-1]


def find_archived(*, order_id: int) -> tuple[ArchivedOrder, Archive] | None:
    """Returns what is left of an archived order, and its file, or None."""
    order = ArchivedOrder.objects.filter(order_id=order_id).first()
    return (order, Archive.objects.get(pk=order.archive_id)) if order else None


def each_archive() -> Iterator[Archive]:
    """Yields the files of archived orders, in the order in which they were written."""
    return Archive.objects.order_by("pk").iterator(PAGE)


def find_archive(*, name: str) -> Archive | None:
    """Returns the row of a file of archived orders, or None."""
    return Archive.objects.filter(name=name).first()


def list_archives(*, ids: Collection[int]) -> list[Archive]:
    """Returns files of archived orders, in the order in which they were written."""
    return list(Archive.objects.filter(pk__in=ids).order_by("pk")) if ids else []


def ended_orders(*, placed_before: datetime, unchanged_since: datetime) -> QuerySet[Order]:
    """Orders that were placed before a time and closed, completed or paid, and have not changed since another."""
    return in_statuses(*ENDED, Order.Status.PAID).filter(created_at__lt=placed_before, updated_at__lt=unchanged_since)


def pages_of_ended(*, placed_before: datetime, unchanged_since: datetime, page: int) -> Iterator[list[int]]:
    """Yields the numbers of these orders, in windows of so many orders, by their numbers; a page may be empty. Numbers
    grow with time: it ends where all of a window were placed later."""
    ended = ended_orders(placed_before=placed_before, unchanged_since=unchanged_since)
    last = 0
    while True:
        following = Order.objects.filter(order_id__gt=last).order_by("order_id")
        window = list(following.values_list("order_id", "created_at")[:page])
        if all(placed_at >= placed_before + CLOCKS_DIFFER for _order_id, placed_at in window):
            return
        until = window[-1][0]
        chosen = ended.filter(order_id__gt=last, order_id__lte=until).order_by("order_id")
        yield list(chosen.values_list("order_id", flat=True))
        last = until


def count_lines(*, order_ids: Sequence[int]) -> dict[int, int]:
    """Returns order_id -> how many lines it has, for those that have any."""
    lines = OrderDetail.objects.filter(order_id__in=order_ids).order_by("order_id")
    return dict(lines.values_list("order_id").annotate(Count("pk")))


def due_orders(now: datetime) -> QuerySet[Order]:
    """Unpaid orders whose time is up, the longest overdue first."""
    return along(Order.objects.filter(expires_at__lte=now), "expires_at", "pk", status=Order.Status.UNPAID)


def one_of(rows: QuerySet[Payment] | QuerySet[Refund]) -> Subquery:
    """One of these payments, or refunds, for each order, or NULL. An EXISTS would do, but MariaDB answers it by reading
    all of them first, whatever their orders."""
    return Subquery(rows.filter(order_id=OuterRef("order_id")).values("pk")[:1])


def list_due(*, now: datetime, after: Due | None, limit: int) -> list[Due]:
    """Returns overdue orders without a begun payment, from `after` on, unlocked."""
    due = due_orders(now).alias(begun=one_of(Payment.objects.filter(status=Payment.Status.BEGUN))).filter(begun=None)
    if after:
        due = due.filter(Q(expires_at__gt=after.expires_at) | Q(pk__gt=after.pk), expires_at__gte=after.expires_at)
    return [Due(*row) for row in due.values_list("expires_at", "pk", "order_id", "pay_amount")[:limit]]


def list_overdue_payments(*, now: datetime, limit: int) -> list[tuple[Payment, datetime]]:
    """Returns begun payments of overdue orders that nobody is asking about, with when the order expired."""
    free = Payment.objects.filter(Q(leased_until=None) | Q(leased_until__lt=now), status=Payment.Status.BEGUN)
    due = due_orders(now).alias(free=one_of(free)).exclude(free=None)
    expired = dict(due.values_list("order_id", "expires_at")[:limit])
    return [(payment, expired[payment.order_id]) for payment in free.filter(order_id__in=expired).order_by("pk")]


def oldest_overdue_at(*, now: datetime) -> datetime | None:
    """Returns when the longest overdue unpaid order expired, or None."""
    return due_orders(now).values_list("expires_at", flat=True).first()


def find_oldest_unpaid() -> Order | None:
    """Returns the unpaid order that was placed first, or None."""
    return along(Order.objects.all(), "order_id", status=Order.Status.UNPAID).first()


def count_unsent_refunds(*, most: int) -> int:
    """Returns how many refunds are on their way, `most` at most."""
    return Refund.objects.filter(status__in=ON_ITS_WAY).order_by().values("pk")[:most].count()


def count_due(*, now: datetime) -> int:
    """Returns how many unpaid orders are overdue, MOST_COUNTED at most."""
    return due_orders(now)[:MOST_COUNTED].count()


def find_span() -> tuple[datetime, datetime] | None:
    """Returns when the first and when the newest order was placed, by their numbers; None: there are none."""
    orders = Order.objects.values_list("created_at", flat=True)
    newest = Subquery(orders.order_by("-order_id")[:1])
    return Order.objects.order_by("order_id").annotate(newest=newest).values_list("created_at", "newest").first()


def count_placed_after(moment: datetime, *, most: int) -> int:
    """Returns how many orders have numbers of a day after a moment and later, `most` at most."""
    later = Order.objects.filter(order_id__gte=first_id_at(moment + CLOCKS_DIFFER))
    return later.order_by().values("order_id")[:most].count()


def last_placed_at() -> datetime | None:
    """Returns when the newest order was placed, or None."""
    return Order.objects.order_by("-order_id").values_list("created_at", flat=True).first()


def count_payments_by_status() -> dict[str, int]:
    """Returns status -> number of payments, each counted up to MOST_COUNTED."""
    return count_values(Payment, "status", Payment.Status.values)


def count_refunds_by_status() -> dict[str, int]:
    """Returns status -> number of refunds, each counted up to MOST_COUNTED."""
    return count_values(Refund, "status", Refund.Status.values)


def list_begun_payments(*, order_ids: Sequence[int]) -> dict[int, Payment]:
    """Returns order_id -> the payment that may still bring money, for the orders that have one."""
    begun = Payment.objects.filter(order_id__in=order_ids, status=Payment.Status.BEGUN).order_by("-pk")
    return {payment.order_id: payment for payment in begun}


def list_payments_to_ask_about(*, now: datetime, limit: int) -> list[Payment]:
    """Returns payments whose question to the provider is due and that nobody is asking about, the longest due first.

    A begun payment without a planned question was left by an earlier version; it is due once its order has ended.
    """
    free = Payment.objects.filter(Q(leased_until=None) | Q(leased_until__lt=now))
    due = free.filter(next_question_at__lte=now)
    pages = [
        along(due, "next_question_at", "pk", status=Payment.Status.BEGUN)[:limit],
        along(due, "next_question_at", "pk", status=Payment.Status.CLOSED)[:limit],
    ]
    found = sorted(chain(*pages), key=lambda payment: (payment.next_question_at, payment.pk))[:limit]
    unpaid = Order.objects.filter(order_id=OuterRef("order_id"), status=Order.Status.UNPAID)
    unplanned = free.filter(~Exists(unpaid), status=Payment.Status.BEGUN, next_question_at=None)
    return [*found, *unplanned.order_by("pk")[: limit - len(found)]]


def list_uncaptured(*, payment_ids: Sequence[int]) -> list[Payment]:
    """Returns those of the payments that have brought no money so far, oldest first."""
    payments = Payment.objects.filter(payment_id__in=payment_ids).exclude(status=Payment.Status.CAPTURED)
    return list(payments.order_by("pk"))


def list_refunds_to_send(*, refund_ids: Sequence[int]) -> list[DueRefund]:
    """Returns those of the refunds that are on their way, oldest first."""
    found = Refund.objects.filter(refund_id__in=refund_ids, status__in=ON_ITS_WAY)
    return with_trades(list(found.order_by("pk")))


def list_forgotten_refunds(*, due_before: datetime, now: datetime, limit: int) -> list[DueRefund]:
    """Returns refunds on their way that nobody is sending and whose try was due before a time, the longest due
    first."""
    free = Refund.objects.filter(Q(leased_until=None) | Q(leased_until__lt=now))
    due = free.filter(Q(next_try_at__lt=due_before) | Q(next_try_at=None, created_at__lt=due_before))
    pages = [due.filter(status=status).order_by("next_try_at", "pk")[:limit] for status in ON_ITS_WAY]
    found = sorted(chain(*pages), key=lambda refund: (refund.next_try_at or refund.created_at, refund.pk))
    return with_trades(found[:limit])


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


def gone_refunds() -> QuerySet[Refund]:
    """Refunds of what paid their orders, that have left or are about to."""
    return Refund.objects.exclude(status=Refund.Status.REFUSED).filter(reason__in=OF_ITS_ORDER)


def with_refunded(orders: QuerySet[Order]) -> QuerySet[Order]:
    """The orders, of each of which `refunded_of` then knows."""
    gone = gone_refunds().filter(order_id=OuterRef("order_id")).order_by()
    sums = halves("amount", name=REFUNDED).items()
    return orders.annotate(
        **{half: Subquery(gone.values("order_id").annotate(total=total).values("total")) for half, total in sums}
    )


def refunded_of(order: Order) -> int:
    """Returns how many cents of what paid an order of `with_refunded` have left or are about to."""
    return sum_of_halves(vars(order), REFUNDED)


def sum_refunded(*, order_ids: Sequence[int]) -> dict[int, int]:
    """Returns order_id -> cents of what paid it that have left or are about to, for those of the orders of which there
    are any."""
    gone = gone_refunds().filter(order_id__in=order_ids).order_by("order_id").values("order_id")
    found = gone.annotate(**halves("amount", name=REFUNDED)) if order_ids else ()
    return {row["order_id"]: sum_of_halves(row, REFUNDED) for row in found}


def sum_sent_back(*, order_ids: Sequence[int], currency: str) -> dict[int, int]:
    """Returns order_id -> cents that the provider has sent back, for those of the orders of which there are any."""
    amounts: Counter[int] = Counter()
    done = Refund.objects.filter(order_id__in=order_ids, status=Refund.Status.DONE, currency=currency)
    for order_id, amount in done.order_by("pk").values_list("order_id", "amount") if order_ids else ():
        amounts[order_id] += amount
    return dict(amounts)


def refunded(orders: QuerySet[Order], *, is_refunded: bool) -> QuerySet[Order]:
    """Those of the orders of which money has left or is about to, or the others. Looked for order by order."""
    found = orders.alias(refund=one_of(gone_refunds()))
    return found.exclude(refund=None) if is_refunded else found.filter(refund=None)


def list_returned(*, refund_ids: Sequence[int]) -> list[RefundLine]:
    """Returns the pieces that came back with these refunds, in order of refund and product."""
    return list(RefundLine.objects.filter(refund_id__in=refund_ids).order_by("refund_id", "goods_id"))


def with_pieces(refunds: Sequence[Refund]) -> list[RefundWithPieces]:
    """Adds what came back to refunds, in one query."""
    pieces = defaultdict(list)
    for piece in list_returned(refund_ids=[refund.refund_id for refund in refunds]) if refunds else []:
        pieces[piece.refund_id].append(piece)
    return [RefundWithPieces(refund, pieces[refund.refund_id]) for refund in refunds]


def list_by_trades(*, channel: str, trade_ids: Sequence[str]) -> dict[str, Payment]:
    """Returns trade_id -> the payment that holds its money, for those that are stored."""
    payments = Payment.objects.filter(channel=channel, trade_id__in=trade_ids)
    return {str(payment.trade_id): payment for payment in payments}


def list_by_payment_ids(*, channel: str, payment_ids: Sequence[int]) -> dict[int, Payment]:
    """Returns payment_id -> payment for those of a channel that exist."""
    payments = Payment.objects.filter(channel=channel, payment_id__in=payment_ids)
    return {payment.payment_id: payment for payment in payments}


def list_by_refund_ids(*, refund_ids: Sequence[int]) -> list[Refund]:
    """Returns those of the refunds that exist."""
    return list(Refund.objects.filter(refund_id__in=refund_ids).order_by("pk"))


def each_captured(*, channel: str, since: datetime, until: datetime) -> Iterator[Payment]:
    """Yields the payments of a channel whose money came in from a time until before another, by that time."""
    captured = Payment.objects.filter(captured_at__gte=since, captured_at__lt=until).order_by("captured_at", "pk")
    for page in pages_by_time(captured, "captured_at"):
        yield from (payment for payment in page if payment.channel == channel)


def each_refunded(*, channel: str, since: datetime, until: datetime) -> Iterator[tuple[Refund, str]]:
    """Yields the refunds of a channel that were sent from a time until before another, each with its trade id."""
    sent = Refund.objects.filter(done_at__gte=since, done_at__lt=until).order_by("done_at", "pk")
    for page in pages_by_time(sent, "done_at"):
        yield from ((due.refund, due.trade_id) for due in with_trades(page) if due.channel == channel)


def pages_by_time(rows: QuerySet[Row], column: str) -> Iterator[list[Row]]:
    """Yields rows in the order of a time that an index has, a page at a time."""
    beyond = Q()
    while page := list(rows.filter(beyond)[:PAGE]):
        yield page
        moment, pk = getattr(page[-1], column), page[-1].pk
        beyond = Q(**{f"{column}__gt": moment}) | Q(**{column: moment}, pk__gt=pk)


def list_order_ids_of_payments(*, payment_ids: Sequence[int]) -> dict[tuple[str, int], int]:
    """Returns (channel, payment_id) -> order_id for the payments that exist."""
    rows = Payment.objects.filter(payment_id__in=payment_ids).values_list("channel", "payment_id", "order_id")
    return {(channel, payment_id): order_id for channel, payment_id, order_id in rows}
