"""Rooms and goods over REST."""

from django.http import HttpResponse
from django.utils.translation import get_language
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from charites.common.auth import Permission
from charites.common.errors import Forbidden
from charites.common.rest import (
    Answer,
    Endpoint,
    allowed,
    as_json,
    cursor_of,
    documented,
    paged,
    shown,
    valid_body,
    valid_query,
)
from charites.common.rest.in_loop import LoopRequest, at_hand
from goods import selectors, services
from goods.errors import GoodsNotFound, GoodsNotInRoom, RoomNotFound
from goods.models import Room
from goods.remembered import replies
from goods.rest import examples
from goods.rest.serializers import (
    CurrentGoodsSerializer,
    GoodsDetailSerializer,
    ListRoomsSerializer,
    RoomGoodsSerializer,
    RoomListSerializer,
    RoomSerializer,
)


class RoomListView(Endpoint):
    @documented(
        "List rooms, the live ones unless told otherwise",
        description="By `room_id`, upwards.",
        operation_id="list_rooms",
        parameters=[ListRoomsSerializer],
        answers=Answer(RoomListSerializer, "A page of rooms.", examples.ROOMS),
    )
    def get(self, request: Request) -> Response:
        query = valid_query(ListRoomsSerializer, request)
        status = query.pop("status", Room.Status.LIVE)
        page = selectors.page_rooms(None if status == "all" else Room.Status(status), cursor_of(query))
        return paged(RoomListSerializer, request, page, "rooms")


class RoomView(Endpoint):
    @documented(
        "Read a room",
        description="Also one that is off.",
        operation_id="get_room",
        answers=Answer(RoomSerializer, "The room.", examples.A_ROOM),
        errors=[RoomNotFound],
    )
    def get(self, request: Request, room_id: int) -> Response:
        return Response(shown(RoomSerializer, selectors.get_room(room_id=room_id)))


class RoomGoodsView(Endpoint):
    @documented(
        "List the goods of a room, in the host's order",
        description="At most a second old.",
        operation_id="list_room_goods",
        answers=Answer(RoomGoodsSerializer, "The products, and which one is pinned.", examples.GOODS_OF_A_ROOM),
        errors=[RoomNotFound],
    )
    def get(self, request: Request, room_id: int) -> HttpResponse:
        return as_json(ROOM_LISTS.get((room_id, get_language())))

    async def aget(self, request: LoopRequest, room_id: int) -> HttpResponse:
        return as_json(at_hand(ROOM_LISTS, (room_id, get_language())))


class CurrentGoodsView(Endpoint):
    permission_classes = [allowed(Permission.CHANGE_ROOM)]

    @documented(
        "Pin a product of the room",
        description="For staff who may change rooms. Repeated, it changes nothing.",
        operation_id="pin_goods",
        request=CurrentGoodsSerializer,
        example={"goods_id": "3"},
        answers=Answer(RoomSerializer, "The room as it is now.", {**examples.A_ROOM, "current_goods_id": "3"}),
        errors=[Forbidden, RoomNotFound, GoodsNotFound, GoodsNotInRoom],
    )
    def put(self, request: Request, room_id: int) -> Response:
        body = valid_body(CurrentGoodsSerializer, request)
        return Response(shown(RoomSerializer, services.pin_goods(room_id=room_id, **body)))


class GoodsView(Endpoint):
    @documented(
        "Read a product",
        description="At most a second old.",
        operation_id="get_goods",
        answers=Answer(GoodsDetailSerializer, "The product.", examples.ALL_OF_A_PRODUCT),
        errors=[GoodsNotFound],
    )
    def get(self, request: Request, goods_id: int) -> HttpResponse:
        return as_json(DETAILS.get((goods_id, get_language())))

    async def aget(self, request: LoopRequest, goods_id: int) -> HttpResponse:
        return as_json(at_hand(DETAILS, (goods_id, get_language())))


def make_room_list(asked: tuple[int, str]) -> bytes:
    """The goods of a room, serialised in a language. Raises RoomNotFound."""
    return JSONRenderer().render(shown(RoomGoodsSerializer, selectors.get_room_goods(room_id=asked[0])))


def make_detail(asked: tuple[int, str]) -> bytes:
    """A product, serialised in a language. Raises GoodsNotFound."""
    return JSONRenderer().render(shown(GoodsDetailSerializer, selectors.get_goods(goods_id=asked[0])))


ROOM_LISTS = replies(make_room_list)
DETAILS = replies(make_detail)
