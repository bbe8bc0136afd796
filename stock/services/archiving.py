"""Stock records of archived orders: one record a product takes their place, so `sold` stays the sum of the records.

What was rolled back counts for nothing, and goes.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from django.db import IntegrityError

from charites.common.rows import SetUpdate
from charites.common.transactions import Stale, expect_rows, required
from stock.models import ARCHIVED_ORDERS, StockRecord

DEDUCTED, ROLLED_BACK = StockRecord.Status.DEDUCTED, StockRecord.Status.ROLLED_BACK
ADD_SOLD = SetUpdate(
    "shopping_stock_record",
    "num = num + more, version = version + 1, updated_at = {now}",
    on=f"order_id = {ARCHIVED_ORDERS} AND goods_id = of_goods",
    still=f"status = {DEDUCTED.value}",
    by="shopping_stock_record_unique",
    sent={"of_goods": "number", "more": "number"},
)


def lock_records(*, order_ids: Collection[int]) -> list[StockRecord]:
    """Locks the records of orders inside the caller's transaction; returns them by order and product."""
    required()
    records = StockRecord.objects.filter(order_id__in=order_ids).order_by("order_id", "goods_id")
    return list(records.select_for_update())


def carry_over(*, records: Sequence[StockRecord]) -> None:
    """Deletes locked records that have ended, and adds what they sold to the record of archived orders of each product.
    Inside the caller's transaction. Raises Stale where one of them has not ended, or another archiving was faster."""
    required()
    if not records:
        return
    ended = StockRecord.objects.filter(pk__in=[record.pk for record in records], status__in=(DEDUCTED, ROLLED_BACK))
    expect_rows(ended.delete()[0], len(records))
    sold: Counter[int] = Counter()
    for record in records:
        sold[record.goods_id] += record.num if record.status == DEDUCTED else 0
    add_sold({goods_id: number for goods_id, number in sorted(sold.items()) if number})


def add_sold(sold: dict[int, int]) -> None:
    """Adds to the records of archived orders; makes those that are missing."""
    carried = StockRecord.objects.filter(order_id=ARCHIVED_ORDERS, goods_id__in=sold).order_by("goods_id")
    known = set(carried.select_for_update().values_list("goods_id", flat=True)) if sold else set()
    if known:
        expect_rows(ADD_SOLD.run([(goods_id, sold[goods_id]) for goods_id in sorted(known)]), len(known))
    new = [
        StockRecord(
            order_id=ARCHIVED_ORDERS,
            goods_id=goods_id,
            num=number,
            status=DEDUCTED,
            kind=StockRecord.Source.ARCHIVE,
        )
        for goods_id, number in sold.items()
        if goods_id not in known
    ]
    try:
        StockRecord.objects.bulk_create(new)
    except IntegrityError as error:
        raise Stale("records of archived orders") from error
