"""Everything that changes stock. `move` is the hot path; adjustments are for staff and services."""

from stock.services.adjusting import Adjustment, adjust_stock
from stock.services.checks import check_key
from stock.services.moving import (
    Asked,
    Moved,
    Sale,
    confirm_stock,
    confirming,
    deduct_stock,
    move,
    move_asked,
    reserve_stock,
    reserving,
    roll_back_stock,
    rolling_back,
    selling,
)

__all__ = [
    "Adjustment",
    "Asked",
    "Moved",
    "Sale",
    "adjust_stock",
    "check_key",
    "confirm_stock",
    "confirming",
    "deduct_stock",
    "move",
    "move_asked",
    "reserve_stock",
    "reserving",
    "roll_back_stock",
    "rolling_back",
    "selling",
]
