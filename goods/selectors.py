"""Reading rooms and goods."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, Max, OuterRef, Q, QuerySet, Subquery

from charites.common.pages import Cursor, Page, along, read_page
from goods.errors import GoodsNotFound, RoomNotFound
from goods.models import Goods, Room, RoomGoods

EXISTING = "SELECT * FROM shopping_goods WHERE is_deleted = FALSE"


@dataclass(frozen=True, slots=True)
class RoomWithGoods:
    room_id: int
    current_goods_id: int | None
    goods: list[Goods]


class LiveRoom(NamedTuple):
    room: Room
    pinned: Goods | None


def page_rooms(status: Room.Status | None, cursor: Cursor) -> Page[Room]:
    """Returns a page of rooms, by room_id: those of a status, or (None) all."""
    rooms = Room.objects.filter(is_deleted=False).order_by("room_id")
    return read_page(rooms if status is None else along(rooms, "room_id", status=status), "room_id", cursor)


def list_live_rooms() -> list[LiveRoom]:
    """Returns the first page of live rooms, by room_id, each with the product that is pinned there."""
    rooms = page_rooms(Room.Status.LIVE, Cursor()).items
    wanted = sorted({room.current_goods_id for room in rooms if room.current_goods_id})
    pinned = {goods.goods_id: goods for goods in list_goods(goods_ids=wanted)}
    return [LiveRoom(room, pinned.get(room.current_goods_id or 0)) for room in rooms]


def list_existing_rooms(*, room_ids: Collection[int]) -> list[Room]:
    """Returns those of the rooms that exist and are not deleted, by room_id."""
    return list(Room.objects.filter(room_id__in=room_ids, is_deleted=False).order_by("room_id"))


def list_newest_rooms(*, limit: int) -> list[Room]:
    """Returns the rooms that were made last and are not deleted, newest first."""
    return list(Room.objects.filter(is_deleted=False).order_by("-pk")[:limit])


def get_room(*, room_id: int) -> Room:
    """Returns a room. Raises RoomNotFound."""
    room = Room.objects.filter(room_id=room_id, is_deleted=False).first()
    if room is None:
        raise RoomNotFound(room_id=room_id)
    return room


def get_room_goods(*, room_id: int) -> RoomWithGoods:
    """Returns a room's goods and which of them is pinned. Raises RoomNotFound."""
    room = get_room(room_id=room_id)
    return RoomWithGoods(room.room_id, room.current_goods_id, list_room_goods(room_id=room_id))


def list_room_goods(*, room_id: int) -> list[Goods]:
    """Returns the goods of a room, highest weight first; off-sale goods are included, deleted ones are not."""
    return list_goods_of_rooms(room_ids=[room_id])[room_id]


def list_goods_of_rooms(*, room_ids: Collection[int]) -> dict[int, list[Goods]]:
    """Returns room_id -> its goods, as `list_room_goods` does for one."""
    entries = RoomGoods.objects.filter(room_id__in=room_ids, is_deleted=False).order_by("-weight", "goods_id")
    listed = list(entries.values_list("room_id", "goods_id"))
    known = {goods.goods_id: goods for goods in list_goods(goods_ids=sorted({goods_id for _, goods_id in listed}))}
    shelves: dict[int, list[Goods]] = {room_id: [] for room_id in room_ids}
    for room_id, goods_id in listed:
        if goods_id in known:
            shelves[room_id].append(known[goods_id])
    return shelves


def get_goods(*, goods_id: int) -> Goods:
    """Returns one product. Raises GoodsNotFound, also for a deleted one."""
    found = list_goods(goods_ids=[goods_id])
    if not found:
        raise GoodsNotFound(goods_id=goods_id)
    return found[0]


def list_goods(*, goods_ids: Sequence[int]) -> list[Goods]:
    """Returns those of the goods that exist and are not deleted, by goods_id.

    Every order asks for it. To put this statement together anew takes the ORM longer than the database to answer.
    """
    if not goods_ids:
        return []
    wanted = ", ".join(["%s"] * len(goods_ids))
    return list(Goods.objects.raw(f"{EXISTING} AND goods_id IN ({wanted}) ORDER BY goods_id", list(goods_ids)))


def list_stored(*, goods_ids: Collection[int]) -> list[Goods]:
    """Returns those of the goods that exist or once did, by goods_id."""
    return list(Goods.objects.filter(goods_id__in=goods_ids).order_by("goods_id"))


def list_on_sale(*, now: datetime, limit: int, among: int) -> list[int]:
    """Returns the ids of the newest products whose sale is not over, `limit` at most, of the `among` newest that there
    are; not started yet is on sale, too."""
    newest = Goods.objects.aggregate(newest=Max("pk"))["newest"] or 0
    going_on = Q(sale_ends_at=None) | Q(sale_ends_at__gt=now)
    on_sale = Goods.objects.filter(going_on, pk__gt=newest - among, status=Goods.Status.ON_SALE, is_deleted=False)
    return list(on_sale.order_by("-pk").values_list("goods_id", flat=True)[:limit])


def list_titles(*, goods_ids: Collection[int]) -> list[tuple[int, int, str, bool]]:
    """Returns goods_id, key, title, and whether it is deleted, of those of the goods that exist or once did, by
    goods_id."""
    rows = Goods.objects.filter(goods_id__in=goods_ids).order_by("goods_id")
    return list(rows.values_list("goods_id", "pk", "title", "is_deleted"))


def list_newest_titles(*, limit: int) -> list[tuple[int, int, str]]:
    """Returns goods_id, key and title of the products that were made last and are not deleted, newest first."""
    rows = Goods.objects.filter(is_deleted=False).order_by("-pk")
    return list(rows.values_list("goods_id", "pk", "title")[:limit])


def with_goods(entries: QuerySet[RoomGoods]) -> QuerySet[RoomGoods]:
    """Adds to entries of rooms' lists, in the same query: `goods_key` and `goods_title`, of the product, and whether it
    is `pinned` in its room."""
    goods = Goods.objects.filter(goods_id=OuterRef("goods_id"))
    pinned = Room.objects.filter(room_id=OuterRef("room_id"), current_goods_id=OuterRef("goods_id"))
    key, title = Subquery(goods.values("pk")), Subquery(goods.values("title"))
    return entries.annotate(goods_key=key, goods_title=title, pinned=Exists(pinned))


def list_entries(*, room_id: int) -> list[RoomGoods]:
    """Returns the list of a room as rows, highest weight first, with what `with_goods` adds."""
    entries = RoomGoods.objects.filter(room_id=room_id, is_deleted=False)
    return list(with_goods(entries).order_by("-weight", "goods_id"))


def list_entries_of_goods(*, goods_id: int) -> list[RoomGoods]:
    """Returns the rows of rooms' lists that hold a product, by room."""
    return list(with_goods(RoomGoods.objects.filter(goods_id=goods_id, is_deleted=False)).order_by("room_id"))
