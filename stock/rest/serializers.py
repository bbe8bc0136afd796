"""Stock in JSON."""

from typing import Any

from rest_framework import serializers

from charites.common.models import MAX_INT64, REASON_LENGTH
from charites.common.rest import IdField, KeyField, StrictSerializer, TextField, WholeNumberField


class StockSerializer(serializers.Serializer[Any]):
    goods_id = IdField()
    available = serializers.IntegerField()
    reserved = serializers.IntegerField()
    sold = serializers.IntegerField()
    version = serializers.IntegerField()


class SetStockSerializer(StrictSerializer):
    available = WholeNumberField(min_value=0, max_value=MAX_INT64)
    version = WholeNumberField(
        required=False, min_value=0, max_value=MAX_INT64, help_text="refuse unless the stock still has this version"
    )
    reason = TextField(required=False, max_length=REASON_LENGTH)
    idempotency_key = KeyField(required=False)


class AdjustmentSerializer(StrictSerializer):
    delta = WholeNumberField(min_value=-MAX_INT64, max_value=MAX_INT64)
    reason = TextField(max_length=REASON_LENGTH)
    idempotency_key = KeyField(required=False)
