"""The client that services call each other with."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from charites.common import error_before_pb2
from charites.common.error_pb2 import Error
from charites.common.errors import Busy, NotFound
from charites.common.rpc import Call, Client, may_repeat, read_error, serving
from charites.tests.api.probe import WAIT_SECONDS, probe, raising
from lab.kit.factories import bearer
from lab.kit.grpc_server import background_loop, grpc_server, refusal
from lab.kit.processes.shop import wait_until
from stock.rpc.stock_pb2 import StockLevel
from stock.rpc.stock_pb2_grpc import StockStub

NEVER_SECONDS = 86_400.0  # as long as it says that it ends


def busy_times(number: int) -> Callable[[Any, Call], Message]:
    """Is busy so many times, then answers."""
    left = [Busy()] * number

    def behaviour(request: Any, call: Call) -> Message:
        if left:
            raise left.pop()
        return StockLevel(num=1)

    return behaviour


def test_the_client_sends_token_and_request_id_and_tries_again_when_busy() -> None:
    calls, methods = probe(busy_times(2))

    with grpc_server(methods) as address, Client(address, token=bearer(5), timeout_seconds=WAIT_SECONDS) as client:
        reply = client.stub(StockStub).ReduceStock(StockLevel(), metadata=[("x-request-id", "shop-1")])

    assert reply == StockLevel(num=1)
    assert [(call.identity.user_id, call.metadata["x-request-id"]) for call in calls] == [(5, "shop-1")] * 3


def test_the_client_deals_its_calls_out_to_several_addresses_in_turn() -> None:
    probes = [probe(), probe()]
    (one_calls, one_methods), (two_calls, two_methods) = probes
    with grpc_server(one_methods) as one, grpc_server(two_methods) as two:
        with Client(f"ipv4:{one},{two}", token=bearer(), timeout_seconds=WAIT_SECONDS) as client:
            stub: Any = client.stub(StockStub)
            wait_until(
                lambda: stub.GetStock(StockLevel()) is not None and one_calls and two_calls,
                seconds=WAIT_SECONDS,
                what="both are connected",
            )
            before = len(one_calls), len(two_calls)
            for _ in range(20):
                stub.GetStock(StockLevel())

    assert (len(one_calls) - before[0], len(two_calls) - before[1]) == (10, 10)


def test_the_client_goes_on_with_the_address_that_is_left() -> None:
    calls, methods = probe()
    with (
        grpc_server(methods) as alive,
        Client(f"ipv4:127.0.0.1:1,{alive}", token=bearer(), timeout_seconds=WAIT_SECONDS) as client,
    ):
        stub: Any = client.stub(StockStub)
        for _ in range(10):
            stub.GetStock(StockLevel())

    assert len(calls) == 10


class OfBefore(grpc.GenericRpcHandler):
    """A server of the version before, which refuses everything, in its form."""

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self.refuse)

    def refuse(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        detail = AnyMessage()
        detail.Pack(
            error_before_pb2.Error(code=40010003, message="Why.", details={"left": "1"}, error="not_enough_stock")
        )
        context.abort_with_status(rpc_status.to_status(Status(code=9, message="Why.", details=[detail])))
        raise AssertionError


def test_what_a_server_of_the_version_before_says_is_understood() -> None:
    server = grpc.server(ThreadPoolExecutor(1), handlers=[OfBefore()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Client(f"127.0.0.1:{port}", timeout_seconds=WAIT_SECONDS) as client:
            with pytest.raises(grpc.RpcError) as caught:
                client.stub(StockStub).GetStock(StockLevel())
    finally:
        server.stop(None).wait()

    expected = Error(code=40010003, message="Why.", details={"left": "1"}, error="not_enough_stock")
    assert read_error(caught.value) == expected


def test_the_client_leaves_a_server_that_says_that_it_ends() -> None:
    (left_calls, left_methods), (calls, methods) = probe(), probe()
    ends = serving(left_methods, address="127.0.0.1:0", delay_seconds=NEVER_SECONDS)
    port = in_background(ends.__aenter__()).result(WAIT_SECONDS)
    with (
        grpc_server(methods) as stays,
        Client(f"ipv4:127.0.0.1:{port},{stays}", token=bearer(), tries=1, timeout_seconds=WAIT_SECONDS) as client,
    ):
        stub: Any = client.stub(StockStub)
        wait_until(lambda: stub.GetStock(StockLevel()) and left_calls, seconds=WAIT_SECONDS, what="it gets calls")

        ending = in_background(ends.__aexit__(None, None, None))
        wait_until(lambda: is_left(stub, left_calls), seconds=WAIT_SECONDS, what="it gets no calls any more")
        is_still_there = not ending.done()
        ending.cancel()
        stub.GetStock(StockLevel())

    assert is_still_there
    assert calls


def in_background(coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
    return asyncio.run_coroutine_threadsafe(coroutine, background_loop())


def is_left(stub: Any, calls: list[Call]) -> bool:
    """Whether of the next calls none goes there."""
    before = len(calls)
    for _ in range(4):
        stub.GetStock(StockLevel())
    return len(calls) == before


def test_the_client_repeats_a_call_that_the_end_of_a_server_cancelled() -> None:
    statuses = [grpc.StatusCode.CANCELLED]

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        if statuses:
            context.abort(statuses.pop(), "CANCELLED")
        return StockLevel(num=1).SerializeToString()

    server = grpc.server(ThreadPoolExecutor(1))
    handlers = {"GetStock": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Stock", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Client(f"127.0.0.1:{port}", timeout_seconds=WAIT_SECONDS) as client:
            reply = client.stub(StockStub).GetStock(StockLevel())
    finally:
        server.stop(None)

    assert reply == StockLevel(num=1)


def test_a_server_that_is_slow_to_shake_hands_is_not_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:  # the kernel connects; nobody answers
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        with Client(address, timeout_seconds=0.5, tries=1) as client, pytest.raises(grpc.RpcError) as caught:
            client.stub(StockStub).GetStock(StockLevel(goods_id=1))

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_the_client_asks_for_a_token_for_each_call() -> None:
    calls, methods = probe()
    tokens = iter([bearer(5), bearer(6)])
    with (
        grpc_server(methods) as address,
        Client(address, token=lambda: next(tokens), timeout_seconds=WAIT_SECONDS) as client,
    ):
        stub: Any = client.stub(StockStub)
        stub.GetStock(StockLevel())
        stub.GetStock(StockLevel())

    assert [call.identity.user_id for call in calls] == [5, 6]


def test_the_client_gives_up_after_its_tries() -> None:
    calls, methods = probe(raising(Busy()))

    with grpc_server(methods) as address, Client(address, token=bearer(), timeout_seconds=WAIT_SECONDS) as client:
        assert refusal(client.stub(StockStub).GetStock, StockLevel()) == ("UNAVAILABLE", 10000004)

    assert len(calls) == 3


def test_the_client_asks_once_when_the_answer_is_no() -> None:
    calls, methods = probe(raising(NotFound()))

    with grpc_server(methods) as address, Client(address, token=bearer(), timeout_seconds=WAIT_SECONDS) as client:
        assert refusal(client.stub(StockStub).GetStock, StockLevel()) == ("NOT_FOUND", 10000003)

    assert len(calls) == 1


@pytest.mark.parametrize(
    ("path", "metadata", "expected"),
    [
        ("/Stock/GetStock", [], True),
        ("/Stock/ReserveStock", [], True),
        ("/Stock/ReduceStock", [], False),
        ("/Order/CreateOrder", [], False),
        ("/Order/CreateOrder", [("idempotency-key", "k")], True),
        ("/Nobody/Knows", [], False),
    ],
)
def test_a_call_whose_connection_broke_is_repeated_only_where_that_is_harmless(
    path: str, metadata: list[tuple[str, str]], expected: bool
) -> None:
    with Client("127.0.0.1:1", tries=1, timeout_seconds=WAIT_SECONDS) as client, pytest.raises(grpc.RpcError) as broken:
        client.channel.unary_unary(path)(b"")
    assert broken.value.code() is grpc.StatusCode.UNAVAILABLE

    assert may_repeat(path, metadata, broken.value) is expected
