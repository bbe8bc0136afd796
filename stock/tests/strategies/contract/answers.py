"""What the contract suite reads: the statuses of moves, and the records that they left."""

from stock.models import StockRecord
from stock.moves import Outcome, Status


def statuses(outcomes: list[Outcome]) -> list[Status]:
    return [outcome.status for outcome in outcomes]


def records() -> list[tuple[int, int, int, int]]:
    """Returns (order_id, goods_id, num, status) of every record."""
    return list(
        StockRecord.objects.order_by("order_id", "goods_id").values_list("order_id", "goods_id", "num", "status")
    )
