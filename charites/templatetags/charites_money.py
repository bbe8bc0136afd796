"""Amounts for people."""

from django import template

register = template.Library()


@register.filter
def money(cents: int) -> str:
    """Formats integer cents: 123456 -> 1,234.56."""
    return f"{cents // 100:,}.{cents % 100:02d}"
