"""What viewers are told between two states of a room."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from goods.models import Goods, Room
from goods.services import Entry, add_room_goods
from lab.kit.factories import NOW, make_goods, make_order, make_room, make_stock, stored
from live.events import State, changes, state_of, told, told_all
from live.shelf import read_shelf
from orders.models import Order
from orders.services import cancel_order

pytestmark = pytest.mark.django_db


def state(now: Any = NOW) -> State:
    return state_of(read_shelf(room_id=1, now=now), now)


@pytest.fixture(autouse=True)
def room() -> None:
    make_goods(1, stock=2)
    make_goods(2, stock=5)
    make_room(1, goods_ids=[1, 2])


def change_rows(model: Any, **columns: Any) -> Callable[[], object]:
    return lambda: model.objects.update(**columns)


def counted(goods_id: str, ordered: int, available: int, reserved: int, sold: int) -> dict[str, Any]:
    return {"goods_id": goods_id, "ordered": ordered, "available": available, "reserved": reserved, "sold": sold}


def give_back() -> None:
    order = stored(Order.objects.get())
    cancel_order(order_id=order.order_id, user_id=order.user_id, closed_by=Order.ClosedBy.USER, now=NOW)


CASES: dict[str, tuple[Callable[[], object], list[tuple[str, Any]]]] = {
    "nothing": (lambda: None, []),
    "ordered": (
        lambda: make_order({1: 1, 2: 2}),
        [("stock", {"goods": [counted("1", 1, 1, 1, 0), counted("2", 2, 3, 2, 0)]})],
    ),
    "sold out": (
        lambda: make_order({1: 2}),
        [("stock", {"goods": [counted("1", 2, 0, 2, 0)]}), ("sold_out", {"goods_id": "1"})],
    ),
    "delivered": (lambda: make_stock(1, 3), [("stock", {"goods": [counted("1", 0, 5, 0, 0)]})]),
    "pinned": (change_rows(Room, current_goods_id=2), [("pinned", {"goods_id": "2"})]),
    "price": (
        lambda: Goods.objects.filter(goods_id=1).update(price=1),
        [("price", {"goods_id": "1", "price": 1, "market_price": 12900})],
    ),
    "off sale": (
        lambda: Goods.objects.filter(goods_id=2).update(status=Goods.Status.OFF_SALE),
        [("sale_ended", {"goods_id": "2"})],
    ),
    "title": (lambda: Goods.objects.filter(goods_id=2).update(title="Another"), [("shelf", {})]),
    "one more": (
        lambda: (make_goods(3), add_room_goods(room_id=1, entries=[Entry(3)], actor="staff")),
        [("shelf", {})],
    ),
    "off air": (change_rows(Room, status=Room.Status.OFF), [("shelf", {})]),
}


@pytest.mark.parametrize("what", CASES)
def test_change_is_told(what: str) -> None:
    change, expected = CASES[what]
    before = state()

    change()

    after = state()
    assert list(changes(before, after)) == expected
    assert (before.version != after.version) == bool(expected)


def test_pieces_that_come_back_are_told() -> None:
    make_order({1: 2})
    before = state()

    give_back()

    assert list(changes(before, state())) == [
        ("stock", {"goods": [counted("1", -2, 2, 0, 0)]}),
        ("back", {"goods_id": "1"}),
    ]


def test_sale_begins_and_ends_by_the_clock() -> None:
    at = [NOW + timedelta(seconds=seconds) for seconds in (60, 120)]
    Goods.objects.filter(goods_id=1).update(sale_starts_at=at[0], sale_ends_at=at[1])
    planned, running, over = state(NOW), state(at[0]), state(at[1])

    assert [found.turns_in for found in (planned, running, over)] == [60, 60, None]
    assert list(changes(planned, running)) == [("sale_started", {"goods_id": "1"})]
    assert list(changes(running, over)) == [("sale_ended", {"goods_id": "1"})]


def test_messages_are_server_sent_events_and_the_last_one_has_the_version() -> None:
    Goods.objects.filter(goods_id=1).update(title="two\nlines\r\u2028and: a colon")
    before = state()
    make_order({1: 2})
    after = state()

    message = told(changes(before, after), after.version).decode()

    assert re.findall(r"^event: (.*)$", message, re.M) == ["stock", "sold_out"]
    assert message.endswith(f"id: {after.version}\n\n")
    assert message.count("\n\n") == 2
    whole = told_all(after).decode()
    assert whole.count("\n") == 4
    assert json.loads(whole.split("data: ")[1].split("\nid: ")[0])["goods"][0]["title"].startswith("two\nlines")
    assert told(iter([]), "x") == b""


def test_state_shows_what_is_counted_and_nothing_of_anybody() -> None:
    make_order({1: 1}, name="Mei", phone="13912345678", address="9 Peach Street")

    data = json.dumps(state().as_data())

    assert '"available": 1' in data
    assert not [word for word in ("Mei", "139", "Peach", "user") if word in data]
