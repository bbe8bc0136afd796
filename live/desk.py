"""A room's desk, where its host sells: what is pinned, the stock and the sale of each product, and the last orders.

Each button is a form, and each answer the page, as in the room (`live/views.py`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from charites.common import clock
from charites.common.errors import Forbidden, Invalid, as_service_error
from charites.common.logs import log_unforeseen, note_actor
from charites.common.text import whole
from goods import services
from goods.errors import GoodsNotInRoom
from goods.models import Goods, Room
from goods.selectors import get_room, list_room_goods
from live import sale_times
from live.desk_page import page, turned_away
from live.hosts import Host, Part, host_of
from stock.services import Adjustment, adjust_stock

PIECES = re.compile(r"[+-]?[0-9]{1,18}")
MOST_PER_BUYER = 2**32 - 1  # what the column holds


@dataclass(frozen=True, slots=True)
class Press:
    """A button that somebody pressed: who, for which product of which room, and what the form says."""

    host: Host
    room: Room
    goods: Goods
    form: Mapping[str, str]


@require_safe
@never_cache
def desk_page(request: HttpRequest, room_id: int) -> HttpResponse:
    host = host_of(request)
    return page(request, room_id, host) if host else turned_away(request, room_id)


def button(part: Part) -> Callable[[Callable[[Press], str]], Callable[..., HttpResponse]]:
    """What a form is sent to. The function does what the button says, and returns what that was: see `of_done`."""

    def made_of(act: Callable[[Press], str]) -> Callable[..., HttpResponse]:
        @never_cache
        @wraps(act)
        def pressed(request: HttpRequest, room_id: int) -> HttpResponse:
            if request.method != "POST":
                return redirect("desk", room_id)
            host = host_of(request)
            return answered(request, room_id, host, part, act) if host else turned_away(request, room_id)

        return pressed

    return made_of


def answered(request: HttpRequest, room_id: int, host: Host, part: Part, act: Callable[[Press], str]) -> HttpResponse:
    """Does what a button says, and leads back to the product; what goes wrong is told on the page."""
    note_actor(host.actor)
    try:
        if not host.may(part):
            raise Forbidden
        press = press_of(request, room_id, host)
        did = act(press)
    except Exception as cause:  # noqa: BLE001 (nothing internal leaves)
        error = as_service_error(cause)
        log_unforeseen(error, cause)
        return page(request, room_id, host, error)
    goods_id = press.goods.goods_id
    return redirect(f"{reverse('desk', args=[room_id])}?{urlencode({'did': did, 'goods': goods_id})}#goods-{goods_id}")


def press_of(request: HttpRequest, room_id: int, host: Host) -> Press:
    """Raises RoomNotFound, GoodsNotInRoom, Invalid."""
    room, goods_id = get_room(room_id=room_id), whole(request.POST.get("goods_id"))
    if goods_id is None:
        raise Invalid("goods_id", _("is missing or out of range"))
    for goods in list_room_goods(room_id=room_id):
        if goods.goods_id == goods_id:
            return Press(host, room, goods, request.POST)
    raise GoodsNotInRoom(goods_id=goods_id, room_id=room_id)


@button(Part.PIN)
def pin(press: Press) -> str:
    services.pin_goods(room_id=press.room.room_id, goods_id=press.goods.goods_id)
    return "pinned"


@button(Part.PIN)
def unpin(press: Press) -> str:
    """Another product that somebody has pinned meanwhile stays so."""
    services.unpin_goods(room_id=press.room.room_id, goods_id=press.goods.goods_id)
    return "unpinned"


@button(Part.RESTOCK)
def restock(press: Press) -> str:
    """Adds or takes pieces, by the key that came with the page: pressed twice it is done once."""
    typed = press.form.get("pieces", "")
    pieces = int(typed) if PIECES.fullmatch(typed) else 0
    if not pieces:
        raise Invalid("pieces", _("must be a whole number, such as 5 to add or -5 to take"))
    adjustment = Adjustment(
        goods_id=press.goods.goods_id,
        delta=pieces,
        reason=f"desk of room {press.room.room_id}",
        actor=press.host.name,
        may_add=press.host.may_add_stock,
        idempotency_key=press.form.get("key", ""),
    )
    adjust_stock(adjustments=[adjustment])
    return f"{pieces:+}"


@button(Part.SELL)
def start(press: Press) -> str:
    change(press, sale_times.starting(press.goods, clock.now()))
    return "started"


@button(Part.SELL)
def end(press: Press) -> str:
    change(press, sale_times.ending(press.goods, clock.now()))
    return "ended"


@button(Part.SELL)
def put_on(press: Press) -> str:
    set_status(press, Goods.Status.ON_SALE)
    return "on"


@button(Part.SELL)
def take_off(press: Press) -> str:
    set_status(press, Goods.Status.OFF_SALE)
    return "off"


@button(Part.SELL)
def set_times(press: Press) -> str:
    change(press, sale_times.typed(press.form))
    return "times"


@button(Part.SELL)
def set_limit(press: Press) -> str:
    limit = whole(press.form.get("limit"))
    if limit is None or limit > MOST_PER_BUYER:
        raise Invalid("limit", _("must be a whole number, 0 for no limit"))
    change(press, {"limit_per_buyer": limit})
    return "limit"


def change(press: Press, values: Mapping[str, Any]) -> None:
    services.change_goods(goods_id=press.goods.goods_id, values=values, actor=press.host.name)


def set_status(press: Press, status: Goods.Status) -> None:
    services.set_goods_status(goods_ids=[press.goods.goods_id], status=status, actor=press.host.name)
