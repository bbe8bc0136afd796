"""Each step of an order, of stock and of a room is told to who wants it, with its cause."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from charites.common.announcements import KINDS
from goods.models import Goods
from goods.services import delete_goods, pin_goods, unpin_goods
from lab.kit.factories import (
    make_capture,
    make_closed_order,
    make_command,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    make_room,
    make_stock,
)
from lab.kit.interleaving import Parked
from lab.kit.providers import Scripted
from messaging.models import Announced, WebhookDelivery
from messaging.webhooks.endpoints import add_endpoint
from messaging.webhooks.outbox import spread
from orders.models import Order
from orders.payloads import RefundOrder
from orders.services import cancel_order, complete_order, place_orders, record_captures, refund_order, send_refunds
from stock.services import Adjustment, adjust_stock

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
URL = "https://shop.example/hooks"


def want(*kinds: str) -> None:
    add_endpoint(url=URL, kinds=list(kinds))


def told() -> list[tuple[str, dict[str, Any]]]:
    """Returns (event, data) of everything that was announced, and forgets it."""
    while spread():
        continue
    found = list(WebhookDelivery.objects.order_by("pk").values_list("kind", "data"))
    WebhookDelivery.objects.all().delete()
    return found


def test_life_of_an_order(provider: type[Scripted]) -> None:
    make_goods(1, stock=10)
    want("order.placed", "order.paid", "order.completed", "order.refunded")

    order = make_paid_order({1: 2})
    complete_order(order_id=order.order_id, actor="staff", now=timezone.now())
    refund = refund_order(command=RefundOrder(order.order_id, 100, "broken", "staff", "k")).refund
    send_refunds(refund_ids=[refund.refund_id], now=timezone.now())

    found = told()
    assert [kind for kind, _data in found] == ["order.placed", "order.paid", "order.completed", "order.refunded"]
    assert {data["order_id"] for _kind, data in found} == {str(order.order_id)}
    placed, paid, _completed, refunded = [data for _kind, data in found]
    assert (placed["amount"], placed["currency"], placed["user_id"]) == (19_900, "CNY", "7")
    assert placed["items"] == [{"goods_id": "1", "quantity": 2, "price": 9950}]
    assert (paid["amount"], paid["channel"]) == (19_900, "sandbox")
    assert (refunded["amount"], refunded["refund_id"]) == (100, str(refund.refund_id))


def test_new_order_is_kept_as_its_number_and_told_as_it_was_placed() -> None:
    make_goods(1, stock=10)
    want("order.placed")

    order = make_closed_order({1: 2})
    Goods.objects.update(price=1)

    assert [row.events for row in Announced.objects.all()] == [[["order.placed", str(order.order_id), None]]]
    ((_kind, placed),) = told()
    assert (placed["amount"], placed["items"]) == (19_900, [{"goods_id": "1", "quantity": 2, "price": 9950}])


def test_order_that_is_closed_is_told_once() -> None:
    make_goods(1, stock=10)
    want("order.closed")

    order = make_closed_order({1: 1})

    assert told() == [("order.closed", {"order_id": str(order.order_id), "closed_by": "user"})]


def test_money_that_pays_nothing_is_not_told_as_a_payment() -> None:
    make_goods(1, stock=10)
    payment = make_payment(make_order({1: 1}))
    want("order.paid")

    record_captures(captures=[make_capture(payment, amount=1)])

    assert told() == []


def test_batch_of_orders_is_one_row() -> None:
    make_goods(1, stock=1000)
    want("order.placed")

    place_orders(commands=[make_command({1: 1}) for _ in range(50)], now=timezone.now())

    assert Announced.objects.count() == 1
    assert len(told()) == 50


def test_stock_that_goes_and_comes_is_told_at_its_marks(settings) -> None:
    settings.STOCK_LOW = 3
    make_goods(1, stock=6)
    want("stock.low", "stock.sold_out", "stock.back")

    kinds = []
    for change in (-1, -2, -1, -2, 2, 5, -4):
        adjust_stock(adjustments=[Adjustment(1, "counted", "staff", delta=change)])
        kinds.append([kind for kind, _data in told()])

    assert kinds == [[], ["stock.low"], [], ["stock.sold_out"], ["stock.back"], [], ["stock.low"]]


@pytest.mark.parametrize(
    "strategy",
    [
        *("atomic_update", "pessimistic", "optimistic", "redis_lock", "group_commit"),
        pytest.param("naive", marks=pytest.mark.unguarded_stock_sql),
    ],
)
def test_order_that_takes_the_last_piece_is_told_under_every_strategy(settings, strategy: str) -> None:
    settings.STOCK_STRATEGY = strategy
    make_goods(1, stock=2)
    want("stock.sold_out", "stock.back")

    order = make_order({1: 2})
    assert told() == [("stock.sold_out", {"goods_id": "1", "available": 0})]

    cancel_order(order_id=order.order_id, user_id=7, closed_by=Order.ClosedBy.USER, now=timezone.now())
    assert told() == [("stock.back", {"goods_id": "1", "available": 2})]


@pytest.mark.servers
def test_what_is_left_is_told_as_the_change_found_it_and_not_as_it_was_read_before(settings) -> None:
    settings.STOCK_STRATEGY = "atomic_update"
    make_goods(1, stock=5)
    want("stock.sold_out")

    with Parked(lambda: make_order({1: 2}), at="UPDATE shopping_stock ") as buying:
        adjust_stock(adjustments=[Adjustment(1, "broken", "staff", delta=-3)])
        buying.go()

    assert told() == [("stock.sold_out", {"goods_id": "1", "available": 0})]


@pytest.mark.parametrize("strategy", ["group_commit", "optimistic"])
def test_order_of_many_products_tells_of_each_what_is_left_of_it(settings, strategy: str) -> None:
    settings.STOCK_STRATEGY = strategy
    for goods_id, stock in {1: 1, 2: 5, 3: 3}.items():
        make_goods(goods_id, stock=stock)
    want("stock.sold_out", "stock.low")
    settings.STOCK_LOW = 2

    make_order({1: 1, 2: 2, 3: 1})

    assert sorted(told(), key=str) == [
        ("stock.low", {"goods_id": "3", "available": 2}),
        ("stock.sold_out", {"goods_id": "1", "available": 0}),
    ]


def test_new_stock_is_back_from_nothing() -> None:
    want("stock.back")

    make_stock(5, 10)

    assert [kind for kind, _data in told()] == ["stock.back"]


def test_what_is_pinned_is_told_when_it_changes() -> None:
    make_goods(1)
    make_goods(2)
    make_room(1, goods_ids=[1, 2])
    want("room.pinned")

    pin_goods(room_id=1, goods_id=1)
    pin_goods(room_id=1, goods_id=1)
    unpin_goods(room_id=1, goods_id=2)
    unpin_goods(room_id=1, goods_id=1)

    assert [data["goods_id"] for _kind, data in told()] == ["1", None]


def test_product_that_is_deleted_where_it_is_pinned_is_told() -> None:
    make_goods(1)
    make_room(1, goods_ids=[1])
    make_room(2, goods_ids=[1])
    pin_goods(room_id=1, goods_id=1)
    want("room.pinned")

    delete_goods(goods_ids=[1], actor="staff")

    assert told() == [("room.pinned", {"room_id": "1", "goods_id": None})]


@pytest.mark.parametrize("page", ["docs/webhooks.md", "docs/zh/webhooks.md"])
def test_fields_of_each_event_are_those_of_the_page(provider: type[Scripted], page: str) -> None:
    make_goods(1, stock=8)
    make_room(1, goods_ids=[1])
    want(*KINDS)
    order = make_paid_order({1: 4})
    complete_order(order_id=order.order_id, actor="staff", now=timezone.now())
    refund = refund_order(command=RefundOrder(order.order_id, 100, "broken", "staff", "k")).refund
    send_refunds(refund_ids=[refund.refund_id], now=timezone.now())
    make_closed_order({1: 4})
    pin_goods(room_id=1, goods_id=1)

    fields = {kind: set(data) for kind, data in told()}

    rows = re.findall(r"^\| `([a-z_.]+)` \|.*\| (.*) \|$", (ROOT / page).read_text(), re.MULTILINE)
    documented = {kind: set(re.findall(r"`(\w+)`", re.sub(r"[(（].*?[)）]", "", cell))) for kind, cell in rows}
    assert documented == fields
    assert documented.keys() == KINDS.keys()
