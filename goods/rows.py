"""The rows of rooms' lists, written inside the transaction of a caller that has locked the room."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.models import Case, F, Min, Value, When
from django.db.models.functions import Now

from charites.common.models import MAX_INT64
from goods.errors import GoodsNotFound, GoodsNotInRoom
from goods.models import RoomGoods
from goods.selectors import list_goods

STEP = 10  # between two that are put behind the list, so that others find room between them


def store_entries(room_id: int, weights: Mapping[int, int], actor: str) -> None:
    """Puts goods (goods_id -> weight) into a list, whatever was there. Raises GoodsNotFound."""
    known = {goods.goods_id for goods in list_goods(goods_ids=list(weights))}
    for goods_id in weights:
        if goods_id not in known:
            raise GoodsNotFound(goods_id=goods_id)
    RoomGoods.objects.bulk_create(
        [
            RoomGoods(room_id=room_id, goods_id=goods_id, weight=weights[goods_id], created_by=actor, updated_by=actor)
            for goods_id in sorted(weights)
        ],
        update_conflicts=True,
        update_fields=["weight", "is_deleted", "updated_by", "updated_at"],
        unique_fields=conflict_target(),
    )


def append_entries(room_id: int, goods_ids: Sequence[int], actor: str) -> list[int]:
    """Puts goods behind a list, in this order, and returns which: those that are there already stay where they are.
    Raises GoodsNotFound."""
    listed = RoomGoods.objects.filter(room_id=room_id, is_deleted=False)
    there = set(listed.filter(goods_id__in=goods_ids).values_list("goods_id", flat=True))
    added = [goods_id for goods_id in dict.fromkeys(goods_ids) if goods_id not in there]
    if not added:
        return []
    lowest = listed.aggregate(lowest=Min("weight"))["lowest"]
    above = STEP * (len(added) + 1) if lowest is None else lowest
    weights = {goods_id: max(above - STEP * place, -MAX_INT64) for place, goods_id in enumerate(added, start=1)}
    store_entries(room_id, weights, actor)
    return added


def move_entries(room_id: int, weights: Mapping[int, int], actor: str) -> None:
    """Gives goods (goods_id -> weight) of a list another place. Raises GoodsNotInRoom."""
    if not weights:
        return
    listed = RoomGoods.objects.filter(room_id=room_id, goods_id__in=weights, is_deleted=False)
    there = set(listed.values_list("goods_id", flat=True))
    for goods_id in weights:
        if goods_id not in there:
            raise GoodsNotInRoom(goods_id=goods_id, room_id=room_id)
    weight = Case(*(When(goods_id=goods_id, then=Value(new)) for goods_id, new in weights.items()))
    listed.update(weight=weight, **changed_by(actor))


def changed_by(actor: str) -> dict[str, Any]:
    """What every change of a row writes."""
    return {"updated_by": actor, "updated_at": Now(), "version": F("version") + 1}


def deleted_by(actor: str) -> dict[str, Any]:
    return {"is_deleted": True, **changed_by(actor)}


def conflict_target() -> list[str] | None:
    """The unique key of a room's list, where the database wants it named."""
    return ["goods_id", "room_id"] if connection.features.supports_update_conflicts_with_target else None
