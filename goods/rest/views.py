"""Rooms and goods over REST."""

from rest_framework.request import Request
from rest_framework.response import Response

from charites.common.auth import Role
from charites.common.models import DEFAULT_PAGE
from charites.common.rest import Endpoint, documented, identity_of, role_required, valid_body, valid_query
from goods import selectors, services
from goods.models import Room
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
        return Response(RoomListSerializer({"rooms": rooms}).data)


class RoomView(Endpoint):
    @documented("Read a room", responses=RoomSerializer)
    def get(self, request: Request, room_id: int) -> Response:
        return Response(RoomSerializer(selectors.get_room(room_id=room_id)).data)


class RoomGoodsView(Endpoint):
    @documented("List the goods of a room, in the host's order", responses=RoomGoodsSerializer)
    def get(self, request: Request, room_id: int) -> Response:
        return Response(RoomGoodsSerializer(selectors.get_room_goods(room_id=room_id)).data)


class CurrentGoodsView(Endpoint):
    permission_classes = [role_required(Role.STAFF)]

    @documented("Pin a product of the room", request=CurrentGoodsSerializer, responses=RoomSerializer)
    def put(self, request: Request, room_id: int) -> Response:
        body = valid_body(CurrentGoodsSerializer, request)
        actor = identity_of(request).actor
        return Response(RoomSerializer(services.pin_goods(room_id=room_id, actor=actor, **body)).data)


class GoodsView(Endpoint):
    @documented("Read a product", responses=GoodsDetailSerializer)
    def get(self, request: Request, goods_id: int) -> Response:
        return Response(GoodsDetailSerializer(selectors.get_goods(goods_id=goods_id)).data)
