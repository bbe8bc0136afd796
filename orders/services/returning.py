"""Pieces that came back with a refund become available: stock's adjustments, each under a key of the refund."""

from collections.abc import Sequence

from django.conf import settings

from orders import selectors
from orders.models import RefundLine
from stock.services import Adjustment, adjust_stock

ACTOR = "orders"  # who asked for it stands in the refund


def return_pieces(*, refund_ids: Sequence[int]) -> None:
    """Makes the pieces of refunds available; again is harmless. What was sold stays sold: they came in anew.

    Raises what stock raises, StockCallFailed.
    """
    adjustments = [as_adjustment(line) for line in selectors.list_returned(refund_ids=refund_ids)]
    if "stock" in settings.APPS:
        adjust_stock(adjustments=adjustments)
    else:
        from orders import remote  # noqa: PLC0415 (only the split form loads it)

        remote.adjust_stock(adjustments)


def as_adjustment(line: RefundLine) -> Adjustment:
    return Adjustment(
        line.goods_id,
        f"came back, order {line.order_id}",
        ACTOR,
        delta=line.num,
        idempotency_key=f"refund:{line.refund_id}:{line.goods_id}",
    )
