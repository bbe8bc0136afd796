"""Fields of the admin's forms for what people type."""

from typing import Any

from django import forms
from django.db import models
from django.forms.fields import InvalidJSONInput

from charites.common.errors import Invalid
from charites.common.models import MAX_INT64
from charites.common.strict_json import read_text
from charites.common.text import TextRule, check_json, find_fault, tidy


class TypedField(forms.CharField):
    """A text on one line; see `charites.common.text`."""

    def to_python(self, value: Any) -> Any:
        return tidy(super().to_python(value) or "")

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value and (fault := find_fault(TextRule("", self.max_length or MAX_INT64), value)):
            raise forms.ValidationError(fault.reason)


class TypedJSONField(forms.JSONField):
    """JSON that people type; see `charites.common.strict_json`."""

    def to_python(self, value: Any) -> Any:
        if self.disabled or not isinstance(value, str) or value in self.empty_values:
            return super().to_python(value)
        try:
            return read_text(value)
        except Invalid as error:
            raise forms.ValidationError(error.reason if error.details["field"] == "body" else error.message) from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed, as it was: written anew, half a character could not be shown."""
        return initial if self.disabled else InvalidJSONInput(data or "")

    def validate(self, value: Any) -> None:
        super().validate(value)
        try:
            check_json("", value)
        except Invalid as error:
            raise forms.ValidationError(error.reason) from error


# For `formfield_overrides` of an admin: which field of a form stands for which column.
TYPED: dict[Any, dict[str, Any]] = {
    models.CharField: {"form_class": TypedField},
    models.JSONField: {"form_class": TypedJSONField},
}
