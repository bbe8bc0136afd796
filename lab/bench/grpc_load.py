"""The shop's gRPC servers under load, and a server that does nothing: contestants of several benchmarks."""

import struct
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from google.protobuf.message import Message

from lab.bench.native import STREAMS, Calls, Load, build_grpc_load, grpc_load
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.bench.stage import Stage

TRANSPORTS = ["grpcio", *(["pyvoy"] if find_spec("pyvoy") else [])]  # the faster one where it is installed
KEY = "0" * 16  # in a message: a key of its own for every call
BUYER = 2**21  # likewise, a user id: the first one that takes four bytes
BUYER_BYTES = b"\x80\x80\x80\x01"
PRODUCT = 64  # likewise, the goods id of an order: the first of as many as there are, which take turns
PRODUCT_BYTES = b"\x08\x40"  # the first field, and its value
MOST_PRODUCTS = 64  # whose ids take one byte

Floors = dict[str, tuple[float, float]]  # by transport: floor and goal
Make = Callable[["GrpcServer"], Contestant]


class GrpcServer:
    """A server of the shop's contract, wherever it came from. `pids`: those of its processes, if they are ours."""

    def __init__(self, stage: Stage, name: str, address: str, pids: list[int] | None, authorization: str) -> None:
        self._stage, self._name, self._address, self.pids = stage, name, address, pids
        self._authorization, self._program = authorization, build_grpc_load(stage.folder)

    def contestant(
        self,
        path: str,
        message: Message,
        *,
        callers: int,
        status: str = "OK",
        what: str = "",
        streams: int = STREAMS,
        products: int = 1,
    ) -> Contestant:
        """Calls of one method with one message; those that end with `status` count."""
        name = f"{self._name} {what or path.rpartition('/')[2]}, {callers} callers"

        def load(seconds: int) -> Load:
            calls = self.call(path, message, callers=callers, seconds=seconds, streams=streams, products=products)
            return calls.load(status)

        return Contestant(name, load, self.pids)

    def call(
        self,
        path: str,
        message: Message,
        *,
        callers: int,
        seconds: int,
        streams: int = STREAMS,
        products: int = 1,
        timeout: str = "-",
    ) -> Calls:
        """Calls a method for some seconds. A `KEY` and a `BUYER` in the message are others in every call, and a
        `PRODUCT` is one of so many, which `x-goods-id` names, too."""
        data = message.SerializeToString()
        body = as_body(self._stage.folder / f"body-{abs(hash(data))}", data)
        framed = body.read_bytes()
        return grpc_load(
            self._program,
            self._address,
            f"/{path}",
            body=body,
            callers=callers,
            seconds=seconds,
            streams=streams,
            authorization=self._authorization,
            key_at=framed.find(KEY.encode()),
            buyer_at=framed.find(BUYER_BYTES),
            product_at=framed.find(PRODUCT_BYTES) + 1 if PRODUCT_BYTES in framed else -1,
            products=products,
            timeout=timeout,
        )


class GrpcShop(GrpcServer):
    """The shop behind one transport, two processes with default settings but for those that are given."""

    def __init__(
        self, stage: Stage, transport: str, *, processes: int = 2, settled: bool = True, **settings: str
    ) -> None:
        settings["GRPC_SERVER"] = transport
        started = stage.start_grpc("manage.py", "grpcserver", processes=processes, settled=settled, **settings)
        super().__init__(stage, transport, *started, authorization())


def authorization() -> str:
    """A service's, which may order for every buyer."""
    from charites.common import clock  # noqa: PLC0415 (after the settings)
    from charites.common.auth import Role, issue_token  # noqa: PLC0415

    return f"Bearer {issue_token(user_id=0, role=Role.SERVICE, now=clock.now(), lifetime_seconds=86_400)}"


def empty_server(stage: Stage, callers: int) -> Contestant:
    """grpcio's asyncio server with a method that does nothing, two processes: what a call costs before any shop."""
    address, pids = stage.start_grpc("-m", "lab.bench.empty_grpc_server")
    program, body = build_grpc_load(stage.folder), as_body(stage.folder / "nothing", b"")

    def load(seconds: int) -> Load:
        return grpc_load(program, address, "/Nothing/Nothing", body=body, callers=callers, seconds=seconds).load()

    return Contestant(f"empty grpcio server, {callers} callers", load, pids)


def by_transport(
    name: str, rates: Rates, found: Mapping[str, Contestant], peer: Contestant, floors: Floors
) -> Iterator[Ratio]:
    """A ratio for each transport; its place in the name is {}."""
    for transport, contestant in found.items():
        floor, goal = floors[transport]
        yield rates.ratio(name.format(transport), contestant.name, peer.name, floor=floor, goal=goal)


def as_body(file: Path, message: bytes) -> Path:
    """A message as gRPC frames it."""
    file.write_bytes(struct.pack(">BI", 0, len(message)) + message)
    return file
