"""The gRPC service `Goods`."""

from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from charites.common.models import MAX_LINES
from charites.common.rpc import Call, Servicer, required_id
from goods import selectors
from goods.models import Goods
from goods.rpc import goods_pb2
from goods.rpc.goods_pb2 import (
    GoodsDetail,
    GoodsDetailRequest,
    GoodsDetailsReply,
    GoodsDetailsRequest,
    GoodsSummary,
    RoomGoodsReply,
    RoomGoodsRequest,
)


class GoodsServicer(Servicer):
    descriptor = goods_pb2.DESCRIPTOR.services_by_name["Goods"]

    def GetGoodsListByRoomId(self, request: RoomGoodsRequest, call: Call) -> RoomGoodsReply:
        room = selectors.get_room(room_id=required_id("room_id", request.room_id))
        goods = selectors.list_room_goods(room_id=room.room_id)
        return RoomGoodsReply(current_goods_id=room.current_goods_id or 0, data=map(as_summary, goods))

    def GetGoodsDetail(self, request: GoodsDetailRequest, call: Call) -> GoodsDetail:
        return as_detail(selectors.get_goods(goods_id=required_id("goods_id", request.goods_id)))

    def GetGoodsDetails(self, request: GoodsDetailsRequest, call: Call) -> GoodsDetailsReply:
        if len(request.goods_ids) > MAX_LINES:
            raise Invalid("goods_ids", _("has more than %(limit)s lines"), limit=MAX_LINES)
        goods_ids = [required_id("goods_ids", goods_id) for goods_id in request.goods_ids]
        return GoodsDetailsReply(goods=map(as_detail, selectors.list_goods(goods_ids=goods_ids)))


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
    )


SERVICER = GoodsServicer
