"""The state of a room in JSON, as the API's documentation shows it; `live.events` writes it."""

from typing import Any

from rest_framework import serializers

from charites.common.rest import IdField
from goods.models import Room
from live.shelf import Sale


class StateGoodsSerializer(serializers.Serializer[Any]):
    """A product of a room. Prices are integer cents; `available`, `reserved` and `sold` are pieces."""

    goods_id = IdField()
    title = serializers.CharField()
    price = serializers.IntegerField()
    market_price = serializers.IntegerField()
    limit_per_buyer = serializers.IntegerField(help_text="pieces that one buyer may have; 0: no limit")
    sale = serializers.ChoiceField([sale.value for sale in Sale])
    sale_starts_at = serializers.DateTimeField(allow_null=True)
    sale_ends_at = serializers.DateTimeField(allow_null=True)
    available = serializers.IntegerField()
    reserved = serializers.IntegerField(help_text="in orders that are not paid yet")
    sold = serializers.IntegerField()


class EventSerializer(serializers.Serializer[Any]):
    """One server-sent event."""

    event = serializers.CharField(required=False)
    data = serializers.CharField(required=False, help_text="JSON")  # type: ignore[assignment]
    id = serializers.CharField(required=False, help_text="the version of the state that it leads to")
    retry = serializers.IntegerField(required=False, help_text="milliseconds after which to come back")


class StateSerializer(serializers.Serializer[Any]):
    room_id = IdField()
    title = serializers.CharField()
    status = serializers.ChoiceField(Room.Status.choices)
    pinned = IdField(allow_null=True, help_text="the goods_id that the host presents now")
    goods = StateGoodsSerializer(many=True)
