"""The three protocols as one: an operation and its input go in, the refusal comes out in one shape.

Inputs have REST's names; for gRPC and the gateway they are renamed. An input of bytes is sent as it is.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from charites.common.rpc import Method, installed_methods, read_error
from lab.kit.grpc_server import grpc_server
from lab.kit.rest_client import RestClient, error_of

REQUEST_ID = "bad-input-1"
Input = Mapping[str, Any] | bytes

# operation -> method and path; names in the path are taken out of the input.
REST_ROUTES = {
    "place": ("POST", "/api/orders"),
    "get_order": ("GET", "/api/orders/{order_id}"),
    "list_orders": ("GET", "/api/orders?limit={limit}"),
    "pay": ("POST", "/api/orders/{order_id}/pay"),
    "cancel": ("POST", "/api/orders/{order_id}/cancel"),
    "complete": ("POST", "/api/orders/{order_id}/complete"),
    "refund": ("POST", "/api/orders/{order_id}/refunds"),
    "notify": ("POST", "/api/payments/notify"),
    "set_stock": ("PUT", "/api/stock/{goods_id}"),
    "adjust_stock": ("POST", "/api/stock/{goods_id}/adjustments"),
    "get_stock": ("GET", "/api/stock/{goods_id}"),
    "get_goods": ("GET", "/api/goods/{goods_id}"),
    "list_room_goods": ("GET", "/api/rooms/{room_id}/goods"),
    "pin_goods": ("PUT", "/api/rooms/{room_id}/current"),
}
GATEWAY_ROUTES = {
    "place": "/v1/createorder",
    "set_stock": "/v1/setstock",
    "get_stock": "/v1/getstock",
    "reduce_stock": "/v1/reducestock",
    "get_goods": "/v1/goodsdetail",
    "list_room_goods": "/v1/goods",
}
GRPC_METHODS = {
    "place": "Order.CreateOrder",
    "get_order": "Order.GetOrder",
    "list_orders": "Order.ListOrders",
    "pay": "Order.PayOrder",
    "cancel": "Order.CancelOrder",
    "refund": "Order.RefundOrder",
    "change_stock": "Stock.AdjustStock",
    "set_stock": "Stock.SetStock",
    "get_stock": "Stock.GetStock",
    "reduce_stock": "Stock.ReduceStock",
    "reserve_stock": "Stock.ReserveStock",
    "confirm_stock": "Stock.ConfirmStock",
    "roll_back_stock": "Stock.RollbackStock",
    "get_goods": "Goods.GetGoodsDetail",
    "list_goods": "Goods.GetGoodsDetails",
    "list_room_goods": "Goods.GetGoodsListByRoomId",
}
RENAMED = {"quantity": "Num", "available": "Num"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """`status`: HTTP's number or gRPC's name. `everything`: all text that left, to be searched for internals."""

    status: int | str
    code: int
    message: str
    request_id: str
    everything: str


class Protocol_(Protocol):
    """What a test needs of a protocol."""

    name: str

    operations: Mapping[str, Any]

    def connected(self) -> AbstractContextManager[object]: ...

    def refuse(
        self, operation: str, given: Input, authorization: str, headers: Mapping[str, str]
    ) -> Refusal | None: ...


class Rest:
    name = "rest"
    operations = REST_ROUTES

    def connected(self) -> AbstractContextManager[object]:
        return nullcontext()

    def refuse(self, operation: str, given: Input, authorization: str, headers: Mapping[str, str]) -> Refusal | None:
        method, path = REST_ROUTES[operation]
        body: Any = given
        if not isinstance(given, bytes):
            in_path = {name: value for name, value in given.items() if f"{{{name}}}" in path}
            path = path.format(**in_path)
            body = {name: value for name, value in given.items() if name not in in_path}
        return http_refusal(method, path, None if method == "GET" else body, authorization, headers)


class Gateway:
    name = "gateway"
    operations = GATEWAY_ROUTES

    def connected(self) -> AbstractContextManager[object]:
        return nullcontext()

    def refuse(self, operation: str, given: Input, authorization: str, headers: Mapping[str, str]) -> Refusal | None:
        body = given if isinstance(given, bytes) else renamed(given)
        return http_refusal("POST", GATEWAY_ROUTES[operation], body, authorization, headers)


class Grpc:
    name = "grpc"
    operations = GRPC_METHODS

    def __init__(self) -> None:
        self.methods: dict[str, Method] = {method.name: method for method in installed_methods()}
        self.channel: grpc.Channel | None = None

    @contextmanager
    def connected(self) -> Iterator[None]:
        with grpc_server() as address, grpc.insecure_channel(address) as self.channel:
            yield

    def refuse(self, operation: str, given: Input, authorization: str, headers: Mapping[str, str]) -> Refusal | None:
        assert self.channel, "the server is not there yet"
        method = self.methods[GRPC_METHODS[operation]]
        data = given if isinstance(given, bytes) else as_message(method, given).SerializeToString()
        identity = {"authorization": authorization} if authorization else {}
        metadata = {**identity, **headers, "X-Request-ID": REQUEST_ID}
        call = self.channel.unary_unary(method.path)  # without serializers: bytes go as they are
        try:
            call(data, timeout=20, metadata=[(name.lower(), value) for name, value in metadata.items()])
        except grpc.RpcError as error:
            return grpc_refusal(error)
        return None


def http_refusal(method: str, path: str, body: Any, authorization: str, headers: Mapping[str, str]) -> Refusal | None:
    response = RestClient(authorization or None).send(method, path, body, {**headers, "X-Request-ID": REQUEST_ID})
    if response.status_code < 400:
        return None
    status, code, message = error_of(response)
    everything = f"{response.headers} {response.text}"
    return Refusal(status, code, message, response["X-Request-ID"], everything)


def grpc_refusal(error: grpc.RpcError) -> Refusal:
    ours = read_error(error)
    assert ours, f"{error.code()} without our error: {error.details()}"
    assert ours.message == error.details()
    trailing = dict(error.trailing_metadata())
    everything = f"{error.details()} {trailing}"
    return Refusal(error.code().name, ours.code, ours.message, trailing["x-request-id"], everything)


def renamed(given: Any) -> Any:
    """REST's names in the words of the .proto files: goods_id -> GoodsId, quantity -> Num."""
    if isinstance(given, list):
        return [renamed(entry) for entry in given]
    if not isinstance(given, Mapping):
        return given
    words = {name: RENAMED.get(name) or name.title().replace("_", "") for name in given}
    return {words[name]: renamed(value) for name, value in given.items()}


def as_message(method: Method, given: Mapping[str, Any]) -> Message:
    return json_format.ParseDict(renamed(given), method.request_class())
