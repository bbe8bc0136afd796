"""Sums that no column could hold: SQLite refuses one of more than 64 bits, and with it the page that shows it."""

from collections.abc import Mapping
from typing import Any

from django.db.models import F, Q, Sum

SIZE = 2**32


def halves(column: str, only: Q | None = None, name: str = "") -> dict[str, Sum]:
    """Two sums from which `sum_of_halves` makes that of a column without negative numbers, in all rows or in some;
    `name` tells them from others of the same query."""
    lower = F(column) % SIZE
    parts = {"upper": (F(column) - lower) / SIZE, "lower": lower}
    return {f"{half}{name}": Sum(part, filter=only) for half, part in parts.items()}


def sum_of_halves(found: Mapping[str, Any], name: str = "") -> int:
    """Returns the sum; 0 where there was nothing to add up."""
    return int(found[f"upper{name}"] or 0) * SIZE + int(found[f"lower{name}"] or 0)
