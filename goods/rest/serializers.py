"""Rooms and goods in JSON."""

from typing import Any

from rest_framework import serializers

from charites.common.rest import (
    AmountField,
    CountField,
    IdField,
    OneOfField,
    PagedSerializer,
    PageSerializer,
    StrictSerializer,
)
from goods.models import Goods, Room


class ListRoomsSerializer(PagedSerializer):
    status = OneOfField([*Room.Status.values, "all"], required=False, help_text="live when left out")


class RoomSerializer(serializers.Serializer[Any]):
    room_id = IdField()
    title = serializers.CharField()
    host_name = serializers.CharField()
    cover = serializers.CharField(help_text="the address of a picture; may be empty")
    status = serializers.ChoiceField(Room.Status.choices)
    started_at = serializers.DateTimeField(allow_null=True)
    current_goods_id = IdField(allow_null=True, help_text="the product that is pinned")


class RoomListSerializer(PageSerializer):
    rooms = RoomSerializer(many=True)


class GoodsSerializer(serializers.Serializer[Any]):
    """A product in a list."""

    goods_id = IdField()
    category_id = IdField()
    brand_name = serializers.CharField()
    status = serializers.ChoiceField(Goods.Status.choices)
    status_label = serializers.CharField(source="get_status_display", help_text="in the caller's language")
    title = serializers.CharField()
    price = AmountField(help_text="in cents")
    market_price = AmountField(help_text="what it is compared with, in cents")
    brief = serializers.CharField()
    head_imgs = serializers.ListField(child=serializers.CharField(), help_text="addresses of pictures")
    limit_per_buyer = CountField(help_text="pieces that one buyer may have; 0: no limit")
    sale_starts_at = serializers.DateTimeField(allow_null=True, help_text="null: it has always been on sale")
    sale_ends_at = serializers.DateTimeField(allow_null=True, help_text="null: it stays on sale")


class GoodsDetailSerializer(GoodsSerializer):
    """A product with all that is said of it."""

    code = IdField(help_text="the bar code")
    videos = serializers.ListField(child=serializers.CharField())
    detail = serializers.ListField(child=serializers.CharField())
    ext_json = serializers.DictField(help_text="what is said of this product and not of others")


class RoomGoodsSerializer(serializers.Serializer[Any]):
    room_id = IdField()
    current_goods_id = IdField(allow_null=True)
    goods = GoodsSerializer(many=True)


class CurrentGoodsSerializer(StrictSerializer):
    goods_id = IdField(allow_null=True, help_text="null unpins")
