"""Pieces that came back with a refund become available: stock's adjustments, each under a key of the refund."""

from collections import defaultdict
from collections.abc import Sequence

from orders import selectors
from orders.models import RefundLine
from stock.services import Adjustment, adjust_stock

ACTOR = "orders"  # who asked for it stands in the refund


def return_pieces(*, refund_ids: Sequence[int]) -> None:
    """Makes the pieces of refunds available; again is harmless. What was sold stays sold: they came in anew.

    Raises what stock raises.
    """
    adjust_stock(adjustments=[a for found in list_returning(refund_ids=refund_ids).values() for a in found])


def list_returning(*, refund_ids: Sequence[int]) -> dict[int, list[Adjustment]]:
    """Returns refund_id -> how stock is adjusted for the pieces that came back with it, where any did."""
    adjustments = defaultdict(list)
    for line in selectors.list_returned(refund_ids=refund_ids):
        adjustments[line.refund_id].append(as_adjustment(line))
    return dict(adjustments)


def as_adjustment(line: RefundLine) -> Adjustment:
    return Adjustment(
        line.goods_id,
        f"came back, order {line.order_id}",
        ACTOR,
        delta=line.num,
        idempotency_key=f"refund:{line.refund_id}:{line.goods_id}",
    )
