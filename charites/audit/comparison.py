"""Orders and stock compared where each is in a database of its own.

Orders, their lines, what is left of archived orders, and the stock records are read side by side in order of the
order's number, a page at a time, so that the memory used does not depend on how many there are. The two snapshots are
of two moments; therefore an order of which anything changed lately is left for the next audit.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from charites.audit.check import MAX_IDS, Result
from charites.audit.orders_and_stock import ORDERS_AND_STOCK, OWN

PAGE_ROWS = 1000
SMALLEST_ID = -(2**63)

# (order_id, goods_id, table, quantity, status, kind, whether it is past its grace period); a column that a table lacks
# is empty.
Row = tuple[int, int, str, int, int, str, bool]
Side = tuple[Any, Any]  # a cursor inside a snapshot, and the end of the grace period there

ORDER = "SELECT order_id, 0, 'order', 0, status, '', updated_at < %s FROM shopping_order"
ARCHIVED = "SELECT order_id, 0, 'archived', 0, status, '', %s IS NOT NULL FROM shopping_order_archived"
LINE = "SELECT order_id, goods_id, 'line', num, 0, '', updated_at < %s FROM shopping_order_detail"
# What other services reserved is for orders that they have.
KIND = f"CASE WHEN kind = 'order' AND owner NOT IN {OWN} THEN 'of another' ELSE kind END"
RECORD = f"SELECT order_id, goods_id, 'record', num, status, {KIND}, updated_at < %s FROM shopping_stock_record"

ROLLED_BACK = 2
RECORD_STATUS = {100: 1, 300: ROLLED_BACK, 200: 3, 400: 3}  # of an order in this status


@dataclass(slots=True)
class Account:
    """Everything that both services know of one order number. Lines and records are by goods_id."""

    status: int | None = None  # None: there is no such order
    is_archived: bool = False  # its lines are gone; its records are still stock's
    lines: dict[int, int] = field(default_factory=dict)  # quantity
    records: dict[int, tuple[int, int, str]] = field(default_factory=dict)  # quantity, status, kind
    is_past_grace: bool = True


def compare(orders: Side, stock: Side) -> list[Result]:
    """Returns what the rules about orders and stock found, in their order."""
    results = {check.id: Result(check, "orders + stock") for check in ORDERS_AND_STOCK}
    streams = [
        read_pages(orders, ORDER, ["order_id"]),
        read_pages(orders, ARCHIVED, ["order_id"]),
        read_pages(orders, LINE, ["order_id", "goods_id"]),
        read_pages(stock, RECORD, ["order_id", "goods_id"]),
    ]
    by_order = itemgetter(0)
    for order_id, rows in groupby(heapq.merge(*streams, key=by_order), key=by_order):
        for check_id, goods_id in find_differences(make_account(rows)):
            result = results[check_id]
            result.total += 1
            if result.total <= MAX_IDS:
                result.ids.append(f"{order_id}/{goods_id}")
    return list(results.values())


def read_pages(side: Side, select: str, key: list[str]) -> Iterator[Row]:
    """Yields the rows of a table in order of its unique key.

    Every page starts behind the last key of the one before it: unlike an open cursor, which the MySQL client reads
    to its end before the first row is seen, or else keeps the connection for.
    """
    cursor, grace_end = side
    last = [SMALLEST_ID] * len(key)
    behind = " OR ".join(
        " AND ".join([*(f"{column} = %s" for column in key[:position]), f"{key[position]} > %s"])
        for position in range(len(key))
    )
    while True:
        values = [value for position in range(len(key)) for value in last[: position + 1]]
        # The first condition follows from the second; it tells MariaDB where in the index to begin.
        cursor.execute(
            f"{select} WHERE {key[0]} >= %s AND ({behind}) ORDER BY {', '.join(key)} LIMIT {PAGE_ROWS}",
            [grace_end, last[0], *values],
        )
        rows = cursor.fetchall()
        yield from rows
        if len(rows) < PAGE_ROWS:
            return
        last = list(rows[-1][: len(key)])


def make_account(rows: Iterable[Row]) -> Account:
    """Sorts the rows of one order number."""
    account = Account()
    for _, goods_id, table, quantity, status, kind, is_past_grace in rows:
        account.is_past_grace &= bool(is_past_grace)
        if table in ("order", "archived"):
            account.status, account.is_archived = status, table == "archived"
        elif table == "line":
            account.lines[goods_id] = quantity
        else:
            account.records[goods_id] = quantity, status, kind
    return account


def find_differences(account: Account) -> Iterator[tuple[str, int]]:
    """Yields (id of the rule, goods_id) of everything that does not fit; nothing of what is in its grace period."""
    if not account.is_past_grace:
        return
    for goods_id, quantity in account.lines.items():
        if account.records.get(goods_id, (None,))[0] != quantity:
            yield "I3-line-without-record", goods_id
    for goods_id, (_, status, kind) in account.records.items():
        if account.status is None:
            if kind == "order" and status != ROLLED_BACK:
                yield "I3-record-without-order", goods_id
        elif kind == "receipt":
            yield "I3-receipt-with-order", goods_id
        else:
            if goods_id not in account.lines and not account.is_archived:
                yield "I3-record-without-line", goods_id
            if status != RECORD_STATUS.get(account.status):
                yield "I4-status", goods_id
