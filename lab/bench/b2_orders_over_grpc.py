"""B2 and B3: orders a second through unary gRPC calls, against the C client and against a server that does nothing."""

import struct
from collections.abc import Iterator
from pathlib import Path

from lab.bench.b1_in_process import c_client
from lab.bench.native import Load, h2load
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.bench.stage import HOT, Stage


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    client, orders, empty = c_client(stage), GrpcOrders(stage), EmptyServer(stage)
    few, many = orders.contestant(64), orders.contestant(512)
    nothing = empty.contestant(512)
    rates = Rates(stage, [few, many, client, nothing], rounds=rounds, seconds=seconds)
    yield rates.ratio("B2 gRPC CreateOrder, 64 callers / C client", few.name, client.name, floor=1.2, goal=1.6)
    yield rates.ratio("B2 gRPC CreateOrder, 512 callers / C client", many.name, client.name, floor=1.7, goal=2.5)
    yield rates.ratio("B3 gRPC CreateOrder / empty grpcio server", many.name, nothing.name, floor=0.6, goal=0.8)


class GrpcOrders:
    """The shop's own server, two processes with default settings; what was placed is counted in the database."""

    def __init__(self, stage: Stage) -> None:
        from charites.common import clock  # noqa: PLC0415 (after the settings)
        from charites.common.auth import Role, issue_token  # noqa: PLC0415
        from orders.rpc.orders_pb2 import CreateOrderRequest  # noqa: PLC0415

        self._stage = stage
        self._address, self._pids = stage.start_grpc("manage.py", "grpcserver")
        token = issue_token(user_id=0, role=Role.SERVICE, now=clock.now(), lifetime_seconds=86_400)
        self._headers = {"authorization": f"Bearer {token}"}
        request = CreateOrderRequest(
            goods_id=HOT, num=1, user_id=7, address="1 Harbour Road", name="Li Lei", phone="13800000000"
        )
        self._body = as_body(stage.folder / "order", request.SerializeToString())

    def contestant(self, callers: int) -> Contestant:
        return Contestant(
            f"gRPC CreateOrder, {callers} callers", lambda seconds: self._load(callers, seconds), self._pids
        )

    def _load(self, callers: int, seconds: int) -> Load:
        before = self._orders()
        url = f"http://{self._address}/Order/CreateOrder"
        load = h2load(url, body=self._body, headers=self._headers, callers=callers, seconds=seconds)
        return Load(self._orders() - before, load.seconds)

    def _orders(self) -> int:
        return int(self._stage.query("SELECT COUNT(*) FROM shopping_order"))


class EmptyServer:
    """grpcio's asyncio server with a method that does nothing, two processes: what a call costs before any shop."""

    def __init__(self, stage: Stage) -> None:
        self._address, self._pids = stage.start_grpc("-m", "lab.bench.empty_grpc_server")
        self._body = as_body(stage.folder / "nothing", b"")

    def contestant(self, callers: int) -> Contestant:
        url = f"http://{self._address}/Nothing/Nothing"

        def load(seconds: int) -> Load:
            return h2load(url, body=self._body, headers={}, callers=callers, seconds=seconds)

        return Contestant(f"empty grpcio server, {callers} callers", load, self._pids)


def as_body(file: Path, message: bytes) -> Path:
    """A message as gRPC frames it."""
    file.write_bytes(struct.pack(">BI", 0, len(message)) + message)
    return file
