"""Rooms and goods over REST."""

from django.http import HttpResponse
from django.utils.translation import get_language
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from charites.common.auth import Permission
from charites.common.models import DEFAULT_PAGE
from charites.common.rest import Endpoint, allowed, as_json, documented, shown, valid_body, valid_query
from charites.common.rest.in_loop import LoopRequest, at_hand
from goods import selectors, services
from goods.models import Room
from goods.remembered import replies
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
        operation_id="rooms_list",
        parameters=[ListRoomsSerializer],
        responses=RoomListSerializer,
    )
    def get(self, request: Request) -> Response:
        query = valid_query(ListRoomsSerializer, request)
        status = query.get("status", Room.Status.LIVE)
        rooms = selectors.list_rooms(
            status=None if status == "all" else Room.Status(status),
            after_id=query.get("after"),
            limit=query.get("limit", DEFAULT_PAGE),
        )
        return Response(shown(RoomListSerializer, {"rooms": rooms}))


class RoomView(Endpoint):
    @documented("Read a room", responses=RoomSerializer)
    def get(self, request: Request, room_id: int) -> Response:
        return Response(shown(RoomSerializer, selectors.get_room(room_id=room_id)))


class RoomGoodsView(Endpoint):
    @documented("List the goods of a room, in the host's order", responses=RoomGoodsSerializer)
    def get(self, request: Request, room_id: int) -> HttpResponse:
        return as_json(ROOM_LISTS.get((room_id, get_language())))

    async def aget(self, request: LoopRequest, room_id: int) -> HttpResponse:
        return as_json(at_hand(ROOM_LISTS, (room_id, get_language())))


class CurrentGoodsView(Endpoint):
    permission_classes = [allowed(Permission.CHANGE_ROOM)]

    @documented(
        "Pin a product of the room",
        request=CurrentGoodsSerializer,
        responses=RoomSerializer,
        example={"goods_id": "3"},
    )
    def put(self, request: Request, room_id: int) -> Response:
        body = valid_body(CurrentGoodsSerializer, request)
        return Response(shown(RoomSerializer, services.pin_goods(room_id=room_id, **body)))


class GoodsView(Endpoint):
    @documented("Read a product", responses=GoodsDetailSerializer)
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
