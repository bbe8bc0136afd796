"""What a desk shows."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lab.kit.factories import make_goods, make_order, make_paid_order, make_room
from live.desk_reads import SALES
from live.tests.desk.pressing import host

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room")]


def test_desk_shows_the_pinned_product_and_the_levels_of_the_shelf() -> None:
    make_order({1: 2})

    page = host().get("/rooms/1/desk").text

    assert 'data-testid="pinned-title">Goods 1<' in page
    assert '<b data-testid="available">3</b>' in page
    assert re.findall(r"<dd[^>]*>(\d+)</dd>", page) == ["3", "2", "0", "0", "0", "0"]
    assert page.count('data-testid="shelf-item"') == 2
    assert page.count(">Unpin<") == page.count(">Pin<") == 1
    assert 'href="/rooms/1"' in page


class Sections(HTMLParser):
    """Notes the sections that are replaced when something changes, and which fields stand in one."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str | None] = []
        self.fields: list[str | None] = []
        self.open: list[bool] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "section":
            self.open.append("data-live" in found)
            self.ids += [found.get("id")] if self.open[-1] else []
        elif tag == "input" and found["type"] != "hidden" and any(self.open):
            self.fields.append(found["name"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self.open.pop()


def test_what_changes_stands_in_sections_with_names_of_their_own_and_what_is_typed_does_not() -> None:
    sections = Sections(host().get("/rooms/1/desk").text)

    assert sections.ids == ["pinned", "now-1", "pin-1", "sale-1", "now-2", "pin-2", "sale-2", "sales", "orders"]
    assert sections.fields == []


def test_last_orders_say_what_and_how_much_and_nobody() -> None:
    make_order({1: 2}, name="Mei Mei", phone="13812345678", address="9 Lotus Road")
    paid = make_paid_order({1: 1})

    page = host().get("/rooms/1/desk").text

    assert str(paid.order_id) in page
    assert "2 × Goods 1" in page
    assert "199.00 CNY" in page
    assert re.findall(r'class="status s\d+">(\w+)<', page) == ["paid", "unpaid"]
    assert not [word for word in ("Mei Mei", "13812345678", "Lotus") if word in page]


def test_orders_of_other_products_are_not_shown() -> None:
    other = make_order({3: 1})

    assert str(other.order_id) not in host().get("/rooms/1/desk").text


def test_page_costs_the_same_however_long_the_shelf_and_however_much_is_sold(
    django_assert_max_num_queries: Any,
) -> None:
    client = host()
    make_room(2, goods_ids=[make_goods(goods_id, stock=9).goods_id for goods_id in range(10, 40)])
    for goods_id in range(10, 20):
        make_order({goods_id: 1, goods_id + 1: 1}, user_id=goods_id)

    with django_assert_max_num_queries(14):
        assert client.get("/rooms/2/desk").text.count('data-testid="shelf-item"') == 30


def statements(look: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as sent:
        look()
    return len(sent)


def test_what_was_sold_is_read_once_for_all_who_look_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    client = host()
    make_paid_order({1: 1})
    monkeypatch.setattr(SALES, "_seconds", 600.0)
    first = statements(lambda: client.get("/rooms/1/desk"))

    make_order({1: 1})
    second = statements(lambda: client.get("/rooms/1/desk"))

    assert (first, second) == (14, 8)
    page = client.get("/rooms/1/desk").text
    assert "<b>1</b> order," in page
    assert re.findall(r"<dd[^>]*>(\d+)</dd>", page)[:3] == ["3", "1", "1"]  # the shelf is as it is now

    monkeypatch.setattr(SALES, "_seconds", -1.0)  # it is over
    assert statements(lambda: client.get("/rooms/1/desk")) == first
    assert "<b>2</b> orders," in client.get("/rooms/1/desk").text


@pytest.mark.usefixtures("instruments")
def test_head_leads_to_what_is_far_down_on_a_phone(settings: Any) -> None:
    def jumps(*permissions: str) -> list[str]:
        return re.findall(r'<a href="#([a-z-]+)">', host(*permissions).get("/rooms/1/desk").text)

    assert (jumps(), jumps("goods.change_room")) == (["sales"], [])

    settings.DEMO = True

    assert jumps() == ["send-crowd", "sales"]


@pytest.mark.usefixtures("instruments")
@pytest.mark.parametrize("demo", [True, False])
def test_parts_of_the_lab_are_for_the_demo(settings: Any, demo: bool) -> None:
    settings.DEMO = demo

    assert ("instruments of Room 1" in host().get("/rooms/1/desk").text) == demo
