"""Rooms and goods in JSON."""

from typing import Any

from rest_framework import serializers

from charites.common.models import MAX_PAGE
from charites.common.rest import IdField, StrictSerializer, WholeNumberField
from goods.models import Goods, Room


class ListRoomsSerializer(StrictSerializer):
    status = serializers.ChoiceField([*Room.Status.values, "all"], required=False, help_text="live when left out")
    after = IdField(required=False, help_text="the last room_id of the page before")
    limit = WholeNumberField(required=False, min_value=1, max_value=MAX_PAGE)


class RoomSerializer(serializers.Serializer[Any]):
    room_id = IdField()
    title = serializers.CharField()
    host_name = serializers.CharField()
    cover = serializers.CharField()
    status = serializers.ChoiceField(Room.Status.choices)
    started_at = serializers.DateTimeField(allow_null=True)
    current_goods_id = IdField(allow_null=True)


class RoomListSerializer(serializers.Serializer[Any]):
    rooms = RoomSerializer(many=True)


class GoodsSerializer(serializers.Serializer[Any]):
    """A product in a list. Prices are integer cents."""

    goods_id = IdField()
    category_id = IdField()
    brand_name = serializers.CharField()
    status = serializers.ChoiceField(Goods.Status.choices)
    status_label = serializers.CharField(source="get_status_display")
    title = serializers.CharField()
    price = serializers.IntegerField()
    market_price = serializers.IntegerField()
    brief = serializers.CharField()
    head_imgs = serializers.ListField(child=serializers.CharField())
    limit_per_buyer = serializers.IntegerField(help_text="pieces that one buyer may have; 0: no limit")
    sale_starts_at = serializers.DateTimeField(allow_null=True)
    sale_ends_at = serializers.DateTimeField(allow_null=True)


class GoodsDetailSerializer(GoodsSerializer):
    code = IdField()
    videos = serializers.ListField(child=serializers.CharField())
    detail = serializers.ListField(child=serializers.CharField())
    ext_json = serializers.DictField()


class RoomGoodsSerializer(serializers.Serializer[Any]):
    room_id = IdField()
    current_goods_id = IdField(allow_null=True)
    goods = GoodsSerializer(many=True)


class CurrentGoodsSerializer(StrictSerializer):
    goods_id = IdField(allow_null=True, help_text="null unpins")
