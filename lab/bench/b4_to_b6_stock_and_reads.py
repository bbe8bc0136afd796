"""B4 to B6 over gRPC: stock that is sold, refusals of what is sold out, a room's list; each against a server that does
nothing."""

from collections.abc import Iterator
from functools import partial

from lab.bench import b12_rest
from lab.bench.grpc_load import BUYER, KEY, TRANSPORTS, Floors, GrpcServer, GrpcShop, Make, by_transport, empty_server
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.bench.stage import HOT, ROOM, SOLD_OUT, Stage

CALLERS = 512
REDUCE = {"grpcio": (0.4, 0.6), "pyvoy": (0.8, 1.4)}
REFUSE = {"grpcio": (0.7, 0.9), "pyvoy": (1.5, 2.5)}
REFUSE_KEYS = {"grpcio": (0.5, 0.7), "pyvoy": (1.0, 1.6)}
LIST = {"grpcio": (0.6, 0.85), "pyvoy": (1.5, 2.5)}


def reduce_stock(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    """B4: ReduceStock of one hot product."""
    yield from against_nothing("B4 ReduceStock", sales, REDUCE, stage, rounds=rounds, seconds=seconds)


def refuse_sold_out(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    """B5: orders for what is sold out, without a key and with keys, all different."""
    yield from against_nothing("B5 sold out, no key", refusals, REFUSE, stage, rounds=rounds, seconds=seconds)
    stage.stop()
    keyed = partial(refusals, key=KEY)
    yield from against_nothing("B5 sold out, with keys", keyed, REFUSE_KEYS, stage, rounds=rounds, seconds=seconds)


def list_room(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    """B6: the goods of a room, ten of them, over gRPC and REST."""
    yield from against_nothing("B6 a room's list", lists, LIST, stage, rounds=rounds, seconds=seconds)
    stage.stop()
    yield from b12_rest.read(stage, rounds=rounds, seconds=seconds)


def against_nothing(
    name: str, make: Make, floors: Floors, stage: Stage, *, rounds: int, seconds: int
) -> Iterator[Ratio]:
    nothing = empty_server(stage, CALLERS)
    found = {transport: make(GrpcShop(stage, transport)) for transport in TRANSPORTS}
    rates = Rates(stage, [*found.values(), nothing], rounds=rounds, seconds=seconds)
    yield from by_transport(f"{name}, {{}} / empty grpcio server", rates, found, nothing, floors)


def sales(shop: GrpcServer) -> Contestant:
    from stock.rpc.stock_pb2 import StockLevel  # noqa: PLC0415 (after the settings)

    request = StockLevel(goods_id=HOT, num=1)
    return shop.contestant("Stock/ReduceStock", request, callers=CALLERS)


def refusals(shop: GrpcServer, key: str = "") -> Contestant:
    from orders.rpc.orders_pb2 import CreateOrderRequest  # noqa: PLC0415

    receiver = {"address": "1 Road", "name": "Li Lei", "phone": "138"}
    request = CreateOrderRequest(goods_id=SOLD_OUT, num=1, user_id=BUYER, idempotency_key=key, **receiver)
    what = "refusals with keys" if key else "refusals"
    return shop.contestant("Order/CreateOrder", request, callers=CALLERS, status="FAILED_PRECONDITION", what=what)


def lists(shop: GrpcServer) -> Contestant:
    from goods.rpc.goods_pb2 import RoomGoodsRequest  # noqa: PLC0415

    return shop.contestant("Goods/GetGoodsListByRoomId", RoomGoodsRequest(room_id=ROOM), callers=CALLERS)
