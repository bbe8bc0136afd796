"""The state of a room in JSON, as the API's documentation shows it; `live.events` writes it."""

from typing import Any

from rest_framework import serializers

from charites.common.rest import AmountField, CountField, IdField
from goods.models import Room
from live.shelf import Sale


class StateGoodsSerializer(serializers.Serializer[Any]):
    """A product of a room."""

    goods_id = IdField()
    title = serializers.CharField()
    price = AmountField(help_text="in cents")
    market_price = AmountField(help_text="what it is compared with, in cents")
    limit_per_buyer = CountField(help_text="pieces that one buyer may have; 0: no limit")
    sale = serializers.ChoiceField([(sale.value, sale.name) for sale in Sale])
    sale_starts_at = serializers.DateTimeField(allow_null=True)
    sale_ends_at = serializers.DateTimeField(allow_null=True)
    available = CountField(help_text="pieces that can be bought")
    reserved = CountField(help_text="pieces in orders that are not paid yet")
    sold = CountField(help_text="pieces in orders that are paid")


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
