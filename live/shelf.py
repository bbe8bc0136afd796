"""What a room shows: its products, what is left of them, and whether they can be bought now."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from goods.errors import GoodsOffSale, RoomNotFound, SaleNotStarted, SaleOver
from goods.models import Goods, Room
from goods.selectors import list_existing_rooms, list_goods_of_rooms
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
    """A product of a room. `available`, `reserved` and `sold` are pieces."""

    goods: Goods
    sale: Sale
    available: int
    reserved: int
    sold: int
    is_pinned: bool

    @property
    def total(self) -> int:
        """All pieces: those that are left, those in open orders and those that are sold."""
        return self.available + self.reserved + self.sold

    @property
    def is_open(self) -> bool:
        return self.sale is Sale.OPEN

    @property
    def is_off(self) -> bool:
        """Whether it is not for sale at all, whatever its times say."""
        return self.goods.status != Goods.Status.ON_SALE

    @property
    def is_running(self) -> bool:
        """Whether it is being sold, were there pieces."""
        return self.sale in (Sale.OPEN, Sale.SOLD_OUT)

    @property
    def may_come_back(self) -> bool:
        """Whether unpaid orders hold pieces."""
        return self.reserved > 0


@dataclass(frozen=True, slots=True)
class Shelf:
    """A room, and its products in the host's order."""

    room: Room
    items: Sequence[Item]

    def shown(self, goods_id: int | None = None) -> Item | None:
        """The product that is large: the one that somebody wants to see, or the pinned one, or the first."""
        wanted = {item.goods.goods_id: item for item in self.items}
        return (
            wanted.get(goods_id or 0)
            or wanted.get(self.room.current_goods_id or 0)
            or (self.items[0] if self.items else None)
        )


def read_shelf(*, room_id: int, now: datetime) -> Shelf:
    """A room as it is now. Raises RoomNotFound."""
    shelves = read_shelves(room_ids=[room_id], now=now)
    if not shelves:
        raise RoomNotFound(room_id=room_id)
    return shelves[0]


def read_shelves(*, room_ids: Collection[int], now: datetime) -> list[Shelf]:
    """Those of the rooms that there are, as they are now, by room_id."""
    rooms = list_existing_rooms(room_ids=room_ids)
    goods = list_goods_of_rooms(room_ids=[room.room_id for room in rooms])
    goods_ids = {product.goods_id for products in goods.values() for product in products}
    levels = {stock.goods_id: stock for stock in list_stock(goods_ids=sorted(goods_ids))}
    return [
        Shelf(room, [item_of(product, levels.get(product.goods_id), room, now) for product in goods[room.room_id]])
        for room in rooms
    ]


def item_of(goods: Goods, stock: Stock | None, room: Room, now: datetime) -> Item:
    available, reserved, sold = (stock.available, stock.reserved, stock.sold) if stock else (0, 0, 0)
    is_pinned = goods.goods_id == room.current_goods_id
    return Item(goods, sale_of(goods, available, now), available, reserved, sold, is_pinned)


def sale_of(goods: Goods, available: int, now: datetime) -> Sale:
    """What an order would be told now."""
    try:
        check_on_sale(goods, now)
    except SaleNotStarted:
        return Sale.NOT_STARTED
    except (SaleOver, GoodsOffSale):
        return Sale.OVER
    return Sale.OPEN if available > 0 else Sale.SOLD_OUT
