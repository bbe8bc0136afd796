"""A room of the demo as it was when it was seeded, for the next visitor. What was paid stays sold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from goods.models import Goods
from goods.selectors import get_room, list_room_goods
from goods.services import change_goods, pin_goods
from lab.crowd.users import all_names
from lab.demo.fixture_catalogue import read_catalogue
from orders.models import Order, OrderDetail
from orders.services import cancel_orders
from stock.selectors import list_stock
from stock.services import Adjustment, adjust_stock

ACTOR = "demo reset"
MOST_ORDERS = 2_000  # unpaid ones that are looked at; whoever presses again gets on


@dataclass(frozen=True, slots=True)
class Reset:
    """What was done: orders that were cancelled, orders that could not be, products whose stock and whose sale was
    another one, and whether another product was pinned."""

    cancelled: int
    kept: int
    restocked: int
    changed: int
    is_pinned: bool


class NotOfTheDemo(Exception):
    """The catalogue has no such room."""


@cache
def seeded_rooms() -> dict[int, dict[str, Any]]:
    return {room["room_id"]: room for room in read_catalogue()["rooms"]}


@cache
def seeded_goods() -> dict[int, dict[str, Any]]:
    return {entry["goods_id"]: entry for entry in read_catalogue()["goods"]}


def reset_room(*, room_id: int, now: datetime) -> Reset:
    """Cancels the unpaid orders of the crowd and of the demo's users for what the room sells, then sets its products as
    the catalogue has them, without a time of sale. Products that are not the catalogue's are left alone.

    Raises NotOfTheDemo, RoomNotFound, and what the services raise; what is done by then stays done, and the same again
    does the rest.
    """
    if room_id not in seeded_rooms():
        raise NotOfTheDemo
    goods = [product for product in list_room_goods(room_id=room_id) if product.goods_id in seeded_goods()]
    errors = cancel_unpaid([product.goods_id for product in goods], now)
    restocked = restock([product.goods_id for product in goods])
    changed = [product for product in goods if set_sale(product)]
    is_pinned = pin_seeded(room_id, goods)
    kept = sum(error is not None for error in errors)
    return Reset(len(errors) - kept, kept, restocked, len(changed), is_pinned)


def cancel_unpaid(goods_ids: Sequence[int], now: datetime) -> list[Exception | None]:
    """Returns for each order None, or why it could not be cancelled."""
    order_ids = list_unpaid(goods_ids)
    errors: list[Exception | None] = []
    for start in range(0, len(order_ids), settings.ORDER_TIMEOUT_BATCH):
        some = order_ids[start : start + settings.ORDER_TIMEOUT_BATCH]
        errors += cancel_orders(order_ids=some, closed_by=Order.ClosedBy.STAFF, now=now).values()
    return errors


def list_unpaid(goods_ids: Sequence[int]) -> list[int]:
    """The numbers of unpaid orders of the demo's users and the crowd's that hold one of the products."""
    names = [entry["username"] for entry in read_catalogue()["users"]] + all_names()
    user_ids = list(User.objects.filter(username__in=names).values_list("pk", flat=True))
    unpaid = Order.objects.filter(status=Order.Status.UNPAID, user_id__in=user_ids).order_by("order_id")
    order_ids = list(unpaid.values_list("order_id", flat=True)[:MOST_ORDERS])
    lines = OrderDetail.objects.filter(order_id__in=order_ids, goods_id__in=goods_ids)
    return sorted(set(lines.values_list("order_id", flat=True)))


def restock(goods_ids: Sequence[int]) -> int:
    """Sets what is available, all or none; returns of how many products it was another number."""
    targets = {goods_id: seeded_goods()[goods_id]["stock"] for goods_id in goods_ids}
    adjustments = [
        Adjustment(goods_id=goods_id, target=target, reason=ACTOR, actor=ACTOR) for goods_id, target in targets.items()
    ]
    levels = {stock.goods_id: stock.available for stock in list_stock(goods_ids=sorted(targets))}
    if adjustments:
        adjust_stock(adjustments=adjustments)
    return sum(levels.get(goods_id) != target for goods_id, target in targets.items())


def set_sale(product: Goods) -> bool:
    """Sets whether and how a product is sold; returns whether anything was different."""
    entry = seeded_goods()[product.goods_id]
    wanted = {
        "status": entry["status"],
        "limit_per_buyer": entry.get("limit_per_buyer", 0),
        "sale_starts_at": None,
        "sale_ends_at": None,
    }
    values = {name: value for name, value in wanted.items() if getattr(product, name) != value}
    if values:
        change_goods(goods_id=product.goods_id, values=values, actor=ACTOR)
    return bool(values)


def pin_seeded(room_id: int, goods: Sequence[Goods]) -> bool:
    """Pins what was pinned at first, unless somebody has taken it out of the room; returns whether that was another
    one."""
    pinned = seeded_rooms()[room_id]["current_goods_id"]
    was_pinned = get_room(room_id=room_id).current_goods_id
    if all(product.goods_id != pinned for product in goods):
        return False
    pin_goods(room_id=room_id, goods_id=pinned)
    return bool(was_pinned != pinned)
