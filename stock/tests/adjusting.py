"""One adjustment in one call, and all that a product had."""

from stock.models import Stock
from stock.selectors import list_adjustments
from stock.services import Adjustment, adjust_stock


def adjust(delta: int = 0, goods_id: int = 1, **fields) -> Stock:
    return adjust_stock(adjustments=[Adjustment(goods_id, "count", "staff:1", delta=delta, **fields)]).rows[0]


def deltas(goods_id: int = 1) -> list[int]:
    """The adjustments of a product, oldest first."""
    return [row.delta for row in reversed(list_adjustments(goods_id=goods_id))]
