"""Orders in lists: also where a page has looked at enough before it is full, nobody misses an order."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from charites.common import pages
from charites.common.pages import Cursor, Page
from lab.kit.factories import BUYER_ID, make_goods, make_order, make_room
from orders.lists import OrderFilter, list_orders, page_orders
from orders.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nine orders, newest first. The first three and the sixth are paid; every second has product 2, too."""
    monkeypatch.setattr(pages, "MOST_LOOKED_AT", 2)
    monkeypatch.setattr(pages, "FEW", 1)
    make_goods(1, stock=100)
    make_goods(2, stock=100)
    make_room(1, goods_ids=[1, 2])
    placed = [make_order({1: 1, 2: 1} if n % 2 else {1: 1}, room_id=1).order_id for n in range(9)]
    Order.objects.filter(order_id__in=[*placed[:3], placed[5]]).update(status=Order.Status.PAID)
    return placed[::-1]


def walk(wanted: OrderFilter, way: str, cursor: Cursor) -> Iterator[Page[Any]]:
    """The pages from one on, that way, to the last."""
    while True:
        page = page_orders(wanted, cursor)
        yield page
        turn = getattr(page, way)
        if turn is None:
            return
        cursor = Cursor(**{turn.way: turn.number}, limit=cursor.limit)


def listed(found: list[Page[Any]]) -> list[list[int]]:
    return [[item.order.order_id for item in page.items] for page in found]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"room_id": 1, "status": Order.Status.PAID}, {3, 6, 7, 8}),
        ({"goods_id": 2}, {1, 3, 5, 7}),
        ({"goods_id": 2, "status": Order.Status.PAID}, {3, 7}),
        ({"placed_until": datetime(2020, 1, 1, tzinfo=UTC)}, set()),
        ({"placed_from": datetime(2025, 1, 1, tzinfo=UTC)}, set(range(9))),
    ],
)
def test_pages_that_are_cut_short_are_followed_by_the_rest(
    numbers: list[int], wanted: dict[str, Any], expected: set[int]
) -> None:
    orders, wished = OrderFilter(**wanted), [numbers[n] for n in sorted(expected)]

    onwards = list(walk(orders, "next", Cursor(limit=20)))
    back = list(walk(orders, "previous", Cursor(after=numbers[-1] - 1, limit=20)))

    assert [number for page in listed(onwards) for number in page] == wished
    assert [number for page in reversed(listed(back)) for number in page] == wished
    assert max(map(len, listed([*onwards, *back]))) <= 2


def test_page_with_nothing_in_it_and_orders_behind_it_leads_both_ways(numbers: list[int]) -> None:
    paid = OrderFilter(room_id=1, status=Order.Status.PAID)

    first = page_orders(paid, Cursor())
    assert (first.items, first.previous) == ([], None)
    assert first.next is not None

    second = page_orders(paid, Cursor(before=first.next.number))
    assert [item.order.order_id for item in second.items] == [numbers[3]]
    assert second.previous is not None


def test_product_of_few_orders_fills_its_page(numbers: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_LOOKED_AT", 4)
    monkeypatch.setattr(pages, "FEW", 4)

    page = page_orders(OrderFilter(goods_id=2, status=Order.Status.UNPAID), Cursor())

    assert listed([page]) == [[numbers[1], numbers[5]]]
    assert (page.next, page.previous) == (None, None)


def test_page_whose_reader_is_not_told_of_others_is_full(numbers: list[int]) -> None:
    paid = [item.order.order_id for item in list_orders(user_id=BUYER_ID, status=Order.Status.PAID, limit=3)]
    rest = [item.order.order_id for item in list_orders(user_id=BUYER_ID, status=Order.Status.PAID, before_id=paid[-1])]

    assert paid == [numbers[3], numbers[6], numbers[7]]
    assert rest == [numbers[8]]
