"""What placing writes."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from goods.models import Goods
from lab.kit.factories import NOW, counts, later, make_command, make_goods, make_order, make_room
from messaging.models import Message
from orders.models import Order, OrderDetail
from orders.services import place_orders
from orders.tests.placing.placed import place
from stock.models import StockRecord

pytestmark = pytest.mark.django_db


def test_place_stores_order_lines_record_and_stock(settings):
    settings.ORDER_PAY_TIMEOUT_SECONDS = 600
    make_goods(1, stock=5, price=9950)
    make_goods(2, stock=5, price=100)

    placed = place({1: 2, 2: 3})

    order = Order.objects.get()
    assert placed.created
    assert placed.order.order.order_id == order.order_id
    assert (order.user_id, order.status, order.pay_amount) == (7, Order.Status.UNPAID, 20200)
    assert (order.expires_at, order.created_at) == (later(600), NOW)
    assert (order.receive_address, order.receive_name, order.receive_phone) == (
        "1 Harbour Road",
        "Li Lei",
        "13800000000",
    )
    assert (order.idempotency_key, order.closed_by, order.trade_id, order.pay_time) == (None, "", "", None)
    lines = OrderDetail.objects.order_by("goods_id").values_list("order_id", "goods_id", "price", "num", "pay_amount")
    assert list(lines) == [(order.order_id, 1, 9950, 2, 19900), (order.order_id, 2, 100, 3, 300)]
    assert (counts(1), counts(2)) == ((3, 2, 0), (2, 3, 0))
    records = StockRecord.objects.order_by("goods_id").values_list("order_id", "goods_id", "num", "status")
    assert list(records) == [(order.order_id, 1, 2, 1), (order.order_id, 2, 3, 1)]


def test_place_puts_no_message_on_the_hot_path():
    make_goods(1, stock=5)

    place()

    assert not Message.objects.exists()


def test_place_returns_what_the_database_holds():
    make_goods(1, stock=5)
    make_room(3, goods_ids=[1])

    placed = place({1: 2}, room_id=3)

    stored = Order.objects.get()
    for name in ("order_id", "user_id", "room_id", "status", "closed_by", "expires_at", "pay_amount", "created_at"):
        assert getattr(placed.order.order, name) == getattr(stored, name), name
    assert [(line.goods_id, line.num, line.price) for line in placed.order.lines] == [(1, 2, 9950)]


def test_place_keeps_the_goods_as_they_were_sold():
    make_goods(1, stock=5, title="Mug", price=100, head_imgs=["/a.svg"], detail=["/d.svg"], brief="A mug")
    order = make_order({1: 2})

    Goods.objects.update(title="Other", price=999, head_imgs=[], brief="")

    line = OrderDetail.objects.get(order_id=order.order_id)
    assert (line.title, line.price, line.pay_amount, line.head_imgs, line.detail, line.brief) == (
        "Mug",
        100,
        200,
        ["/a.svg"],
        ["/d.svg"],
        "A mug",
    )
    order.refresh_from_db()
    assert order.pay_amount == 200


def test_place_gives_every_order_a_number_of_its_own():
    make_goods(1, stock=50)

    placed = place_orders(commands=[make_command() for _ in range(20)], now=NOW)

    numbers = [result.order.order.order_id for result in placed]
    assert len(set(numbers)) == 20
    assert numbers == sorted(numbers)


def test_place_of_twenty_sends_no_more_statements_than_of_two():
    make_goods(1, stock=500)
    place()

    def statements(number: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            place_orders(commands=[make_command() for _ in range(number)], now=NOW)
        return len(captured)

    assert statements(20) == statements(2)
