"""Everything that changes stock. `move` is the hot path; adjustments are for staff and services, and records of
archived orders are carried over."""

from stock.services.adjusting import Adjustment, adjust_stock
from stock.services.archiving import carry_over, lock_records
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
    "carry_over",
    "confirming",
    "lock_records",
    "move",
    "move_asked",
    "reserving",
    "rolling_back",
    "selling",
]
