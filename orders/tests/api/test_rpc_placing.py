"""CreateOrder over a real connection."""

from typing import Any

import pytest

from charites.common.models import MAX_INT64
from goods.models import Goods
from lab.kit.factories import counts, make_goods
from lab.kit.grpc_server import Callers, refusal
from orders.models import Order, OrderDetail
from orders.rpc.orders_pb2 import OrderItem, OrderLine, OrderReply
from orders.tests.api.rpc_orders import INVALID, wanted


def lines(*pairs: tuple[int, int]) -> list[OrderLine]:
    return [OrderLine(goods_id=goods_id, num=number) for goods_id, number in pairs]


def test_create_order_replies_with_the_order_and_reserves(callers: Callers) -> None:
    make_goods(1, stock=10, head_imgs=["/1.svg"])

    reply = callers.buyer(7).order.CreateOrder(wanted(num=2, order_id=5))

    order = Order.objects.get()
    assert order.order_id != 5
    expected = OrderReply(
        order_id=order.order_id,
        user_id=7,
        status=100,
        status_label="unpaid",
        pay_amount=19900,
        expires_at=order.expires_at,
        address="1 Harbour Road",
        name="Li Lei",
        phone="13800000000",
        items=[
            OrderItem(
                goods_id=1,
                num=2,
                title="Goods 1",
                price=9950,
                market_price=12900,
                pay_amount=19900,
                head_imgs=["/1.svg"],
            )
        ],
    )
    assert reply.HasField("created_at")
    reply.ClearField("created_at")
    assert reply == expected
    assert counts(1) == (8, 2, 0)


def test_create_order_of_several_goods_merges_lines(callers: Callers) -> None:
    make_goods(1, stock=10)
    make_goods(2, stock=10)

    reply = callers.buyer().order.CreateOrder(wanted(goods_id=0, num=0, items=lines((2, 1), (1, 2), (2, 3))))

    assert [(item.goods_id, item.num) for item in reply.items] == [(1, 2), (2, 4)]
    assert (counts(1), counts(2)) == ((8, 2, 0), (6, 4, 0))


def test_create_order_by_a_service_is_for_the_user_it_names(callers: Callers) -> None:
    make_goods(1, stock=10)

    reply = callers.service().order.CreateOrder(wanted(user_id=42))

    assert reply.user_id == 42
    assert Order.objects.get().user_id == 42


def test_create_order_for_oneself_may_name_oneself(callers: Callers) -> None:
    make_goods(1, stock=10)

    assert callers.buyer(7).order.CreateOrder(wanted(user_id=7)).user_id == 7


@pytest.mark.parametrize("who", ["buyer", "staff"])
def test_create_order_for_somebody_else_is_forbidden(callers: Callers, who: str) -> None:
    make_goods(1, stock=10)
    caller = getattr(callers, who)()

    assert refusal(caller.order.CreateOrder, wanted(user_id=42)) == ("PERMISSION_DENIED", 10000006)
    assert not Order.objects.exists()
    assert counts(1) == (10, 0, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"goods_id": 0},
        {"goods_id": -1},
        {"num": 0},
        {"num": -1},
        {"num": MAX_INT64},
        {"items": lines((1, 1))},
        {"goods_id": 0, "num": 0, "items": lines((1, 3), (1, -2))},
        {"goods_id": 0, "num": 0, "items": lines((1, 0))},
        {"goods_id": 0, "num": 0, "items": lines((1, MAX_INT64), (1, MAX_INT64))},
        {"goods_id": 0, "num": 0, "items": lines(*[(1, 1)] * 101)},
        {"address": ""},
        {"address": "a" * 256},
        {"name": " "},
        {"name": "n" * 129},
        {"phone": ""},
        {"phone": "1" * 33},
        {"idempotency_key": "k" * 65},
        {"idempotency_key": "kéy"},
        {"room_id": -1},
    ],
    ids=str,
)
def test_create_order_with_bad_fields_is_refused_without_effect(callers: Callers, fields: dict[str, Any]) -> None:
    make_goods(1, stock=10)
    expected = ("NOT_FOUND", 30010006) if "room_id" in fields else INVALID

    assert refusal(callers.buyer().order.CreateOrder, wanted(**fields)) == expected
    assert not Order.objects.exists()
    assert counts(1) == (10, 0, 0)


@pytest.mark.parametrize("user_id", [0, -1])
def test_create_order_by_a_service_for_nobody_is_invalid(callers: Callers, user_id: int) -> None:
    make_goods(1, stock=10)

    assert refusal(callers.service().order.CreateOrder, wanted(user_id=user_id)) == INVALID
    assert not Order.objects.exists()


def test_create_order_of_what_cannot_be_sold_is_refused(callers: Callers) -> None:
    make_goods(1, stock=1)
    make_goods(2, stock=1, is_deleted=True)
    make_goods(3, stock=1, status=Goods.Status.OFF_SALE)
    create = callers.buyer().order.CreateOrder

    assert refusal(create, wanted(num=2)) == ("FAILED_PRECONDITION", 40010003)
    assert refusal(create, wanted(goods_id=2)) == ("NOT_FOUND", 30010001)
    assert refusal(create, wanted(goods_id=3)) == ("FAILED_PRECONDITION", 30010005)
    assert refusal(create, wanted(goods_id=4)) == ("NOT_FOUND", 30010001)
    assert not Order.objects.exists()
    assert not OrderDetail.objects.exists()


def test_create_order_with_one_key_in_metadata_and_field_is_one_order(callers: Callers) -> None:
    make_goods(1, stock=10)
    create = callers.buyer().order.CreateOrder

    first = create(wanted(), metadata=[("idempotency-key", "k1")])
    second = create(wanted(idempotency_key="k1"))
    third = create(wanted(idempotency_key="k1"), metadata=[("idempotency-key", "k1")])

    assert first.order_id == second.order_id == third.order_id
    assert counts(1) == (9, 1, 0)


def test_create_order_with_two_keys_in_metadata_is_refused_and_with_one_key_twice_has_it(callers: Callers) -> None:
    make_goods(1, stock=10)
    create = callers.buyer().order.CreateOrder

    create(wanted(), metadata=[("idempotency-key", "k1"), ("idempotency-key", "k1")])

    assert Order.objects.get().idempotency_key == "k1"
    two = [("idempotency-key", "k1"), ("idempotency-key", "k2")]
    assert refusal(create, wanted(), metadata=two) == ("INVALID_ARGUMENT", 10000001)
    assert counts(1) == (9, 1, 0)


def test_create_order_with_a_used_key_and_another_request_is_refused(callers: Callers) -> None:
    make_goods(1, stock=10)
    create = callers.buyer().order.CreateOrder
    create(wanted(idempotency_key="k1"))

    assert refusal(create, wanted(num=2, idempotency_key="k1")) == ("INVALID_ARGUMENT", 10000009)
    assert counts(1) == (9, 1, 0)


def test_create_order_with_two_different_keys_is_invalid(callers: Callers) -> None:
    make_goods(1, stock=10)
    create = callers.buyer().order.CreateOrder

    assert refusal(create, wanted(idempotency_key="k1"), metadata=[("idempotency-key", "k2")]) == INVALID
    assert not Order.objects.exists()
