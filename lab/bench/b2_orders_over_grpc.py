"""B2 and B3: orders a second through unary gRPC calls, against the C client and against a server that does nothing."""

from collections.abc import Iterator

from google.protobuf.message import Message

from lab.bench.b1_in_process import c_client
from lab.bench.grpc_load import BUYER, TRANSPORTS, GrpcServer, GrpcShop, by_transport, empty_server
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.bench.stage import HOT, LIMITED, Stage

MANY, FEW = 512, 64
# floor and goal: against the C client, and against the empty server
FEW_CALLERS = (1.2, 1.6)
MANY_CALLERS = {"grpcio": (1.7, 2.5), "pyvoy": (3.0, 5.0)}
EMPTY = {"grpcio": (0.6, 0.8), "pyvoy": (1.2, 1.8)}


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    client, nothing = c_client(stage), empty_server(stage, MANY)
    shops = {transport: GrpcShop(stage, transport) for transport in TRANSPORTS}
    few = orders(shops["grpcio"], FEW)
    many = {transport: orders(shop, MANY) for transport, shop in shops.items()}
    rates = Rates(stage, [few, *many.values(), client, nothing], rounds=rounds, seconds=seconds)
    floor, goal = FEW_CALLERS
    name = f"B2 CreateOrder, grpcio, {FEW} callers / C client"
    yield rates.ratio(name, few.name, client.name, floor=floor, goal=goal)
    yield from by_transport(f"B2 CreateOrder, {{}}, {MANY} callers / C client", rates, many, client, MANY_CALLERS)
    yield from by_transport("B3 CreateOrder, {} / empty grpcio server", rates, many, nothing, EMPTY)


def orders(shop: GrpcServer, callers: int, key: str = "") -> Contestant:
    """Orders of distinct buyers for one hot product."""
    what = "CreateOrder with keys" if key else ""
    return shop.contestant("Order/CreateOrder", order_request(key), callers=callers, what=what)


def limited_orders(shop: GrpcServer, callers: int) -> Contestant:
    """The same for a product of which a buyer may have two pieces."""
    request = order_request(goods_id=LIMITED)
    return shop.contestant("Order/CreateOrder", request, callers=callers, what="CreateOrder with a limit")


def order_request(key: str = "", goods_id: int = HOT) -> Message:
    """An order for one piece of a product, by a buyer of its own in every call."""
    from orders.rpc.orders_pb2 import CreateOrderRequest  # noqa: PLC0415 (after the settings)

    receiver = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
    return CreateOrderRequest(goods_id=goods_id, num=1, user_id=BUYER, idempotency_key=key, **receiver)
