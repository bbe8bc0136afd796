"""Strict serializers, and fields and paths that take what they say and nothing else."""

import re
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar

from django.db.models import IntegerChoices
from django.urls import register_converter
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from charites.common.errors import MOST_FAULTS, Invalid
from charites.common.models import KEY_LENGTH, MAX_INT64
from charites.common.text import TextRule, check_key, find_fault, tidy
from charites.common.times import YEARS


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know: a client that sends a price is told so instead of being ignored."""

    def to_internal_value(self, data: Any) -> Any:
        names = data if isinstance(data, dict) else ()
        fields = self.fields
        others = islice((name for name in names if name not in fields), MOST_FAULTS)  # a body has room for thousands
        unknown = {str(name)[:64]: [_("is not a field of this request")] for name in others}
        try:
            known = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not unknown or not isinstance(error.detail, dict):
                raise
            raise serializers.ValidationError({**unknown, **error.detail}) from error
        if unknown:
            raise serializers.ValidationError(unknown)
        return known


class SecretField(serializers.CharField):
    """A password or a token, taken as it is; nothing that could be written as a text."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _("must be a text"),
        "required": _("is missing"),
        "null": _("is missing"),
        "blank": _("is missing"),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class TextField(SecretField):
    """A text that people type, tidied; see `charites.common.text`. `has_lines`: it may have several."""

    def __init__(self, *, has_lines: bool = False, **kwargs: Any) -> None:
        self.has_lines = has_lines
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = tidy(super().to_internal_value(data))
        if fault := find_fault(TextRule("", self.max_length or MAX_INT64, self.has_lines), text):
            raise serializers.ValidationError(fault.reason)
        return text


class KeyField(SecretField):
    """An idempotency key."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": KEY_LENGTH, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        key = super().to_internal_value(data)
        try:
            check_key(key)
        except Invalid as error:
            raise serializers.ValidationError(error.reason) from error
        return key


class WholeNumberField(serializers.IntegerField):
    """A whole number, or a string of its digits; no boolean, no fraction, no other way to write one."""

    WRITTEN = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool | float) or not self.WRITTEN.fullmatch(str(data)):
            self.fail("invalid")
        return int(super().to_internal_value(data))


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


class CountField(serializers.IntegerField):
    """A number of things, in answers."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": MAX_INT64, **kwargs})


class FlagField(serializers.BooleanField):
    """true or false, and no other way to say it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class AmountField(CountField):
    """Money in the currency's smallest unit, in answers."""


class MomentField(serializers.DateTimeField):
    """A time with its zone, of an age in which there are orders."""

    # Python reads more: days, weeks, times of no zone, which DRF takes for UTC, and whatever stands behind a NUL.
    WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)

    def to_internal_value(self, value: Any) -> datetime:
        if self.WRITTEN.fullmatch(f"{value}Z"):
            raise serializers.ValidationError(_("has no zone: end it with Z, or with an offset such as +08:00"))
        moment = super().to_internal_value(value) if self.WRITTEN.fullmatch(str(value)) else None
        if moment is None or moment.year not in YEARS:
            raise serializers.ValidationError(_("must be a time from 2000 to 2099, such as 2026-06-01T12:00:00Z"))
        return moment


class OneOfField(serializers.ChoiceField):
    """One of a few words; whoever says another one is told which there are."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid_choice": _("must be one of {known}")}

    def to_internal_value(self, data: Any) -> Any:
        if str(data) not in self.choice_strings_to_values:
            self.fail("invalid_choice", known=", ".join(self.choice_strings_to_values))
        return super().to_internal_value(data)


class NamedStatusField(serializers.Field[int, Any, int, Any]):
    """A status by its number, or by its name in small letters."""

    default_error_messages: ClassVar[dict[str, Any]] = {"unknown": _("must be one of {known}")}

    def __init__(self, statuses: type[IntegerChoices], **kwargs: Any) -> None:
        self.known = {word: status for status in statuses for word in (str(int(status)), status.name.lower())}
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if str(data) not in self.known:
            self.fail("unknown", known=", ".join(self.known))
        return int(self.known[str(data)])

    def to_representation(self, value: Any) -> int:
        return int(value)


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

    code = serializers.IntegerField(help_text="the number of the error; docs/errors.md lists them all")
    error = serializers.CharField(help_text="the same as a word")
    message = serializers.CharField(help_text="for people, in their language (Accept-Language)")
    details = serializers.DictField(
        child=serializers.CharField(), help_text="what the message is about, by name; whole numbers as strings"
    )
    request_id = serializers.CharField(help_text="stands in the log, and in the header X-Request-ID")


register_converter(IdConverter, "id")
