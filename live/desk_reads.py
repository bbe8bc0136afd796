"""What a desk shows: the room and its shelf, what was ordered last, and how it sold in the last minutes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from charites.common.line_chart import Line, draw
from charites.common.recent import Recent
from live.shelf import Item, Shelf, read_shelf
from orders.sales import SalesMinute, list_newest_orders, list_sales
from orders.selectors import OrderWithLines

ORDERS_SHOWN = 12
MINUTES_SHOWN = 15


@dataclass(frozen=True, slots=True)
class Sales:
    """The last orders, and the last minutes, oldest first."""

    orders: Sequence[OrderWithLines]
    minutes: Sequence[SalesMinute]

    @property
    def order_count(self) -> int:
        return sum(minute.orders for minute in self.minutes)

    @property
    def paid_amount(self) -> int:
        return sum(minute.paid_amount for minute in self.minutes)

    @property
    def is_cut(self) -> bool:
        """Whether the shop sells so much that older minutes are not counted."""
        return len(self.minutes) < MINUTES_SHOWN

    @property
    def order_line(self) -> Line:
        return draw([minute.orders for minute in self.minutes])

    @property
    def paid_line(self) -> Line:
        return draw([minute.paid_amount for minute in self.minutes])


@dataclass(frozen=True, slots=True)
class Desk:
    """`sales`: None for a host who may not see orders."""

    shelf: Shelf
    sales: Sales | None

    @property
    def pinned(self) -> Item | None:
        return next((item for item in self.shelf.items if item.is_pinned), None)


def read_desk(*, room_id: int, with_orders: bool, now: datetime) -> Desk:
    """A desk as it is now. Raises RoomNotFound."""
    shelf = read_shelf(room_id=room_id, now=now)
    return Desk(shelf, recent_sales(tuple(item.goods.goods_id for item in shelf.items), now) if with_orders else None)


SALES_SECONDS = 1.0  # room.js looks again when they are over
SALES: Recent[tuple[int, ...], Sales] = Recent(SALES_SECONDS, 100)


def recent_sales(goods_ids: tuple[int, ...], now: datetime) -> Sales:
    """What is sold of these products, in whatever room; kept for a second, and read anew by one of those who look."""
    found = SALES.recall(goods_ids)
    if found is None:
        read_at = time.monotonic()
        found = read_sales(goods_ids, now)
        SALES.note(goods_ids, found, read_at=read_at)
    return found


def read_sales(goods_ids: Sequence[int], now: datetime) -> Sales:
    orders = list_newest_orders(goods_ids=goods_ids, limit=ORDERS_SHOWN)
    return Sales(orders, list_sales(goods_ids=goods_ids, minutes=MINUTES_SHOWN, now=now))
