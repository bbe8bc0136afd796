"""The gRPC service `Goods`."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from charites.common.models import MAX_LINES
from charites.common.rpc import Call, Read, Servicer, in_loop, required_id
from goods import selectors
from goods.models import Goods, Room
from goods.remembered import replies
from goods.rpc import goods_pb2
from goods.rpc.goods_pb2 import (
    GoodsDetail,
    GoodsDetailRequest,
    GoodsDetailsReply,
    GoodsDetailsRequest,
    GoodsSummary,
    RoomGoodsReply,
    RoomGoodsRequest,
    RoomsReply,
    RoomsRequest,
    RoomSummary,
)


class GoodsServicer(Servicer):
    descriptor = goods_pb2.DESCRIPTOR.services_by_name["Goods"]

    @in_loop
    def GetGoodsListByRoomId(self, request: RoomGoodsRequest, call: Call) -> Read[int]:
        return Read(ROOM_LISTS, required_id("room_id", request.room_id))

    @in_loop
    def GetGoodsDetail(self, request: GoodsDetailRequest, call: Call) -> Read[int]:
        return Read(DETAILS, required_id("goods_id", request.goods_id))

    def GetGoodsDetails(self, request: GoodsDetailsRequest, call: Call) -> GoodsDetailsReply:
        goods_ids = required_ids("goods_ids", request.goods_ids)
        return GoodsDetailsReply(goods=map(as_detail, selectors.list_goods(goods_ids=goods_ids)))

    def GetRooms(self, request: RoomsRequest, call: Call) -> RoomsReply:
        room_ids = required_ids("room_ids", request.room_ids)
        return RoomsReply(rooms=map(as_room, selectors.list_existing_rooms(room_ids=room_ids)))


def make_room_list(room_id: int) -> bytes:
    """The goods of a room, serialised. Raises RoomNotFound."""
    room = selectors.get_room_goods(room_id=room_id)
    reply = RoomGoodsReply(current_goods_id=room.current_goods_id or 0, data=map(as_summary, room.goods))
    return reply.SerializeToString()


def make_detail(goods_id: int) -> bytes:
    """A product, serialised. Raises GoodsNotFound."""
    return as_detail(selectors.get_goods(goods_id=goods_id)).SerializeToString()


def required_ids(name: str, values: Sequence[int]) -> list[int]:
    """Returns ids that a request names. Raises Invalid for more than 100, and for one that is missing."""
    if len(values) > MAX_LINES:
        raise Invalid(name, _("has more than %(limit)s lines"), limit=MAX_LINES)
    return [required_id(name, value) for value in values]


def as_summary(goods: Goods) -> GoodsSummary:
    return GoodsSummary(
        goods_id=goods.goods_id,
        category_id=goods.category_id,
        status=goods.status,
        title=goods.title,
        market_price=str(goods.market_price),
        price=str(goods.price),
        brief=goods.brief,
        head_imgs=map(str, goods.head_imgs),
        limit_per_buyer=goods.limit_per_buyer or None,
        sale_starts_at=goods.sale_starts_at,
        sale_ends_at=goods.sale_ends_at,
    )


def as_room(room: Room) -> RoomSummary:
    return RoomSummary(
        room_id=room.room_id,
        title=room.title,
        host_name=room.host_name,
        cover=room.cover,
        status=room.status,
        current_goods_id=room.current_goods_id or 0,
    )


def as_detail(goods: Goods) -> GoodsDetail:
    return GoodsDetail(
        goods_id=goods.goods_id,
        category_id=goods.category_id,
        status=goods.status,
        code=goods.code,
        brand_name=goods.brand_name,
        title=goods.title,
        market_price=str(goods.market_price),
        price=str(goods.price),
        brief=goods.brief,
        head_imgs=map(str, goods.head_imgs),
        videos=map(str, goods.videos),
        detail=map(str, goods.detail),
        limit_per_buyer=goods.limit_per_buyer or None,
        sale_starts_at=goods.sale_starts_at,
        sale_ends_at=goods.sale_ends_at,
    )


ROOM_LISTS = replies(make_room_list)
DETAILS = replies(make_detail)
SERVICER = GoodsServicer
