"""The gRPC service `Goods`, over a real connection."""

from collections.abc import Iterator

import pytest

from goods.models import Goods, Room
from goods.rpc.goods_pb2 import (
    GoodsDetail,
    GoodsDetailRequest,
    GoodsDetailsRequest,
    GoodsSummary,
    RoomGoodsReply,
    RoomGoodsRequest,
    RoomsReply,
    RoomsRequest,
    RoomSummary,
)
from lab.kit.factories import make_goods, make_room
from lab.kit.grpc_server import Callers, grpc_callers, refusal


@pytest.fixture
def callers(transactional_db: None) -> Iterator[Callers]:
    with grpc_callers() as callers:
        yield callers


def test_room_goods_are_listed_by_weight_with_the_current_one(callers: Callers) -> None:
    make_goods(1, title="Mug", head_imgs=["/1.svg", "/2.svg"], category_id=5)
    make_goods(2, status=Goods.Status.OFF_SALE, brief="")
    make_room(3, goods_ids=[2, 1], current_goods_id=1)

    reply = callers.buyer().goods.GetGoodsListByRoomId(RoomGoodsRequest(room_id=3))

    off_sale = GoodsSummary(goods_id=2, status=1, title="Goods 2", market_price="12900", price="9950")
    mug = GoodsSummary(
        goods_id=1,
        category_id=5,
        title="Mug",
        market_price="12900",
        price="9950",
        brief="Brief.",
        head_imgs=["/1.svg", "/2.svg"],
    )
    assert reply == RoomGoodsReply(current_goods_id=1, data=[off_sale, mug])


def test_room_goods_with_nothing_pinned_have_no_current_one(callers: Callers) -> None:
    make_room(3)

    reply = callers.buyer().goods.GetGoodsListByRoomId(RoomGoodsRequest(room_id=3))

    assert reply == RoomGoodsReply()


def test_room_goods_of_an_unknown_room_are_not_found(callers: Callers) -> None:
    method = callers.buyer().goods.GetGoodsListByRoomId

    assert refusal(method, RoomGoodsRequest(room_id=3)) == ("NOT_FOUND", 30010006)


@pytest.mark.parametrize("room_id", [0, -1])
def test_room_goods_without_a_room_id_are_invalid(callers: Callers, room_id: int) -> None:
    method = callers.buyer().goods.GetGoodsListByRoomId

    assert refusal(method, RoomGoodsRequest(room_id=room_id)) == ("INVALID_ARGUMENT", 10000001)


def test_goods_detail_has_every_field(callers: Callers) -> None:
    make_goods(
        1,
        category_id=5,
        code=690100000001,
        brand_name="Mosswick",
        title="杯子 Mug",
        head_imgs=["/1.svg"],
        videos=["/1.mp4"],
        detail=["350 ml", "stoneware"],
    )

    reply = callers.buyer().goods.GetGoodsDetail(GoodsDetailRequest(goods_id=1))

    assert reply == GoodsDetail(
        goods_id=1,
        category_id=5,
        status=0,
        code=690100000001,
        brand_name="Mosswick",
        title="杯子 Mug",
        market_price="12900",
        price="9950",
        brief="Brief.",
        head_imgs=["/1.svg"],
        videos=["/1.mp4"],
        detail=["350 ml", "stoneware"],
    )


def test_goods_detail_of_unknown_and_deleted_goods_is_not_found(callers: Callers) -> None:
    make_goods(2, is_deleted=True)
    method = callers.buyer().goods.GetGoodsDetail

    assert refusal(method, GoodsDetailRequest(goods_id=1)) == ("NOT_FOUND", 30010001)
    assert refusal(method, GoodsDetailRequest(goods_id=2)) == ("NOT_FOUND", 30010001)


def test_goods_detail_without_an_id_is_invalid(callers: Callers) -> None:
    method = callers.buyer().goods.GetGoodsDetail

    assert refusal(method, GoodsDetailRequest()) == ("INVALID_ARGUMENT", 10000001)


def test_goods_details_leave_out_what_does_not_exist(callers: Callers) -> None:
    make_goods(1)
    make_goods(2)

    reply = callers.service().goods.GetGoodsDetails(GoodsDetailsRequest(goods_ids=[2, 9, 1]))

    assert [(goods.goods_id, goods.title) for goods in reply.goods] == [(1, "Goods 1"), (2, "Goods 2")]


@pytest.mark.parametrize("goods_ids", [[1, 0], range(1, 102)], ids=["zero", "101"])
def test_goods_details_with_bad_ids_are_invalid(callers: Callers, goods_ids: list[int]) -> None:
    method = callers.service().goods.GetGoodsDetails

    assert refusal(method, GoodsDetailsRequest(goods_ids=goods_ids)) == ("INVALID_ARGUMENT", 10000001)


def test_rooms_leave_out_what_does_not_exist(callers: Callers) -> None:
    make_goods(5)
    make_room(3, goods_ids=[5], host_name="Mei", cover="/static/room-3.svg", current_goods_id=5)
    make_room(2, status=Room.Status.OFF)
    make_room(1, is_deleted=True)
    make_room(4)

    reply = callers.service().goods.GetRooms(RoomsRequest(room_ids=[3, 1, 9, 2]))

    shown = RoomSummary(
        room_id=3, title="Room 3", host_name="Mei", cover="/static/room-3.svg", status="live", current_goods_id=5
    )
    assert reply == RoomsReply(rooms=[RoomSummary(room_id=2, title="Room 2", status="off"), shown])


@pytest.mark.parametrize("room_ids", [[1, 0], range(1, 102)], ids=["zero", "101"])
def test_rooms_with_bad_ids_are_invalid(callers: Callers, room_ids: list[int]) -> None:
    method = callers.service().goods.GetRooms

    assert refusal(method, RoomsRequest(room_ids=room_ids)) == ("INVALID_ARGUMENT", 10000001)


REQUESTS = {
    "GetGoodsListByRoomId": RoomGoodsRequest(),
    "GetGoodsDetail": GoodsDetailRequest(),
    "GetGoodsDetails": GoodsDetailsRequest(),
    "GetRooms": RoomsRequest(),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_goods_without_a_token_are_unauthenticated(callers: Callers, name: str) -> None:
    method = getattr(callers.anybody().goods, name)

    assert refusal(method, REQUESTS[name]) == ("UNAUTHENTICATED", 10000002)
