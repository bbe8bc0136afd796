"""What is being sold: of some products, the newest orders, and how many there were in each of the last minutes; of all,
how many in each of the last hours.

A few statements for all of it together, each along an index and bounded, however much was ever sold.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Case, Count, F, Q, QuerySet, Value, When

from charites.common.ids import CLOCKS_DIFFER, first_id_at
from charites.common.sums import halves, sum_of_halves
from orders.models import Order, OrderDetail
from orders.selectors import OrderWithLines, with_lines

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MOST_PRODUCTS = 200  # of one statement
MOST_LINES = 20_000  # of the shop: older ones are not looked at
MOST_ORDERS = 50_000  # nor are they
TODAY = "_today"  # in the names of sums
NUMBERS_A_MINUTE = first_id_at(datetime(2022, 1, 1, 0, 1, tzinfo=UTC)) - first_id_at(datetime(2022, 1, 1, tzinfo=UTC))
PAID = (Order.Status.PAID, Order.Status.COMPLETED)

NEWEST = """
SELECT * FROM (
    SELECT order_id FROM shopping_order_detail WHERE goods_id = %s ORDER BY id DESC LIMIT %s
) AS newest
"""


@dataclass(frozen=True, slots=True)
class SalesMinute:
    """The orders that were placed in a minute, and what has been paid of their lines, in cents."""

    starts_at: datetime
    orders: int
    paid_amount: int


def list_newest_orders(*, goods_ids: Sequence[int], limit: int) -> list[OrderWithLines]:
    """Returns the newest orders of any of the products (the first MOST_PRODUCTS of them), newest first."""
    wanted = goods_ids[:MOST_PRODUCTS]
    if not wanted:
        return []
    newest = " UNION ALL ".join([NEWEST] * len(wanted))
    values = [value for goods_id in wanted for value in (goods_id, limit)]
    with connection.cursor() as cursor:
        statement = f"SELECT DISTINCT order_id FROM ({newest}) AS found ORDER BY order_id DESC LIMIT %s"
        cursor.execute(statement, [*values, limit])
        numbers = [number for (number,) in cursor.fetchall()]
    return with_lines(list(Order.objects.filter(order_id__in=numbers).order_by("-order_id")))


def list_sales(*, goods_ids: Sequence[int], minutes: int, now: datetime) -> list[SalesMinute]:
    """Returns the last minutes of some products, oldest first; the last one is not over yet. Where the shop sells more
    than MOST_LINES meanwhile: only the minutes that are known whole, and the last one as far as it is known."""
    last = now.replace(second=0, microsecond=0)
    starts = [last - MINUTE * ago for ago in reversed(range(minutes))]
    first_line, known_from = look_back(first_id_at(starts[0] - MINUTE))
    sums = sum_minutes(goods_ids, first_line) if first_line else {}
    found = [SalesMinute(start, *sums.get(first_id_at(start), (0, 0))) for start in starts]
    return [minute for minute in found if first_id_at(minute.starts_at) >= known_from] or found[-1:]


def look_back(order_id: int) -> tuple[int, int]:
    """Returns the key of the first line to look at, 0 where there is none, and the number from which on all orders are
    known.

    The first line is that of this order or the next, unless MOST_LINES are newer. Lines are stored nearly in the order
    of their numbers, so ask for an order of a while before.
    """
    keys = OrderDetail.objects.values_list("pk", flat=True)
    first = keys.filter(order_id__gte=order_id).order_by("order_id", "goods_id").first()
    newest = keys.order_by("-pk").first()
    if first is None or newest is None:
        return 0, 0
    if newest - first < MOST_LINES:
        return first, 0
    first = newest - MOST_LINES + 1
    known = OrderDetail.objects.filter(pk__gte=first).order_by("pk").values_list("order_id", flat=True).first()
    return first, known or 0


def sum_minutes(goods_ids: Sequence[int], first_line: int) -> dict[int, tuple[int, int]]:
    """Returns the first number of a minute -> how many orders, and the amount of their lines that are paid."""
    lines = OrderDetail.objects.filter(goods_id__in=goods_ids, pk__gte=first_line)
    minutes = lines.annotate(first=F("order_id") - F("order_id") % NUMBERS_A_MINUTE).values("first").order_by("first")
    paid = halves("pay_amount", only=Q(pay_time__isnull=False))
    sums = minutes.annotate(orders=Count("order_id", distinct=True), **paid)
    return {row["first"]: (row["orders"], sum_of_halves(row)) for row in sums}


@dataclass(frozen=True, slots=True)
class Sold:
    """How many orders were placed, and what those of them are for that are paid, in cents."""

    orders: int = 0
    amount: int = 0


@dataclass(frozen=True, slots=True)
class SoldLately:
    """`hours`: one by one, oldest first, up to now. `lately`: all of them together. Where there were more than
    MOST_ORDERS, earlier ones are in nothing of this, and the hours begin with the first that is known whole: then
    `is_cut`, and `is_today_cut` when the day began before."""

    hours: list[Sold]
    lately: Sold
    today: Sold
    is_cut: bool
    is_today_cut: bool


def sum_hours(*, now: datetime, hours: int, today: datetime) -> SoldLately:
    """Returns what was sold in the last hours, and since the day began: `today`, which may be longer ago."""
    asked_from = min(now - HOUR * hours, today)
    lately = Order.objects.filter(order_id__gte=first_id_at(asked_from - CLOCKS_DIFFER))
    cut = lately.order_by("-order_id").values_list("order_id", flat=True)[MOST_ORDERS - 1 : MOST_ORDERS + 1]
    known = lately.filter(order_id__gte=cut[0]) if len(cut) > 1 else lately
    known_from = known.order_by("order_id").values_list("created_at", flat=True)[0] if len(cut) > 1 else asked_from
    rows = rows_by_hour(known.filter(created_at__gte=asked_from), now, hours, today)
    by_hour = {row["ago"]: Sold(row["orders"], sum_of_halves(row)) for row in rows if row["ago"] <= hours}
    known_hours = [ago for ago in range(hours, 0, -1) if now - HOUR * ago >= known_from] or [1]
    return SoldLately(
        hours=[by_hour.get(ago, Sold()) for ago in known_hours],
        lately=together(by_hour.values()),
        today=together(Sold(row["orders_today"], sum_of_halves(row, TODAY)) for row in rows),
        is_cut=known_from > now - HOUR * hours,
        is_today_cut=known_from > today,
    )


def rows_by_hour(orders: QuerySet[Order], now: datetime, hours: int, today: datetime) -> list[dict[str, Any]]:
    """Sums by how many hours ago an order was placed: 1 for the last one; whatever is earlier is in one."""
    since = [When(created_at__gte=now - HOUR * ago, then=Value(ago)) for ago in range(1, hours + 1)]
    groups = orders.annotate(ago=Case(*since, default=Value(hours + 1))).values("ago").order_by("ago")
    is_paid, is_of_today = Q(status__in=PAID), Q(created_at__gte=today)
    sums = groups.annotate(
        orders=Count("pk"),
        orders_today=Count("pk", filter=is_of_today),
        **halves("pay_amount", only=is_paid),
        **halves("pay_amount", only=is_paid & is_of_today, name=TODAY),
    )
    return [dict(row) for row in sums]


def together(sold: Iterable[Sold]) -> Sold:
    parts = list(sold)
    return Sold(sum(part.orders for part in parts), sum(part.amount for part in parts))
