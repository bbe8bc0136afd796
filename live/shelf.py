"""What a room shows: its products, what is left of them, and whether they can be bought now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from goods.errors import GoodsOffSale, SaleNotStarted, SaleOver
from goods.models import Goods, Room
from goods.selectors import get_room, list_room_goods
from orders.services.checking import check_on_sale
from stock.models import Stock
from stock.selectors import list_stock


class Sale(StrEnum):
    """Whether a product can be bought; the values stand in the page."""

    OPEN = "open"
    SOLD_OUT = "sold-out"
    NOT_STARTED = "not-started"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Item:
    """A product of a room. `available` and `total` are pieces; `total` are all that have not been sold."""

    goods: Goods
    sale: Sale
    available: int
    total: int
    is_pinned: bool

    @property
    def is_open(self) -> bool:
        return self.sale is Sale.OPEN

    @property
    def may_come_back(self) -> bool:
        """Whether unpaid orders hold pieces."""
        return self.total > self.available


@dataclass(frozen=True, slots=True)
class Shelf:
    """A room, and its products in the host's order; `shown` is the one that is large."""

    room: Room
    items: Sequence[Item]
    shown: Item | None


def read_shelf(*, room_id: int, goods_id: int | None, now: datetime) -> Shelf:
    """A room as it is now. `goods_id`: whom somebody wants to see large, instead of the pinned product. Raises
    RoomNotFound."""
    room = get_room(room_id=room_id)
    goods = list_room_goods(room_id=room_id)
    levels = {stock.goods_id: stock for stock in list_stock(goods_ids=[product.goods_id for product in goods])}
    items = [item_of(product, levels.get(product.goods_id), room, now) for product in goods]
    wanted = {item.goods.goods_id: item for item in items}
    shown = wanted.get(goods_id or 0) or wanted.get(room.current_goods_id or 0) or (items[0] if items else None)
    return Shelf(room, items, shown)


def item_of(goods: Goods, stock: Stock | None, room: Room, now: datetime) -> Item:
    available = stock.available if stock else 0
    total = available + (stock.reserved if stock else 0)
    return Item(goods, sale_of(goods, available, now), available, total, goods.goods_id == room.current_goods_id)


def sale_of(goods: Goods, available: int, now: datetime) -> Sale:
    """What an order would be told now."""
    try:
        check_on_sale(goods, now)
    except SaleNotStarted:
        return Sale.NOT_STARTED
    except (SaleOver, GoodsOffSale):
        return Sale.OVER
    return Sale.OPEN if available > 0 else Sale.SOLD_OUT
