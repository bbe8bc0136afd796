"""Fields of the admin's forms for what people type."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.db import models
from django.forms.fields import InvalidJSONInput
from django.utils.functional import lazy
from django.utils.text import capfirst, format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from charites.common.errors import Invalid
from charites.common.links import find_bad_link
from charites.common.models import MAX_INT64
from charites.common.money import money, places_of, typed
from charites.common.strict_json import read_text
from charites.common.text import TextRule, check_json, find_fault, tidy
from charites.common.times import YEARS


class CapitalLabels:
    """A form whose labels begin with a capital, as those that Django makes of columns."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():  # type: ignore[attr-defined]
            field.label = field.label and capfirst(str(field.label))


class ChangesOfPage:
    """A form of a row in which only what was changed on its page has changed, and nothing that somebody else has
    written meanwhile: each field stands there a second time, hidden, as it was."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.pk:  # type: ignore[attr-defined]
            for field in self.fields.values():  # type: ignore[attr-defined]
                field.show_hidden_initial = True


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
            told = of_all(error) if error.details["field"] == "body" else error.message
            raise forms.ValidationError(told) from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed, as it was: written anew, half a character could not be shown."""
        return initial if self.disabled else InvalidJSONInput(data or "")

    def validate(self, value: Any) -> None:
        super().validate(value)
        try:
            check_json("", value)
        except Invalid as error:
            raise forms.ValidationError(of_all(error)) from error


def of_all(error: Invalid) -> str:
    """What is wrong with a whole text, as a sentence: beside a large field nobody knows what "is not valid"."""
    return _("This %(reason)s.") % {"reason": error.reason}


def check_links(form: forms.BaseForm, name: str, links: Sequence[str]) -> None:
    """Raises ValidationError for what is typed as an address of a picture, and is none. What stood there before may
    stay, whatever it is."""
    if name in form.changed_data and (fault := find_bad_link(name, links)):
        raise forms.ValidationError(fault.reason)


class TypedTimeField(forms.SplitDateTimeField):
    """A time of an age in which there are orders. Earlier or later ones may have no place in another zone."""

    def compress(self, data_list: Any) -> Any:
        moment = super().compress(data_list)
        if moment and moment.year not in YEARS:
            years = {"first": YEARS[0], "last": YEARS[-1]}
            raise forms.ValidationError(_("Type a time of the years %(first)s to %(last)s.") % years)
        return moment


AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
MOST_DIGITS = len(str(MAX_INT64))
shop_currency: Any = lazy(lambda: settings.CURRENCY, str)


class MoneyField(forms.CharField):
    """An amount of the shop's currency, typed in its own places; to the program it is an integer of the smallest units.

    The label names the currency.
    """

    def __init__(self, *, label: Any, least: int = 0, **options: Any) -> None:
        super().__init__(label=format_lazy("{}, {}", label, shop_currency()), **options)
        self.least = least
        self.widget.attrs["inputmode"] = "decimal"

    def prepare_value(self, value: Any) -> Any:
        return typed(value, settings.CURRENCY) if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        text = tidy(super().to_python(value) or "")
        if not text:
            return None
        places = places_of(settings.CURRENCY)
        parts = AMOUNT.fullmatch(text)
        if parts is None:
            example = {"example": typed(1990 * 10**places // 100, settings.CURRENCY)}
            raise forms.ValidationError(_("Type an amount such as %(example)s, without other signs.") % example)
        fraction = (parts[2] or "").ljust(places, "0")
        if len(fraction) > places:
            raise forms.ValidationError(too_many_places(places))
        return self.checked((parts[1] + fraction).lstrip("0") or "0")

    def checked(self, digits: str) -> int:
        """Returns the number of these digits, when the column can hold it and the field lets it be so small."""
        if len(digits) > MOST_DIGITS or int(digits) > MAX_INT64:
            raise forms.ValidationError(_("At most %(most)s.") % {"most": money(MAX_INT64)})
        if int(digits) < self.least:
            raise forms.ValidationError(_("At least %(least)s.") % {"least": money(self.least)})
        return int(digits)


def too_many_places(places: int) -> str:
    words = {"currency": settings.CURRENCY, "places": places}
    if not places:
        return _("%(currency)s has no places after the point.") % words
    text = ngettext("%(places)s place after the point at most.", "%(places)s places after the point at most.", places)
    return text % words


# For `formfield_overrides` of an admin: which field of a form stands for which column.
TYPED: dict[Any, dict[str, Any]] = {
    models.CharField: {"form_class": TypedField},
    models.DateTimeField: {"form_class": TypedTimeField},
    models.JSONField: {"form_class": TypedJSONField},
}
