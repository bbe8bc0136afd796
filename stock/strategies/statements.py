"""The statements on stock rows that the strategies choose from: one way to read, three ways to write."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db.models import F
from django.db.models.functions import Now

from stock.models import Stock
from stock.moves import Line, Move


class Reading(NamedTuple):
    """A stock row as it was read."""

    goods_id: int
    available: int
    reserved: int
    sold: int
    version: int


def read_stock(goods_ids: Sequence[int], *, lock: bool) -> dict[int, Reading]:
    """Returns the stock rows by goods_id, in one SELECT, locked in goods_id order if asked."""
    if not goods_ids:
        return {}
    rows = Stock.objects.filter(goods_id__in=goods_ids).order_by("goods_id")
    if lock:
        rows = rows.select_for_update()
    return {row[0]: Reading(*row) for row in rows.values_list(*Reading._fields)}


def totals(moves: Iterable[Move]) -> list[Line]:
    """Adds up the changes of each product, in goods_id order."""
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for move in moves:
        for line in move.lines:
            change = sums[line.goods_id]
            change[0] += line.available
            change[1] += line.reserved
            change[2] += line.sold
    return [Line(goods_id, *change) for goods_id, change in sorted(sums.items()) if any(change)]


def add(change: Line) -> bool:
    """The guarded UPDATE: moves the counts where none falls below zero, and raises the version. True if it did.

    UPDATE shopping_stock SET num = num + ?, `lock` = `lock` + ?, sold = sold + ?, version = version + 1
    WHERE goods_id = ? AND num >= ? AND `lock` >= ?
    """
    changes = {"available": change.available, "reserved": change.reserved, "sold": change.sold}
    guards = {f"{column}__gte": -delta for column, delta in changes.items() if delta < 0}
    moved = {column: F(column) + delta for column, delta in changes.items() if delta}
    rows = Stock.objects.filter(goods_id=change.goods_id, **guards)
    return rows.update(**moved, version=F("version") + 1, updated_at=Now()) == 1


def add_if_unchanged(change: Line, reading: Reading) -> bool:
    """The same relative UPDATE, where the row still has the version that was read. True if it did."""
    rows = Stock.objects.filter(goods_id=change.goods_id, version=reading.version)
    return (
        rows.update(
            available=F("available") + change.available,
            reserved=F("reserved") + change.reserved,
            sold=F("sold") + change.sold,
            version=F("version") + 1,
            updated_at=Now(),
        )
        == 1
    )


def write_computed(change: Line, reading: Reading) -> bool:
    """The mistake of the unsafe strategies: the new counts are computed from what was read, some time ago."""
    Stock.objects.filter(goods_id=change.goods_id).update(
        available=reading.available + change.available,
        reserved=reading.reserved + change.reserved,
        sold=reading.sold + change.sold,
        version=F("version") + 1,
        updated_at=Now(),
    )
    return True
