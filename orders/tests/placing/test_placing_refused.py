"""Orders that are refused: input, goods, rooms, stock."""

import pytest
from django.db.models.signals import post_init

from charites.common.errors import Invalid
from charites.common.models import MAX_INT64
from goods.errors import GoodsNotFound, GoodsOffSale, RoomNotFound
from goods.models import Goods, Room
from lab.kit.factories import NOW, counts, make_command, make_goods, make_room, make_stock
from orders.models import Order, OrderDetail
from orders.services import place_orders
from orders.tests.placing.placed import assert_nothing_happened, errors_of, place
from stock.errors import NotEnoughStock, StockNotFound

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"user_id": 0}, "user_id"),
        ({"user_id": -1}, "user_id"),
        ({"user_id": MAX_INT64 + 1}, "user_id"),
        ({"address": " "}, "address"),
        ({"address": "x" * 256}, "address"),
        ({"address": "\ud800"}, "address"),
        ({"address": "a\x00b"}, "address"),
        ({"name": ""}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"phone": ""}, "phone"),
        ({"phone": "1" * 33}, "phone"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": " k"}, "idempotency_key"),
        ({"idempotency_key": "k" * 65}, "idempotency_key"),
        ({"idempotency_key": "é"}, "idempotency_key"),
        ({"idempotency_key": "a\nb"}, "idempotency_key"),
        ({"quantities": {}}, "items"),
        ({"quantities": dict.fromkeys(range(1, 102), 1)}, "items"),
        ({"quantities": {0: 1}}, "goods_id"),
        ({"quantities": {-1: 1}}, "goods_id"),
        ({"quantities": {MAX_INT64 + 1: 1}}, "goods_id"),
        ({"quantities": {1: 0}}, "quantity"),
        ({"quantities": {1: -1}}, "quantity"),
        ({"quantities": {1: MAX_INT64 + 1}}, "quantity"),
        ({"quantities": {1: MAX_INT64}}, "quantity"),  # the amount would not fit
    ],
)
def test_place_with_wrong_input_is_invalid_and_writes_nothing(changes, field):
    make_goods(1, stock=5)

    with pytest.raises(Invalid) as caught:
        place(**changes)

    assert caught.value.details["field"] == field
    assert_nothing_happened()


def test_place_of_unknown_deleted_or_off_sale_goods_is_refused():
    make_goods(1, stock=5)
    make_goods(2, stock=5, is_deleted=True)
    make_goods(3, stock=5, status=Goods.Status.OFF_SALE)

    with pytest.raises(GoodsNotFound):
        place({1: 1, 404: 1})
    with pytest.raises(GoodsNotFound):
        place({1: 1, 2: 1})
    with pytest.raises(GoodsOffSale):
        place({1: 1, 3: 1})

    assert_nothing_happened()


def test_place_in_an_unknown_or_deleted_room_is_refused():
    make_goods(1, stock=5)
    make_room(2, is_deleted=True)

    with pytest.raises(RoomNotFound):
        place(room_id=404)
    with pytest.raises(RoomNotFound):
        place(room_id=2)

    assert_nothing_happened()


def test_place_reads_the_rooms_that_are_named_and_no_others():
    make_goods(1, stock=5)
    Room.objects.bulk_create(Room(room_id=room_id, title="Room") for room_id in range(1, 501))
    read = []

    def note(instance, **_):
        read.append(instance.room_id)

    post_init.connect(note, sender=Room)
    try:
        placed = place_orders(commands=[make_command(room_id=room_id) for room_id in (7, 404, 7, 501)], now=NOW)
        place()
    finally:
        post_init.disconnect(note, sender=Room)

    assert errors_of(placed) == [type(None), type(None), type(None), RoomNotFound]
    assert sorted(read) == [7, 404]


def test_place_of_more_than_there_is_names_goods_and_both_numbers():
    make_goods(1, stock=5)

    with pytest.raises(NotEnoughStock) as caught:
        place({1: 6})

    assert caught.value.details == {"goods_id": 1, "requested": 6, "available": 5}
    assert_nothing_happened()


def test_place_of_goods_that_never_had_stock_is_refused():
    make_goods(1)

    with pytest.raises(StockNotFound):
        place()

    assert not Order.objects.exists()


def test_place_takes_all_goods_or_none():
    make_goods(1, stock=5)
    make_goods(2, stock=0)

    with pytest.raises(NotEnoughStock):
        place({1: 1, 2: 1})

    assert_nothing_happened()


def test_place_of_a_hundred_lines_is_accepted():
    for goods_id in range(1, 101):
        make_goods(goods_id, price=1)
        make_stock(goods_id, 1)

    place(dict.fromkeys(range(1, 101), 1))

    assert OrderDetail.objects.count() == 100


def test_place_of_many_refuses_only_the_wrong_ones():
    make_goods(1, stock=3)
    commands = [
        make_command(),
        make_command(phone=""),
        make_command({404: 1}),
        make_command({1: 3}),
        make_command({1: 2}),
    ]

    placed = place_orders(commands=commands, now=NOW)

    assert [type(result.error) for result in placed] == [
        type(None),
        Invalid,
        GoodsNotFound,
        NotEnoughStock,
        type(None),
    ]
    assert counts(1) == (0, 3, 0)
    assert Order.objects.count() == 2
