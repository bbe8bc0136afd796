"""Stock in JSON."""

from typing import Any

from rest_framework import serializers

from charites.common.models import MAX_INT64, REASON_LENGTH
from charites.common.rest import (
    CountField,
    IdField,
    KeyField,
    PagedSerializer,
    PageSerializer,
    StrictSerializer,
    TextField,
    WholeNumberField,
)


class StockSerializer(serializers.Serializer[Any]):
    goods_id = IdField()
    available = CountField(help_text="pieces that can be bought")
    reserved = CountField(help_text="pieces in orders that are not paid yet")
    sold = CountField(help_text="pieces in orders that are paid")
    version = CountField(help_text="changes with each change of the row")


class ListStockSerializer(PagedSerializer):
    goods_id = IdField(required=False, help_text="of this product")


class StockListSerializer(PageSerializer):
    stock = StockSerializer(many=True)


class SetStockSerializer(StrictSerializer):
    available = WholeNumberField(min_value=0, max_value=MAX_INT64, help_text="how many there are to be")
    version = WholeNumberField(
        required=False, min_value=0, max_value=MAX_INT64, help_text="refuse unless the stock still has this version"
    )
    reason = TextField(required=False, max_length=REASON_LENGTH, help_text="stands in the history of the stock")
    idempotency_key = KeyField(required=False, help_text="or the header Idempotency-Key")


class AdjustmentSerializer(StrictSerializer):
    delta = WholeNumberField(
        min_value=-MAX_INT64, max_value=MAX_INT64, help_text="pieces to add; below zero: to take away"
    )
    reason = TextField(max_length=REASON_LENGTH, help_text="stands in the history of the stock")
    idempotency_key = KeyField(required=False, help_text="or the header Idempotency-Key: one of the two is required")
