"""A gRPC server in this process for tests, with real connections, and a client that speaks as somebody.

It is grpcio's; with TEST_GRPC=asgi the ASGI application answers, in an HTTP/2 server written in Python: what is said of
calls has to hold on both.
"""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any

import grpc
import pytest
from django.db import connection
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from hypercorn.asyncio import serve
from hypercorn.config import Config

from charites.common.auth import Role
from charites.common.error_pb2 import Error
from charites.common.rpc import Client, Method, installed_methods, read_error, serving
from charites.common.rpc.asgi import GrpcApp
from goods.rpc.goods_pb2_grpc import GoodsStub
from lab.kit.factories import BUYER_ID, STAFF_ID, bearer, staff_bearer
from lab.kit.processes.shop import wait_until
from orders.queue import PLACING
from orders.rpc.orders_pb2_grpc import OrderStub
from stock.queue import MOVING
from stock.rpc.stock_pb2_grpc import StockStub

IS_ASGI = os.environ.get("TEST_GRPC") == "asgi"
REFLECTIONS = ["v1", "v1alpha"]
STANDARD = ["health.v1.Health", *(f"reflection.{version}.ServerReflection" for version in REFLECTIONS)]
SERVICES = ["Goods", "Order", "Stock", *(f"grpc.{name}" for name in STANDARD)]
TEST_SECONDS = 60.0  # a bound for busy machines, no measurement


@cache
def background_loop() -> asyncio.AbstractEventLoop:
    """The one event loop of all servers in this process: grpc wants a single one."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="grpc-test-loop", daemon=True).start()
    return loop


@asynccontextmanager
async def serving_asgi(methods: Sequence[Method]) -> AsyncIterator[int]:
    """Serves the ASGI application while the block runs; gives the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    port, config, asked = listening.getsockname()[1], Config(), asyncio.Event()
    config.bind, config.errorlog = [f"fd://{listening.detach()}"], None
    app: Any = GrpcApp(methods)
    running = asyncio.ensure_future(serve(app, config, shutdown_trigger=asked.wait))
    try:
        yield port
    finally:
        asked.set()
        await running


@contextmanager
def grpc_server(methods: Sequence[Method] | None = None) -> Iterator[str]:
    """Serves methods (those of the installed apps) on a free port; gives the address. Threads keep no connection."""
    max_age = connection.settings_dict["CONN_MAX_AGE"]
    connection.settings_dict["CONN_MAX_AGE"] = 0
    served = installed_methods() if methods is None else methods
    server = serving_asgi(served) if IS_ASGI else serving(served, address="127.0.0.1:0")
    port = asyncio.run_coroutine_threadsafe(server.__aenter__(), background_loop()).result(TEST_SECONDS)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), background_loop()).result(TEST_SECONDS)
        connection.settings_dict["CONN_MAX_AGE"] = max_age
        for queue in (PLACING, MOVING):
            wait_until(lambda: queue._committer is None, seconds=TEST_SECONDS, what="nobody works for others any more")  # noqa: B023


class Caller:
    """The three services, as one caller sees them. Nothing is tried again, so that a test sees every answer."""

    def __init__(self, address: str, authorization: str = "") -> None:
        self.client = Client(address, token=authorization, timeout_seconds=TEST_SECONDS, tries=1)
        self.goods: Any = self.client.stub(GoodsStub)
        self.stock: Any = self.client.stub(StockStub)
        self.order: Any = self.client.stub(OrderStub)


class Callers:
    """Makes callers of one server, and closes their connections."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._made: list[Caller] = []

    def with_header(self, authorization: str) -> Caller:
        self._made.append(Caller(self.address, authorization))
        return self._made[-1]

    def anybody(self) -> Caller:
        return self.with_header("")

    def buyer(self, user_id: int = BUYER_ID) -> Caller:
        return self.with_header(bearer(user_id))

    def staff(self, user_id: int = STAFF_ID) -> Caller:
        return self.with_header(staff_bearer(user_id))

    def service(self, name: str = "") -> Caller:
        return self.with_header(bearer(0, Role.SERVICE, name))

    def close(self) -> None:
        for caller in self._made:
            caller.client.close()


@contextmanager
def grpc_callers(methods: Sequence[Method] | None = None) -> Iterator[Callers]:
    """A server, and whoever calls it."""
    with grpc_server(methods) as address:
        callers = Callers(address)
        try:
            yield callers
        finally:
            callers.close()


def reflect(channel: grpc.Channel, version: str, asked: Iterable[ServerReflectionRequest]) -> Any:
    """Asks by a version of reflection; returns the stream of the replies. What is asked may still be on its way."""
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    as_bytes, as_reply = ServerReflectionRequest.SerializeToString, ServerReflectionResponse.FromString
    return channel.stream_stream(path, as_bytes, as_reply)(iter(asked))


def listed(reply: ServerReflectionResponse) -> list[str]:
    """The names of the services in a reply of reflection."""
    return [service.name for service in reply.list_services_response.service]


def refusal(call: Any, request: Any, **options: Any) -> tuple[str, int]:
    """Makes a call that is refused; returns its status and our number, after checking the shape of the error."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, **options)
    error = caught.value
    ours = read_error(error)
    assert isinstance(ours, Error), f"{error.code()} without our error: {error.details()}"
    assert ours.message == error.details()
    return error.code().name, ours.code
