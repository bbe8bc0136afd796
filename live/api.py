"""What viewers of a room get: its state, a stream of what changes, and parts of its page. All are for everybody."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from charites.common import clock
from charites.common.errors import Limited
from charites.common.logs import current_origin
from charites.common.rest import Answer, OpenEndpoint, as_json, documented
from charites.common.rest.in_loop import LoopRequest, at_hand
from goods.errors import RoomNotFound
from goods.remembered import replies
from live.events import State, compact, state_of, told_all
from live.serializers import EventSerializer, StateSerializer
from live.shelf import read_shelf
from live.stream import STREAMS

EVENT_STREAM = "text/event-stream"
AS_IT_COMES = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second: nginx keeps nothing back
A_STATE = {
    "room_id": "1",
    "title": "Slow Mornings, Good Kitchens",
    "status": "live",
    "pinned": "1",
    "goods": [
        {
            "goods_id": "1",
            "title": "Morning Mist Stoneware Mug",
            "price": 9950,
            "market_price": 12900,
            "limit_per_buyer": 0,
            "sale": "open",
            "sale_starts_at": None,
            "sale_ends_at": None,
            "available": 98,
            "reserved": 2,
            "sold": 0,
        }
    ],
}
AN_EVENT = {"event": "pinned", "data": '{"goods_id": "3"}', "id": "3f9d0c6b1a2e4f5a60"}
LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID", str, OpenApiParameter.HEADER, description="The id of the last event that you had, if any."
)


class RoomStateView(OpenEndpoint):
    @documented(
        "See a room as its viewers do",
        description="At most a second old. For whoever cannot keep a stream open; ask at irregular times, or all do at "
        "once.",
        operation_id="get_room_state",
        answers=Answer(StateSerializer, "The room, its products and what is left of them.", A_STATE),
        errors=[RoomNotFound],
        auth=[],
    )
    def get(self, request: Request, room_id: int) -> HttpResponse:
        return as_json(STATES.get(room_id))

    async def aget(self, request: LoopRequest, room_id: int) -> HttpResponse:
        return as_json(at_hand(STATES, room_id))


class NoJsonEndpoint(OpenEndpoint):
    """Answers in the one form that there is, whatever a browser says that it accepts."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)


class RoomEventsView(NoJsonEndpoint):
    @documented(
        "Watch a room",
        description="""Server-sent events. An event is a hint, and decides nothing: what an order is told is true.

| event | when | data |
|---|---|---|
| `room` | at the beginning, and for whoever has missed something | the whole state, as `/live` shows it |
| `stock` | pieces were ordered, paid for, given back or delivered | `goods`: list of `goods_id`, `ordered` (more than \
before; below zero: given back), `available`, `reserved`, `sold` |
| `pinned` | the host presents another product | `goods_id` or null |
| `price` | a price has changed | `goods_id`, `price`, `market_price` |
| `sold_out`, `back` | nothing is left; there is something again | `goods_id` |
| `sale_planned`, `sale_started`, `sale_ended` | a sale will begin, has begun, is over | `goods_id` |
| `shelf` | anything else in the list has changed: read it anew | |

Events of a room come at most four times a second, each time all that has changed. A comment comes every 15 seconds. \
Every few minutes the stream ends, and the browser opens the next one by itself: with the id of the last event it gets \
nothing twice. 429: too many streams of your address. 503: too many viewers; use `/live`.""",
        operation_id="watch_room",
        parameters=[LAST_EVENT_ID],
        answers=Answer(EventSerializer, "A stream that stays open.", AN_EVENT, (200, EVENT_STREAM)),
        errors=[RoomNotFound, Limited],
        auth=[],
    )
    def get(self, request: Request, room_id: int) -> HttpResponse:
        """Without an event loop: the state, and the end. A browser comes back for the next one by itself."""
        return HttpResponse(told_all(read_state(room_id)), content_type=EVENT_STREAM, headers=AS_IT_COMES)

    async def aget(self, request: LoopRequest, room_id: int) -> StreamingHttpResponse:
        seen, address = request.headers.get("Last-Event-ID", ""), current_origin().address
        viewer = await STREAMS.open(room_id=room_id, address=address, seen=seen)
        return StreamingHttpResponse(viewer, content_type=EVENT_STREAM, headers=AS_IT_COMES)


@extend_schema(exclude=True)
class RoomPartsView(NoJsonEndpoint):
    """What a room's page shows to everybody alike, as HTML: made once a second for all who look."""

    def get(self, request: Request, room_id: int, goods_id: int | None = None) -> HttpResponse:
        return HttpResponse(PARTS.get((room_id, goods_id, get_language())))

    async def aget(self, request: LoopRequest, room_id: int, goods_id: int | None = None) -> HttpResponse:
        return HttpResponse(at_hand(PARTS, (room_id, goods_id, get_language())))


def read_state(room_id: int) -> State:
    """Raises RoomNotFound."""
    now = clock.now()
    return state_of(read_shelf(room_id=room_id, now=now), now)


def make_state(room_id: int) -> bytes:
    """Raises RoomNotFound."""
    return compact(read_state(room_id).as_data()).encode()


def make_parts(asked: tuple[int, int | None, str]) -> bytes:
    """Raises RoomNotFound."""
    room_id, goods_id, _language = asked
    now = clock.now()
    shelf = read_shelf(room_id=room_id, now=now)
    context = {"shelf": shelf, "item": shelf.shown(goods_id), "currency": settings.CURRENCY}
    context["version"] = state_of(shelf, now).version
    return render_to_string("live/parts.html", context).encode()


STATES = replies(make_state)
PARTS = replies(make_parts)
