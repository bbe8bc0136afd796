"""What orders need to know of goods and rooms, from this database or from the goods service."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from time import monotonic

from django.conf import settings

from charites.common.recent import Recent
from goods import selectors
from goods.models import Goods

SECONDS = 0.5

_goods: Recent[int, Goods] = Recent(SECONDS)
_rooms: Recent[int, bool] = Recent(SECONDS)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Goods by goods_id, and which of the rooms exist."""

    goods: Mapping[int, Goods]
    rooms: Collection[int | None]


def read_catalogue(*, goods_ids: Collection[int], room_ids: Collection[int]) -> Catalogue:
    """Reads these goods and rooms; those that do not exist are left out. Raises GoodsCallFailed in the split form."""
    read_at = monotonic()
    if "goods" in settings.APPS:
        goods = selectors.list_goods(goods_ids=sorted(goods_ids))
        rooms = {room.room_id for room in selectors.list_existing_rooms(room_ids=room_ids)} if room_ids else set()
    else:
        from orders import remote  # noqa: PLC0415 (only the split form loads it)

        goods = remote.list_goods(goods_ids=sorted(goods_ids))
        rooms = remote.list_existing_rooms(room_ids=sorted(room_ids))
    for row in goods:
        _goods.note(row.goods_id, row, read_at=read_at)
    for room_id in rooms:
        _rooms.note(room_id, True, read_at=read_at)
    return Catalogue({row.goods_id: row for row in goods}, rooms)


def recall(*, goods_id: int, room_id: int | None) -> Catalogue | None:
    """A product, and the room if there is one, as they were read here a moment ago. They decide over no order: an order
    that is placed reads them anew."""
    goods = _goods.get(goods_id)
    if goods is None or (room_id is not None and _rooms.get(room_id) is None):
        return None
    return Catalogue({goods_id: goods}, {room_id})


def clear() -> None:
    """Forgets what was read."""
    _goods.clear()
    _rooms.clear()
