"""Everything that changes stock. `move` is the hot path; adjustments are for staff and services."""

from stock.services.adjusting import Adjustment, adjust_stock
from stock.services.checks import check_key
from stock.services.moving import (
    confirm_stock,
    deduct_stock,
    move,
    reserve_one,
    reserve_stock,
    roll_back_stock,
)

__all__ = [
    "Adjustment",
    "adjust_stock",
    "check_key",
    "confirm_stock",
    "deduct_stock",
    "move",
    "reserve_one",
    "reserve_stock",
    "roll_back_stock",
]
