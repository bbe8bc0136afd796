"""The page of a desk, and what is shown to whoever may not see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise

from charites.common import clock
from charites.common.errors import Forbidden, ServiceError
from charites.common.rest import refusing
from charites.common.text import whole
from goods.errors import RoomNotFound
from goods.models import Goods
from live import sale_times
from live.desk_reads import read_desk
from live.desk_words import of_done, tell
from live.events import state_of
from live.hosts import Host
from live.shelf import Item
from live.sign_in import to_sign_in
from live.views import key_of
from live.visitors import is_demo

INSTRUMENTS = "lab/desk.html"  # what the demo brings for this page


@dataclass(frozen=True, slots=True)
class Row:
    """A product on the desk. `key` is of the next change of its stock, `fields` stand in its forms, and `did` is what a
    button has just done to it. `can_start`: its times do not let it be sold now."""

    item: Item
    key: str
    fields: Mapping[str, Any]
    did: str | Promise
    can_start: bool
    is_refused: bool
    is_open: bool


def page(request: HttpRequest, room_id: int, host: Host, error: ServiceError | None = None) -> HttpResponse:
    """The desk, with one refusal at the top of it."""
    now, may = clock.now(), host.parts
    try:
        desk = read_desk(room_id=room_id, with_orders=may["orders"], now=now)
    except RoomNotFound:
        return render(request, "live/no_room.html", status=HTTPStatus.NOT_FOUND)
    rows = [row_of(item, request, error, now) for item in desk.shelf.items]
    context: dict[str, Any] = {"desk": desk, "shelf": desk.shelf, "rows": rows, "host": host, "may": may, "now": now}
    context["version"] = state_of(desk.shelf, now).version
    context |= {"told": error and tell(error), "refused": next((row for row in rows if row.is_refused), None)}
    context |= {"currency": settings.CURRENCY, "demo": is_demo(request), "instruments": instruments(request)}
    answer = render(request, "live/desk.html", context)
    return refusing(answer, error) if error else answer


def row_of(item: Item, request: HttpRequest, error: ServiceError | None, now: datetime) -> Row:
    goods = item.goods
    is_refused = error is not None and whole(request.POST.get("goods_id")) == goods.goods_id
    fields = fields_of(goods)
    typed = {name: request.POST[name] for name in fields if is_refused and name in request.POST}
    is_done = whole(request.GET.get("goods")) == goods.goods_id
    return Row(
        item=item,
        key=key_of(request, error if is_refused else None),
        fields=fields | typed,
        did=of_done(request.GET.get("did", ""), item.available) if is_done else "",
        can_start=not sale_times.is_time(goods, now),
        is_refused=is_refused,
        is_open=bool({"starts", "limit"} & typed.keys()),
    )


def fields_of(goods: Goods) -> dict[str, Any]:
    """What stands in the forms of a product."""
    moments = {"starts": goods.sale_starts_at, "ends": goods.sale_ends_at}
    times = {name: typed_time(moment) if moment else "" for name, moment in moments.items()}
    return {"pieces": "", "limit": goods.limit_per_buyer, **times}


def typed_time(moment: datetime) -> str:
    """As browsers want it: in UTC, and with four digits for whatever year."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def instruments(request: HttpRequest) -> str | None:
    """The template of what tries the shop out: in the demo, on this machine alone, where it is installed."""
    return INSTRUMENTS if is_demo(request) and apps.is_installed("lab") else None


def turned_away(request: HttpRequest, room_id: int) -> HttpResponse:
    """For whoever is no host: a way to sign in or, for whoever has, how things are."""
    if not request.user.is_authenticated:
        return to_sign_in("desk", room_id)
    context = {"room_id": room_id, "demo": is_demo(request)}
    return refusing(render(request, "live/no_desk.html", context), Forbidden())
