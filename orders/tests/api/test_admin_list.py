"""The list of orders: those of a room or of a span of time, and what is listed in all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from charites.common import admin_lists, clock
from charites.common.admin import ROWS_PER_PAGE
from charites.common.ids import first_id_at
from lab.kit import factories
from lab.kit.admin_site import list_url, make_operator, sign_in
from orders import services
from orders.admin import filters
from orders.admin.filters import PlacedFilter
from orders.models import Order, OrderDetail

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    factories.make_goods(1, stock=1000)
    for room_id in (1, 2):
        factories.make_room(room_id, goods_ids=[1])
    return sign_in(make_operator())


def totals(client: Client, **query: Any) -> str | None:
    page = client.get(list_url(Order), query).content.decode()
    _, found, rest = page.partition('<p class="totals">')
    return " ".join(rest.partition("</p>")[0].split(" ")).strip() if found else None


def test_orders_are_filtered_by_room(client: Client) -> None:
    factories.make_order(room_id=1)
    in_second = factories.make_order(room_id=2).order_id

    def listed(room: str) -> list[int]:
        return [order.order_id for order in client.get(list_url(Order), {"room": room}).context["cl"].result_list]

    assert listed("2") == [in_second]
    assert len(listed("")) == 2
    assert listed("nonsense") == listed("3") == listed("9" * 40) == []
    assert "?room=2" in client.get(list_url(Order)).content.decode()


def test_list_says_what_its_orders_are_for_together_on_every_page(client: Client) -> None:
    commands = [factories.make_command({1: 1}) for _ in range(ROWS_PER_PAGE + 1)]
    assert all(placed.created for placed in services.place_orders(commands=commands, now=factories.NOW))

    for page in ("1", "2"):
        assert (
            totals(client, p=page) == "51 orders listed: 5,074.50\u00a0CNY together · paid or completed: 0.00\u00a0CNY"
        )


def test_total_is_of_what_the_filter_leaves(client: Client) -> None:
    factories.make_order({1: 2})
    factories.make_closed_order()

    assert totals(client, status__exact="100") == "1 order listed: 199.00\u00a0CNY · paid or completed: 0.00\u00a0CNY"
    assert totals(client, q="nothing") == "0 orders listed: 0.00\u00a0CNY together · paid or completed: 0.00\u00a0CNY"


def test_total_says_how_much_of_it_is_paid(client: Client) -> None:
    factories.make_order({1: 2})
    paid, completed = factories.make_paid_order({1: 1}), factories.make_paid_order({1: 1})
    services.complete_order(order_id=completed.order_id, actor="staff:1", now=factories.NOW)
    of_paid = "paid or completed: 199.00\u00a0CNY"

    assert totals(client) == f"3 orders listed: 398.00\u00a0CNY together · {of_paid}"
    assert totals(client, status__exact=str(int(paid.status))) == (
        "1 order listed: 99.50\u00a0CNY · paid or completed: 99.50\u00a0CNY"
    )


def test_total_of_a_list_that_is_cut_is_that_of_the_newest(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_lists, "LISTED", 2)
    for number in (1, 2, 3):
        factories.make_order({1: number})

    assert totals(client) == "2 orders listed: 497.50\u00a0CNY together · paid or completed: 0.00\u00a0CNY"


def placed_at(moment: datetime) -> int:
    """Places an order, and gives it a number and a time of this moment."""
    order = factories.make_order(now=moment)
    number = first_id_at(moment) + order.pk
    Order.objects.filter(pk=order.pk).update(order_id=number)
    OrderDetail.objects.filter(order_id=order.order_id).update(order_id=number)
    return number


def listed(client: Client, **query: Any) -> list[int]:
    return [order.order_id for order in client.get(list_url(Order), query).context["cl"].result_list]


def choices(client: Client, **query: Any) -> list[str]:
    """What the filter of times offers."""
    specs = client.get(list_url(Order), query).context["cl"].filter_specs
    (placed,) = [spec for spec in specs if isinstance(spec, PlacedFilter)]
    return [str(title) for _word, title in placed.lookup_choices]


def test_orders_are_filtered_by_when_they_were_placed_in_the_operators_zone(client: Client, settings: Any) -> None:
    settings.OPERATORS_TIME_ZONE = "Asia/Shanghai"
    now = clock.now()
    old = placed_at(datetime(2025, 12, 31, 15, 59, tzinfo=UTC))
    new_year = placed_at(datetime(2025, 12, 31, 16, 0, tzinfo=UTC))
    recent = placed_at(now - timedelta(hours=1))

    assert listed(client, placed="2025") == listed(client, placed="2025-12-31") == [old]
    assert listed(client, placed="2026-01") == listed(client, placed="2026-01-01") == [new_year]
    assert listed(client, placed="24h") == listed(client, placed="7d") == [recent]
    assert listed(client, placed="24h", status__exact="300") == []
    assert listed(client, placed="") == [recent, new_year, old]
    assert choices(client, placed="2025") == ["Today", "Last 24 hours", "Last 7 days", "2025", "2026", "December 2025"]


@pytest.mark.parametrize("word", ["0001", "1969-12-31", "1999", "2098-01", "2100", "9999-12-31"])
def test_of_times_without_orders_nothing_is_listed_summed_or_exported(client: Client, word: str) -> None:
    factories.make_order()

    assert listed(client, placed=word) == []
    assert totals(client, placed=word) == "0 orders listed: 0.00\u00a0CNY together · paid or completed: 0.00\u00a0CNY"
    (_header,) = client.get(f"{list_url(Order)}export.csv", {"placed": word}).content.splitlines()


@pytest.mark.parametrize("word", ["yesterday", "2026-13", "2026-02-30", "20261130", "0000", "\0"])
def test_time_that_there_is_not_leads_to_the_list(client: Client, word: str) -> None:
    pages = [client.get(list_url(Order) + name, {"placed": word}) for name in ("", "export.csv")]

    assert [page.headers.get("Location") for page in pages] == [f"{list_url(Order)}?e=1", list_url(Order)]


def test_list_without_orders_offers_what_was_placed_lately(client: Client) -> None:
    assert choices(client) == ["Today", "Last 24 hours", "Last 7 days"]


def test_old_month_is_listed_however_many_orders_came_after_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_lists, "LISTED", 2)
    monkeypatch.setattr(admin_lists, "LOOKED_AT", 2)
    monkeypatch.setattr(filters, "LATER", 2)
    january = datetime(2026, 1, 5, tzinfo=UTC)
    old = [placed_at(january + timedelta(days=day)) for day in range(3)]
    for _ in range(3):
        placed_at(january + timedelta(days=60))

    assert listed(client, placed="2026-01") == old[:0:-1]
    assert listed(client, placed="2026-01", status__exact="100") == old[:0:-1]


def test_orders_with_numbers_of_another_day_are_found_where_there_are_few(client: Client) -> None:
    """As the demo makes them up."""
    january = datetime(2026, 1, 5, tzinfo=UTC)
    order = factories.make_order(now=january)
    factories.make_order(now=january + timedelta(days=1))

    assert listed(client, placed="2026-01-05") == [order.order_id]


def test_nobody_has_every_choice_of_every_filter_counted(client: Client) -> None:
    assert not client.get(list_url(Order), {"_facets": "True"}).context["cl"].add_facets
