"""Orders, payments and refunds in lists, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact

from charites.common.ids import CLOCKS_DIFFER, first_id_at
from charites.common.models import DEFAULT_PAGE, MAX_INT64, MAX_PAGE
from charites.common.pages import Cursor, Page, Row, along, few_keys, one_by_one, read_page
from orders.models import Order, OrderDetail, Payment, Refund
from orders.selectors import OrderWithLines, RefundWithPieces, in_full, with_pieces


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders: of a buyer, in a status, of a room, with a product, placed from a moment until before another."""

    user_id: int | None = None
    status: int | None = None
    room_id: int | None = None
    goods_id: int | None = None
    placed_from: datetime | None = None
    placed_until: datetime | None = None


def page_orders(wanted: OrderFilter, cursor: Cursor) -> Page[OrderWithLines]:
    """Returns a page of orders, newest first, by order number."""
    orders, chosen = with_values(wanted)
    chosen &= placed_within(wanted)
    return read_page(numbered_within(wanted, orders), "order_id", cursor, chosen=chosen).of(in_full)


def list_orders(
    *, user_id: int | None, status: int | None = None, before_id: int | None = None, limit: int = DEFAULT_PAGE
) -> list[OrderWithLines]:
    """Returns a page of orders, newest first; `before_id` is the last order number of the page before. The page is full
    unless there are no more: nothing else tells of others behind it."""
    wanted, limit = OrderFilter(user_id=user_id, status=status), min(limit, MAX_PAGE)
    page = page_orders(wanted, Cursor(before=before_id, limit=limit))
    found = page.items
    while page.next and len(found) < limit:
        page = page_orders(wanted, Cursor(before=page.next.number, limit=limit - len(found)))
        found += page.items
    return found


def with_values(wanted: OrderFilter) -> tuple[QuerySet[Order], Q]:
    """Orders, newest first, along the index of the value that fewest orders are likely to have; and which of them have
    the others."""
    values = {"user_id": wanted.user_id, "room_id": wanted.room_id, "status": wanted.status}
    asked = {name: value for name, value in values.items() if value is not None}
    orders = Order.objects.order_by("-order_id")
    if wanted.goods_id is not None and wanted.user_id is None:
        few = few_keys(OrderDetail.objects.filter(goods_id=wanted.goods_id), "order_id")
        if few is not None:
            return orders.filter(order_id__in=few), one_by_one(**asked)
    if asked:
        name = next(iter(asked))
        orders = along(orders, "-order_id", **{name: asked.pop(name)})
    return orders, one_by_one(**asked) & with_product(wanted.goods_id)


def with_product(goods_id: int | None) -> Q:
    """The condition that orders have a line with a product, looked for order by order until the page is full: a plain
    EXISTS MariaDB turns into a join with the lines of all orders that may be looked at."""
    if goods_id is None:
        return Q()
    line = Exists(OrderDetail.objects.filter(one_by_one(goods_id=goods_id), order_id=OuterRef("order_id")))
    return Q(Exact(Coalesce(line, False), True))


def numbered_within(wanted: OrderFilter, orders: QuerySet[Order]) -> QuerySet[Order]:
    """Those of the orders whose numbers are of a span of time. Numbers grow with time, so an index leads there; a clock
    that was set meanwhile is allowed for."""
    if wanted.placed_from is not None:
        orders = orders.filter(order_id__gte=min(first_id_at(wanted.placed_from - CLOCKS_DIFFER), MAX_INT64))
    if wanted.placed_until is not None:
        orders = orders.filter(order_id__lt=min(first_id_at(wanted.placed_until + CLOCKS_DIFFER), MAX_INT64))
    return orders


def placed_within(wanted: OrderFilter) -> Q:
    """The condition that orders were placed in a span of time."""
    bounds = {"created_at__gte": wanted.placed_from, "created_at__lt": wanted.placed_until}
    return Q(**{bound: moment for bound, moment in bounds.items() if moment is not None})


def page_payments(cursor: Cursor, **wanted: Any) -> Page[Payment]:
    """Returns a page of payments with these values, newest first, by their ids."""
    payments = of_money(Payment.objects.all(), "payment_id", wanted)
    return read_page(payments, "payment_id", cursor, keys_first=True)


def page_refunds(cursor: Cursor, **wanted: Any) -> Page[RefundWithPieces]:
    """Returns a page of refunds with these values, newest first, by their ids."""
    refunds = of_money(Refund.objects.all(), "refund_id", wanted)
    return read_page(refunds, "refund_id", cursor, keys_first=True).of(with_pieces)


def of_money(rows: QuerySet[Row], column: str, wanted: dict[str, Any]) -> QuerySet[Row]:
    """Payments or refunds with these values, by their ids downwards: of an order there are few, of a status it is an
    index."""
    for name in ("order_id", "status"):
        if name in wanted:
            others = {other: value for other, value in wanted.items() if other != name}
            return along(rows.filter(one_by_one(**others)), f"-{column}", **{name: wanted[name]})
    return rows.order_by(f"-{column}")
