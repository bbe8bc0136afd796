"""B15: another server of the same contract, named by its address: `make bench ONLY=peer PEER=127.0.0.1:8081`.

It is asked what the Go tutorial that the contract comes from offers, and has to have product 1 in plenty and room 1.
`PEER_TOKEN` is the value of its `authorization` metadata.
"""

import argparse
import ipaddress
import os
from collections.abc import Iterator

from lab.bench.b2_orders_over_grpc import orders
from lab.bench.b4_to_b6_stock_and_reads import lists, sales
from lab.bench.grpc_load import TRANSPORTS, GrpcServer, GrpcShop, Make, by_transport
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.bench.stage import HOT, Stage

CALLERS = 512
ORDERS, REST = (5.0, 15.0), (3.0, 10.0)  # floor and goal


def measure(stage: Stage, *, rounds: int, seconds: int, peer: str = "") -> Iterator[Ratio]:
    """Nothing without a peer."""
    if not peer:
        return
    theirs = GrpcServer(stage, "peer", peer, None, os.environ.get("PEER_TOKEN", "token"))
    shops = {transport: GrpcShop(stage, transport) for transport in TRANSPORTS}
    methods: dict[str, tuple[Make, tuple[float, float]]] = {
        "orders": (lambda server: orders(server, CALLERS), ORDERS),
        "ReduceStock": (sales, REST),
        "list": (lists, REST),
        "detail": (details, REST),
    }
    for name, (make, bounds) in methods.items():
        other, found = make(theirs), {transport: make(shop) for transport, shop in shops.items()}
        rates = Rates(stage, [*found.values(), other], rounds=rounds, seconds=seconds)
        yield from by_transport(f"B15 {name}, {{}} / peer", rates, found, other, dict.fromkeys(TRANSPORTS, bounds))


def details(server: GrpcServer) -> Contestant:
    from goods.rpc.goods_pb2 import GoodsDetailRequest  # noqa: PLC0415 (after the settings)

    return server.contestant("Goods/GetGoodsDetail", GoodsDetailRequest(goods_id=HOT), callers=CALLERS)


def loopback(text: str) -> str:
    """The address of a peer on this machine, "" for none. Raises ArgumentTypeError for any other."""
    host, _, port = text.strip().rpartition(":")
    try:
        address = ipaddress.IPv4Address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    if text and not (address and address.is_loopback and port.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text} is no address on this machine, such as 127.0.0.1:8081")
    return f"{address}:{port}" if text else ""
