"""What the part of a desk shows that the page around it does not know of."""

from django import template

from lab.crowd.shown import Shown, read_shown

register = template.Library()


@register.simple_tag
def crowd_in(room_id: int) -> Shown:
    """The last run of a crowd in a room."""
    return read_shown(room_id)
