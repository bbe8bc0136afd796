"""The statements on stock rows that the strategies choose from: one way to read, three ways to write a row, and one to
write many."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import connection

from charites.common.rows import SetUpdate, for_database, told_by
from stock.moves import Line, Move

READ = "SELECT goods_id, num, `lock`, sold, version FROM shopping_stock"
STAMP = "version = version + 1, updated_at = {now}"
MOVE = f"UPDATE shopping_stock SET num = {{tell}}(num + %s), `lock` = `lock` + %s, sold = sold + %s, {STAMP}"
ADD = f"{MOVE} WHERE goods_id = %s AND num >= %s AND `lock` >= %s AND sold >= %s {{told}}"
ADD_IF_UNCHANGED = f"{MOVE} WHERE goods_id = %s AND version = %s {{told}}"
SET = f"UPDATE shopping_stock SET num = {{tell}}(%s), `lock` = %s, sold = %s, {STAMP}"
OVERWRITE = f"{SET} WHERE goods_id = %s {{told}}"
ADD_ALL = SetUpdate(
    "shopping_stock",
    f"num = num + more, `lock` = `lock` + more_reserved, sold = sold + more_sold, {STAMP}",
    on="goods_id = of_goods",
    still="num >= -more AND `lock` >= -more_reserved AND sold >= -more_sold",
    by="goods_id",  # each row is locked as it is found: in the order in which they are sent
    sent={"of_goods": "number", "more": "number", "more_reserved": "number", "more_sold": "number"},
)


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
    wanted = ", ".join(["%s"] * len(goods_ids))
    locked = " FOR UPDATE" if lock and connection.features.has_select_for_update else ""
    with connection.cursor() as cursor:
        cursor.execute(f"{READ} WHERE goods_id IN ({wanted}) ORDER BY goods_id{locked}", goods_ids)
        return {row[0]: Reading(*row) for row in cursor.fetchall()}


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


def add(change: Line) -> int | None:
    """The guarded UPDATE: moves the counts where none falls below zero, and raises the version. Returns what is
    available then; None: one would have fallen."""
    return update(ADD, change, -change.available, -change.reserved, -change.sold)


def add_all(changes: Sequence[Line]) -> bool:
    """The guarded UPDATE of many rows, in goods_id order, in one statement. Returns whether each row met its guard; if
    one did not, others have changed, and the transaction has to be undone."""
    return ADD_ALL.run(changes) == len(changes)


def add_if_unchanged(change: Line, reading: Reading) -> int | None:
    """The same relative UPDATE, where the row still has the version that was read."""
    return update(ADD_IF_UNCHANGED, change, reading.version)


def write_computed(change: Line, reading: Reading) -> int | None:
    """The mistake of the unsafe strategies: the new counts are computed from what was read, some time ago."""
    counts = Line(
        change.goods_id,
        reading.available + change.available,
        reading.reserved + change.reserved,
        reading.sold + change.sold,
    )
    return update(OVERWRITE, counts)


def update(sql: str, numbers: Line, *conditions: int) -> int | None:
    """Runs an UPDATE of one row, whose parameters are three numbers, the goods_id, and the conditions. Returns what is
    available then; None: the row did not meet them."""
    goods_id, *counts = numbers
    with connection.cursor() as cursor:
        cursor.execute(for_database(sql, connection.vendor), [*counts, goods_id, *conditions])
        return told_by(cursor)
