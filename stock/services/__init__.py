"""Everything that changes stock. `move` is the hot path; adjustments are for staff and services."""

from stock.services.adjusting import Adjustment, adjust_stock
from stock.services.moving import (
    Asked,
    Moved,
    Sale,
    confirming,
    move,
    move_asked,
    reserving,
    rolling_back,
    selling,
)

__all__ = [
    "Adjustment",
    "Asked",
    "Moved",
    "Sale",
    "adjust_stock",
    "confirming",
    "move",
    "move_asked",
    "reserving",
    "rolling_back",
    "selling",
]
