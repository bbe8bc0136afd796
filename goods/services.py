"""What staff change about rooms and their goods."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from django.db import IntegrityError
from django.db.models.functions import Now

from charites.common import hints
from charites.common.transactions import Undone, after_commit, nobody_can_tell, run
from goods import remembered
from goods.announcements import announce_pinned
from goods.errors import GoodsNotFound, GoodsNotInRoom, RoomNotFound
from goods.events import GOODS_PINNED
from goods.models import Goods, Room, RoomGoods
from goods.rows import append_entries, changed_by, deleted_by, move_entries, store_entries
from goods.selectors import list_goods, list_stored
from goods.typed import goods_columns, room_columns, tidy_goods, tidy_room

Result = TypeVar("Result")
ROWS_AT_ONCE = 100  # of products whose columns are written by one statement


@dataclass(frozen=True, slots=True)
class Entry:
    """A product in a room's list; the highest weight comes first."""

    goods_id: int
    weight: int = 0


@dataclass(frozen=True, slots=True)
class NewValues:
    """New values for columns of a product, whose version was read before."""

    goods_id: int
    version: int
    values: Mapping[str, Any]


def change(
    work: Callable[[], Result],
    *,
    name: str,
    goods: Iterable[int] = (),
    rooms: Iterable[int] = (),
    find: Callable[[], Result | Undone] = nobody_can_tell,
) -> Result:
    """Runs a change of these goods and rooms; what was remembered of them is forgotten, and who looks on is told to
    look again, however it ends."""
    try:
        return run(work, name=name, find=find)
    finally:
        remembered.forget()
        hints.tell(goods=goods, rooms=rooms)


def pin_goods(*, room_id: int, goods_id: int | None) -> Room:
    """Pins a product of the room's list: the one that the host presents now. None unpins it.

    Raises RoomNotFound, GoodsNotFound, GoodsNotInRoom, Busy, OutcomeUnknown. The same again is harmless.
    """

    pinned_before = goods_id

    def pin() -> Room:
        nonlocal pinned_before
        room = lock_room(room_id)
        if goods_id is not None:
            check_listed(room_id, goods_id)
        pinned_before = room.current_goods_id
        write_pin(room, goods_id)
        return room

    def find() -> Room | Undone:
        """After a COMMIT without a reply. If something else is there, somebody may have been here since."""
        room = lock_room(room_id)
        return room if room.current_goods_id == goods_id else Undone.UNKNOWN

    room = change(pin, name="pin_goods", rooms=[room_id], find=find)
    if pinned_before != goods_id:
        tell_pinned(room_id, goods_id)
    return room


def unpin_goods(*, room_id: int, goods_id: int) -> bool:
    """Unpins a product; another one that is pinned in the room by now stays so. Returns whether it was pinned. Raises
    Busy, OutcomeUnknown. The same again is harmless."""
    pinned = Room.objects.filter(room_id=room_id, is_deleted=False, current_goods_id=goods_id)

    def find() -> bool | Undone:
        """After a COMMIT without a reply. If it is there, somebody may have pinned it since."""
        return Undone.UNKNOWN if pinned.select_for_update().first() else True

    def unpin() -> bool:
        unpinned = pinned.update(current_goods_id=None, updated_at=Now()) > 0
        if unpinned:
            announce_pinned([room_id], None)
        return unpinned

    was_pinned = change(unpin, name="unpin_goods", rooms=[room_id], find=find)
    if was_pinned:
        tell_pinned(room_id, None)
    return was_pinned


def tell_pinned(room_id: int, goods_id: int | None) -> None:
    GOODS_PINNED.tell(str(room_id), None if goods_id is None else str(goods_id))


def check_listed(room_id: int, goods_id: int) -> None:
    """Raises GoodsNotFound, GoodsNotInRoom."""
    if not list_goods(goods_ids=[goods_id]):
        raise GoodsNotFound(goods_id=goods_id)
    if not RoomGoods.objects.filter(room_id=room_id, goods_id=goods_id, is_deleted=False).exists():
        raise GoodsNotInRoom(goods_id=goods_id, room_id=room_id)


def write_pin(room: Room, goods_id: int | None) -> None:
    """Writes what is pinned in a locked room."""
    Room.objects.filter(pk=room.pk).update(current_goods_id=goods_id, updated_at=Now())
    if room.current_goods_id != goods_id:
        announce_pinned([room.room_id], goods_id)
    room.current_goods_id = goods_id


def add_room_goods(*, room_id: int, entries: Sequence[Entry], actor: str) -> list[RoomGoods]:
    """Puts goods into a room's list; one that is there gets the new weight, one that was taken out is revived.

    Returns the rows of the entries, by goods_id. Raises RoomNotFound, GoodsNotFound, Busy, OutcomeUnknown. The same
    again is harmless.
    """

    weights = {entry.goods_id: entry.weight for entry in entries}

    def add() -> list[RoomGoods]:
        lock_room(room_id)
        store_entries(room_id, weights, actor)
        return list(RoomGoods.objects.filter(room_id=room_id, goods_id__in=weights).order_by("goods_id"))

    return change(add, name="add_room_goods", rooms=[room_id])


def append_room_goods(*, room_id: int, goods_ids: Sequence[int], actor: str) -> list[int]:
    """Puts goods behind a room's list, in this order; those that are there already stay where they are.

    Returns which were put there. Raises RoomNotFound, GoodsNotFound, Busy, OutcomeUnknown. The same again is harmless.
    """

    def append() -> list[int]:
        lock_room(room_id)
        return append_entries(room_id, goods_ids, actor)

    return change(append, name="append_room_goods", rooms=[room_id])


def remove_room_goods(*, room_id: int, goods_ids: Sequence[int], actor: str) -> list[int]:
    """Takes goods out of a room's list, and unpins them. Returns which were there. Raises RoomNotFound, Busy,
    OutcomeUnknown."""

    def remove() -> list[int]:
        room = lock_room(room_id)
        listed = RoomGoods.objects.filter(room_id=room_id, goods_id__in=goods_ids, is_deleted=False)
        there = list(listed.order_by("goods_id").values_list("goods_id", flat=True))
        listed.update(**deleted_by(actor))
        if room.current_goods_id in goods_ids:
            write_pin(room, None)
            after_commit(partial(tell_pinned, room_id, None))
        return there

    return change(remove, name="remove_room_goods", rooms=[room_id])


def set_goods_status(*, goods_ids: Sequence[int], status: Goods.Status, actor: str) -> list[int]:
    """Puts goods on or off sale; returns which of them were not so. Raises Busy, OutcomeUnknown."""

    def write() -> list[int]:
        others = Goods.objects.filter(goods_id__in=goods_ids, is_deleted=False).exclude(status=status)
        changed = list(others.select_for_update().order_by("goods_id").values_list("goods_id", flat=True))
        Goods.objects.filter(goods_id__in=changed).update(**changed_by(actor), status=status)
        return changed

    return change(write, name="set_goods_status", goods=goods_ids)


def add_goods(*, goods: Goods, added_picture: str = "", actor: str) -> None:
    """Stores a new product, without stock; `added_picture`: an address that comes behind its pictures. Raises Invalid,
    IntegrityError when its goods_id is taken, Busy, OutcomeUnknown."""
    tidy_goods(goods)
    goods.created_by = goods.updated_by = actor
    goods.head_imgs = with_picture(goods.head_imgs, added_picture)
    change(lambda: goods.save(force_insert=True), name="add_goods")


def change_goods(*, goods_id: int, values: Mapping[str, Any], added_picture: str = "", actor: str) -> None:
    """Writes the given columns of a product and no others; `added_picture`: an address that comes behind the pictures
    that are given or, without any, behind those that it has by then. Raises Invalid, GoodsNotFound, also for a deleted
    one, Busy, OutcomeUnknown."""
    values = goods_columns(values)
    rows = Goods.objects.filter(goods_id=goods_id, is_deleted=False)

    def write() -> int:
        columns = dict(values)
        if added_picture:
            locked = rows.select_for_update().first()
            before = columns.get("head_imgs", locked.head_imgs if locked else [])
            columns["head_imgs"] = with_picture(before, added_picture)
        return rows.update(**columns, **changed_by(actor))

    if not change(write, name="change_goods", goods=[goods_id]):
        raise GoodsNotFound(goods_id=goods_id)


def with_picture(addresses: Sequence[str], added: str) -> list[str]:
    return [*addresses, added] if added else [*addresses]


def store_goods(*, added: Sequence[Goods], changed: Sequence[NewValues], actor: str) -> list[int]:
    """Stores new products, without stock, and writes columns of others; all or nothing.

    Nothing, where somebody has changed or deleted one of the others since its version was read, or has taken the
    goods_id of a new one: then returns the ids of those. Raises Invalid, Busy, OutcomeUnknown.
    """
    for goods in added:
        tidy_goods(goods)
        goods.created_by = goods.updated_by = actor
    values = {new.goods_id: goods_columns(new.values) for new in changed}
    read = {new.goods_id: new.version for new in changed}

    def store() -> list[int]:
        locked = Goods.objects.select_for_update().filter(goods_id__in=read, is_deleted=False).order_by("goods_id")
        rows = list(locked)
        versions = {goods.goods_id: goods.version for goods in rows}
        if overtaken := [goods_id for goods_id, version in read.items() if versions.get(goods_id) != version]:
            return overtaken
        write_values(rows, {goods_id: new | changed_by(actor) for goods_id, new in values.items()})
        Goods.objects.bulk_create(copy(goods) for goods in sorted(added, key=lambda goods: goods.goods_id))
        return []

    new_ids = [goods.goods_id for goods in added]
    try:
        return change(store, name="store_goods", goods=[*read, *new_ids])
    except IntegrityError:
        if taken := [goods.goods_id for goods in list_stored(goods_ids=new_ids)]:
            return taken
        raise


def write_values(rows: Sequence[Goods], values: Mapping[int, Mapping[str, Any]]) -> None:
    """Writes columns of locked rows (goods_id -> column -> value); a column that only others change is written as it
    is."""
    for goods in rows:
        for name, value in values[goods.goods_id].items():
            setattr(goods, name, value)
    if names := sorted({name for new in values.values() for name in new}):
        Goods.objects.bulk_update(rows, names, batch_size=ROWS_AT_ONCE)


def delete_goods(*, goods_ids: Sequence[int], actor: str) -> int:
    """Marks goods as deleted and takes them out of every room's list, also where they are pinned; returns how many.

    A deleted product keeps its id for good; orders that were placed before go on. Raises Busy, OutcomeUnknown.
    """

    def delete() -> int:
        listed = RoomGoods.objects.filter(goods_id__in=goods_ids, is_deleted=False)
        rooms = Room.objects.filter(room_id__in=list(listed.values_list("room_id", flat=True)))
        locked = list(rooms.select_for_update().order_by("room_id"))
        listed.update(**deleted_by(actor))
        pinned = [room for room in locked if room.current_goods_id in goods_ids]
        rooms.filter(current_goods_id__in=goods_ids).update(current_goods_id=None, updated_at=Now())
        announce_pinned([room.room_id for room in pinned], None)
        for room in pinned:
            after_commit(partial(tell_pinned, room.room_id, None))
        return Goods.objects.filter(goods_id__in=goods_ids, is_deleted=False).update(**deleted_by(actor))

    return change(delete, name="delete_goods", goods=goods_ids)


def add_room(*, room: Room) -> None:
    """Stores a new room with an empty list. Raises Invalid, IntegrityError when its room_id is taken, Busy,
    OutcomeUnknown."""
    tidy_room(room)
    change(lambda: room.save(force_insert=True), name="add_room")


def change_room(
    *,
    room_id: int,
    values: Mapping[str, Any],
    moved: Mapping[int, int] = MappingProxyType({}),
    added: Sequence[int] = (),
    actor: str = "",
) -> list[int]:
    """Writes the given columns of a room and no others, gives goods of its list another weight (`moved`), and puts
    others behind it (`added`); all or nothing. Pinning has a function of its own.

    Returns which were put there: what is there already stays where it is. Raises Invalid, RoomNotFound, GoodsNotFound,
    GoodsNotInRoom, Busy, OutcomeUnknown.
    """
    values = room_columns(values)
    rows = Room.objects.filter(room_id=room_id, is_deleted=False)

    def write() -> list[int]:
        if not rows.update(**values, updated_at=Now()):
            raise RoomNotFound(room_id=room_id)
        move_entries(room_id, moved, actor)
        return append_entries(room_id, added, actor)

    return change(write, name="change_room", rooms=[room_id])


def delete_rooms(*, room_ids: Sequence[int]) -> int:
    """Marks rooms as deleted; returns how many. Their goods stay in other rooms. Raises Busy, OutcomeUnknown."""
    rooms = Room.objects.filter(room_id__in=room_ids, is_deleted=False)
    return change(lambda: rooms.update(is_deleted=True, updated_at=Now()), name="delete_rooms", rooms=room_ids)


def lock_room(room_id: int) -> Room:
    """The row that guards a room's list and what is pinned there."""
    room = Room.objects.select_for_update().filter(room_id=room_id, is_deleted=False).first()
    if room is None:
        raise RoomNotFound(room_id=room_id)
    return room
