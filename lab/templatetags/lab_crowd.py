"""What the part of a desk shows that the page around it does not know of."""

from typing import Any

from django import template

from lab.crowd.shown import Shown, may_restock, read_shown

register = template.Library()


@register.simple_tag
def crowd_in(room_id: int) -> Shown:
    """The last run of a crowd in a room."""
    return read_shown(room_id)


@register.simple_tag(takes_context=True)
def may_set_stock(context: Any) -> bool:
    """Whether whoever looks may set the stock."""
    return may_restock(context["request"])
