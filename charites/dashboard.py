"""The first page of the admin: how the shop is doing. Each figure leads to the rows that it counts.

A figure is for whoever may see those rows, where this service has them. It costs one statement or two along an index,
and says so where there is more than it counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from charites.common.admin_products import Product, product_link
from charites.common.line_chart import Line, draw
from charites.common.money import money
from charites.common.periods import day_of
from goods.selectors import list_on_sale, list_titles
from messaging.models import Message
from messaging.selectors import count_dead
from messaging.webhooks.reading import count_switched_off
from orders.models import ON_ITS_WAY, Order
from orders.sales import HOUR, PAID, Sold, SoldLately, sum_hours
from orders.selectors import count_unsent_refunds, find_oldest_unpaid
from stock.selectors import list_few

HOURS = 24
MOST_COUNTED = 1_000
FEW = 5  # pieces: a product is nearly gone
LOOKED_AT, AMONG = 1_000, 20_000  # of the newest products, those on sale
MOST_FEW, FEW_NAMED = 100, 10


@dataclass(frozen=True, slots=True)
class Figure:
    title: str
    value: str
    url: str
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    highest: str
    line: Line
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Hour:
    starts_at: datetime
    orders: int
    amount: str


@dataclass(slots=True)
class Dashboard:
    """What the template shows. `nearly_gone`: title and pieces of some products."""

    figures: list[Figure] = field(default_factory=list)
    charts: Sequence[Chart] = ()
    hours: Sequence[Hour] = ()
    is_cut: bool = False
    nearly_gone: Sequence[tuple[str, int]] = ()


def read_dashboard(user: Any, now: datetime) -> Dashboard:
    dashboard = Dashboard()
    for needed, add in PARTS:
        is_here = all(name.partition(".")[0] in {*settings.APPS, "messaging"} for name in needed)
        if is_here and user.has_perms(needed):
            add(dashboard, now)
    return dashboard


def list_of(model: str, **wanted: Any) -> str:
    """The address of a list, with filters."""
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode(wanted)}"


def or_more(text: str) -> str:
    return _("%(number)s or more") % {"number": text}


def counted(number: int) -> str:
    """A number that was counted to one more than MOST_COUNTED at most."""
    return or_more(f"{MOST_COUNTED:,}") if number > MOST_COUNTED else f"{number:,}"


def add_sales(dashboard: Dashboard, now: datetime) -> None:
    sold = sum_hours(now=now, hours=HOURS, today=day_of(now).starts_at)
    dashboard.figures += sales_figures(sold)
    dashboard.is_cut = sold.is_cut
    hours = len(sold.hours)
    dashboard.hours = [
        Hour(now - HOUR * (hours - place), hour.orders, money(hour.amount)) for place, hour in enumerate(sold.hours)
    ]
    orders, amounts = (draw([getattr(hour, name) for hour in sold.hours]) for name in ("orders", "amount"))
    dashboard.charts = [
        Chart(_("Orders an hour"), f"{orders.highest:,}", orders),
        Chart(_("Revenue an hour"), money(amounts.highest), amounts, "paid"),
    ]


def sales_figures(sold: SoldLately) -> Iterator[Figure]:
    spans: list[tuple[str, str, str, Sold, bool]] = [
        ("today", _("Orders today"), _("Revenue today"), sold.today, sold.is_today_cut),
        ("24h", _("Orders, last 24 hours"), _("Revenue, last 24 hours"), sold.lately, sold.is_cut),
    ]
    paid = ",".join(str(status.value) for status in PAID)
    for word, orders, revenue, found, is_cut in spans:
        values = (f"{found.orders:,}", money(found.amount))
        shown = [or_more(value) if is_cut else value for value in values]
        yield Figure(orders, shown[0], list_of("orders_order", placed=word))
        yield Figure(revenue, shown[1], list_of("orders_order", placed=word, status__in=paid))


def add_oldest_unpaid(dashboard: Dashboard, now: datetime) -> None:
    order, title = find_oldest_unpaid(), _("Oldest unpaid order")
    if order is None:
        dashboard.figures.append(Figure(title, _("none"), list_of("orders_order", status__exact=Order.Status.UNPAID)))
        return
    age = timesince(order.created_at, now, depth=1)
    page = reverse("admin:orders_order_change", args=[order.pk])
    dashboard.figures.append(Figure(title, age, page, is_bad=order.expires_at < now - HOUR))


def add_refunds(dashboard: Dashboard, now: datetime) -> None:
    number = count_unsent_refunds(most=MOST_COUNTED + 1)
    rows = list_of("orders_refund", status__in=",".join(ON_ITS_WAY))
    dashboard.figures.append(Figure(_("Refunds not sent"), counted(number), rows, is_bad=number > 0))


def add_dead_messages(dashboard: Dashboard, now: datetime) -> None:
    number, rows = count_dead(most=MOST_COUNTED + 1), list_of("messaging_message", state__exact=Message.State.DEAD)
    dashboard.figures.append(Figure(_("Dead messages"), counted(number), rows, is_bad=number > 0))


def add_silent_endpoints(dashboard: Dashboard, now: datetime) -> None:
    """Only where there is something to see."""
    if number := count_switched_off(most=MOST_COUNTED + 1):
        rows = list_of("messaging_webhookendpoint", is_enabled__exact="0")
        dashboard.figures.append(Figure(_("Webhooks switched off"), counted(number), rows, is_bad=True))


def add_nearly_gone(dashboard: Dashboard, now: datetime) -> None:
    on_sale = list_on_sale(now=now, limit=LOOKED_AT, among=AMONG)
    found = list_few(goods_ids=on_sale, few=FEW, most=MOST_FEW + 1) if on_sale else []
    is_cut, found = len(found) > MOST_FEW, found[:MOST_FEW]
    # Of some there is no row of stock yet, so these are rows of products.
    rows = list_of("goods_goods", goods_id__in=",".join(str(goods_id) for goods_id, _available in found) or "0")
    value = or_more(f"{len(found):,}") if is_cut else f"{len(found):,}"
    dashboard.figures.append(Figure(_("On sale, nearly gone"), value, rows, is_bad=bool(found)))
    named = found[:FEW_NAMED]
    titles = list_titles(goods_ids=[goods_id for goods_id, _available in named]) if named else []
    links = {goods_id: product_link(Product(page, title), title) for goods_id, page, title, _is_deleted in titles}
    dashboard.nearly_gone = [(links[goods_id], available) for goods_id, available in named if goods_id in links]


PARTS = (
    (["orders.view_order"], add_sales),
    (["orders.view_order"], add_oldest_unpaid),
    (["orders.view_refund"], add_refunds),
    (["messaging.view_message"], add_dead_messages),
    (["messaging.view_webhookendpoint"], add_silent_endpoints),
    (["goods.view_goods", "stock.view_stock"], add_nearly_gone),
)
