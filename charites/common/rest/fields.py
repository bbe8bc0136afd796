"""Strict serializers, and fields and paths that take what they say and nothing else."""

import re
from typing import Any

from django.urls import register_converter
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from charites.common.models import MAX_INT64


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know: a client that sends a price is told so instead of being ignored."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            for name in data:
                if name not in self.fields:
                    raise serializers.ValidationError({str(name)[:64]: [_("is not a field of this request")]})
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """A text, and nothing that could be written as one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class WholeNumberField(serializers.IntegerField):
    """A whole number, or a string of its digits; no boolean, no fraction, no other way to write one."""

    WRITTEN = re.compile(r"-?[0-9]+", re.ASCII)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool | float) or not self.WRITTEN.fullmatch(str(data)):
            self.fail("invalid")
        return int(super().to_internal_value(data))


@extend_schema_field({"type": "string", "pattern": "^[0-9]{1,19}$"})
class IdField(WholeNumberField):
    """An id: a string in JSON, because JavaScript cannot hold an int64. Numbers are accepted too."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": MAX_INT64, **kwargs})

    def to_representation(self, value: Any) -> str:  # type: ignore[override]
        return str(value)


class QuantityField(WholeNumberField):
    """A number of pieces: 1 to the largest int64."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": MAX_INT64, **kwargs})


class IdConverter:
    """An id in a path: 1 to the largest int64. Anything else is no such page."""

    regex = "[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if not 0 < number <= MAX_INT64:
            raise ValueError(value)
        return number

    def to_url(self, value: int) -> str:
        return str(value)


class ErrorSerializer(serializers.Serializer[Any]):
    """The body of every error."""

    code = serializers.IntegerField()
    message = serializers.CharField()
    details = serializers.DictField(child=serializers.CharField())
    request_id = serializers.CharField()


register_converter(IdConverter, "id")
