"""Moments for people. Without scripts they are of UTC; `live/times.js` writes them in the viewer's own zone."""

from datetime import UTC, datetime

from django import template
from django.utils.dateformat import format
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

FORMS = {"day": "Y-m-d H:i", "moment": "Y-m-d H:i:s", "minute": "H:i", "second": "H:i:s"}


@register.filter
def when(moment: datetime, form: str) -> SafeString:
    """A moment in one of the forms, which the script knows by the same names."""
    shown = moment.astimezone(UTC)
    text = format(shown, FORMS[form])
    return format_html('<time datetime="{}" data-when="{}">{} UTC</time>', shown.isoformat(), form, text)
