"""What orders need to know of goods and rooms, from this database or from the goods service."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.conf import settings

from goods import selectors
from goods.models import Goods


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Goods by goods_id, and which of the rooms exist."""

    goods: Mapping[int, Goods]
    rooms: Collection[int]


def read_catalogue(*, goods_ids: Collection[int], room_ids: Collection[int]) -> Catalogue:
    """Reads these goods and rooms; those that do not exist are left out. Raises GoodsCallFailed in the split form."""
    if "goods" in settings.APPS:
        goods = selectors.list_goods(goods_ids=sorted(goods_ids))
        rooms = {room.room_id for room in selectors.list_existing_rooms(room_ids=room_ids)} if room_ids else set()
    else:
        from orders import remote  # noqa: PLC0415 (only the split form loads it)

        goods = remote.list_goods(goods_ids=sorted(goods_ids))
        rooms = remote.list_existing_rooms(room_ids=sorted(room_ids))
    return Catalogue({row.goods_id: row for row in goods}, rooms)
