"""Limits of gRPC: sizes, calls at once, calls whose time passes or whose caller leaves."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from django.test import override_settings
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest as Request
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived
from h2.settings import SettingCodes, Settings

from charites.common.rpc import Call, limits, server
from charites.tests.api.probe import WAIT_SECONDS, probe
from lab.kit.grpc_server import REFLECTIONS, Caller, Callers, background_loop, grpc_callers, reflect, refusal
from stock.rpc import stock_pb2
from stock.rpc.stock_pb2 import OrderStockRequest, StockLevel


class Gate:
    """A behaviour that waits inside the method until it is opened, and says when it is inside."""

    def __init__(self) -> None:
        self.inside, self.opened = threading.Semaphore(0), threading.Event()

    def __call__(self, request: Any, call: Call) -> Message:
        self.inside.release()
        assert self.opened.wait(WAIT_SECONDS)
        return StockLevel(num=1)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def outcome(future: "Future[Any]") -> tuple[str, int]:
    """The refusal of a call that runs in a thread."""
    return refusal(lambda _request: future.result(WAIT_SECONDS), None)


def raw(callers: Callers, data: bytes) -> None:
    """Sends bytes as they are to Stock.GetStock."""
    callers.buyer().client.channel.unary_unary("/Stock/GetStock")(data)


@pytest.mark.parametrize("data", [b"\x1a" + b"\xff" * 9, b"\x0a\x05ab"], ids=["endless", "cut"])
def test_what_is_no_message_is_invalid(data: bytes) -> None:
    calls, methods = probe()

    with grpc_callers(methods) as callers:
        assert refusal(lambda data: raw(callers, data), data) == ("INVALID_ARGUMENT", 10000001)
    assert calls == []


def test_a_message_over_the_limit_is_invalid() -> None:
    calls, methods = probe()
    too_large = OrderStockRequest(items=[stock_pb2.StockLine(goods_id=2**62, num=2**62)] * 4000)
    assert 64 * 1024 < too_large.ByteSize() < 256 * 1024

    with grpc_callers(methods) as callers:
        assert refusal(callers.service().stock.ReserveStock, too_large) == ("INVALID_ARGUMENT", 10000001)
    assert calls == []


@pytest.mark.transport
def test_a_huge_message_and_huge_metadata_are_refused_by_the_transport() -> None:
    calls, methods = probe()

    with grpc_callers(methods) as callers:
        with pytest.raises(grpc.RpcError) as message:
            raw(callers, b"\x00" * 1_000_000)
        with pytest.raises(grpc.RpcError) as metadata:
            callers.buyer().stock.GetStock(StockLevel(), metadata=[("filler", "x" * 20_000)])

    assert message.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert metadata.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert calls == []


def test_more_calls_than_allowed_are_busy_at_once_and_the_others_finish(threads: ThreadPoolExecutor) -> None:
    gate = Gate()
    calls, methods = probe(gate)

    with override_settings(GRPC_MAX_WORKERS=1, GRPC_MAX_CONCURRENT=2), grpc_callers(methods) as callers:
        method = callers.buyer().stock.GetStock
        running = threads.submit(method, StockLevel())
        assert gate.inside.acquire(timeout=WAIT_SECONDS)
        others = [threads.submit(method, StockLevel()) for _ in range(3)]
        refused = [next(answers) for answers in [as_completed(others, WAIT_SECONDS)] for _ in range(2)]
        gate.opened.set()
        finished = [future.result(WAIT_SECONDS) for future in [running, *others] if future not in refused]

    assert [outcome(future) for future in refused] == [("UNAVAILABLE", 10000004)] * 2
    assert finished == [StockLevel(num=1)] * 2
    assert len(calls) == 2


def test_health_is_told_while_every_thread_and_place_is_taken(threads: ThreadPoolExecutor) -> None:
    gate = Gate()
    _calls, methods = probe(gate)

    with override_settings(GRPC_MAX_WORKERS=1, GRPC_MAX_CONCURRENT=1), grpc_callers(methods) as callers:
        caller = callers.buyer()
        hanging = threads.submit(caller.stock.GetStock, StockLevel())
        assert gate.inside.acquire(timeout=WAIT_SECONDS)
        health = caller.client.stub(health_pb2_grpc.HealthStub).Check(health_pb2.HealthCheckRequest())
        refused = refusal(caller.stock.GetStock, StockLevel())
        gate.opened.set()
        hanging.result(WAIT_SECONDS)

    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert refused == ("UNAVAILABLE", 10000004)


@pytest.mark.transport
def test_calls_that_arrive_while_the_server_sees_nothing_are_answered() -> None:
    _calls, methods = probe()
    stalled = threading.Event()

    with override_settings(GRPC_MAX_CONCURRENT=1024), grpc_callers(methods) as callers:
        method = callers.buyer().stock.GetStock
        method(StockLevel())
        background_loop().call_soon_threadsafe(stalled.wait, WAIT_SECONDS)
        calling = [method.future(StockLevel()) for _ in range(1500)]
        stalled.set()
        refused = [refusal(call.result, WAIT_SECONDS) for call in calling if call.exception(WAIT_SECONDS)]

    assert set(refused) <= {("UNAVAILABLE", 10000004)}
    assert len(refused) < 1500


def test_a_call_whose_time_passes_while_it_waits_is_dropped(threads: ThreadPoolExecutor) -> None:
    gate = Gate()
    calls, methods = probe(gate)

    patient = {"GRPC_MAX_WORKERS": 1, "GRPC_DEADLINE_SECONDS": WAIT_SECONDS}
    with override_settings(**patient), grpc_callers(methods) as callers:
        method = callers.buyer().stock.GetStock
        running = threads.submit(method, StockLevel(num=1))
        assert gate.inside.acquire(timeout=WAIT_SECONDS)
        with override_settings(GRPC_DEADLINE_SECONDS=0.1):
            waiting = threads.submit(method, StockLevel(num=2))
            refused = outcome(waiting)
        gate.opened.set()
        assert running.result(WAIT_SECONDS) == StockLevel(num=1)

    assert refused == ("DEADLINE_EXCEEDED", 10000012)
    assert "Nothing was done" in waiting.exception().details()
    assert len(calls) == 1


def test_a_call_whose_time_passes_while_it_runs_is_told_that_nobody_knows(threads: ThreadPoolExecutor) -> None:
    for seconds in (0.3, 3.0, 30.0):  # the time may pass on its way, on a busy machine: then with more of it
        gate = Gate()
        _calls, methods = probe(gate)
        with override_settings(GRPC_DEADLINE_SECONDS=seconds), grpc_callers(methods) as callers:
            running = threads.submit(callers.buyer().stock.GetStock, StockLevel(num=1))
            refused, has_begun = outcome(running), gate.inside.acquire(blocking=False)
            gate.opened.set()
        if has_begun:
            break

    assert has_begun
    assert refused == ("DEADLINE_EXCEEDED", 10000005)
    assert "It is not known" in running.exception().details()


def test_a_call_whose_caller_gave_up_while_it_waited_is_dropped(threads: ThreadPoolExecutor) -> None:
    gate = Gate()
    calls, methods = probe(gate)

    with override_settings(GRPC_MAX_WORKERS=1), grpc_callers(methods) as callers:
        caller = callers.buyer()
        method = caller.stock.GetStock
        running = threads.submit(method, StockLevel())
        assert gate.inside.acquire(timeout=WAIT_SECONDS)
        with pytest.raises(grpc.RpcError) as caught:
            method(StockLevel(), timeout=0.2)
        arrived_before(caller)
        gate.opened.set()
        assert running.result(WAIT_SECONDS).num == 1
        method(StockLevel(goods_id=9))

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(calls) == 2


@pytest.mark.transport
def test_a_call_that_is_cancelled_while_it_waits_is_dropped(threads: ThreadPoolExecutor) -> None:
    gate = Gate()
    calls, methods = probe(gate)

    with override_settings(GRPC_MAX_WORKERS=1), grpc_callers(methods) as callers:
        caller = callers.buyer()
        running = threads.submit(caller.stock.GetStock, StockLevel())
        assert gate.inside.acquire(timeout=WAIT_SECONDS)
        waiting = caller.stock.GetStock.future(StockLevel())
        arrived_before(caller)
        waiting.cancel()
        arrived_before(caller)
        gate.opened.set()
        assert running.result(WAIT_SECONDS).num == 1
        caller.stock.GetStock(StockLevel())

    assert len(calls) == 2


def arrived_before(caller: Caller) -> None:
    """Makes a call that waits for nobody: what was sent before it, on the same connection, has arrived."""
    check = caller.client.stub(health_pb2_grpc.HealthStub).Check
    for _ in range(3):
        check(health_pb2.HealthCheckRequest())


@pytest.mark.transport  # over ASGI: test_asgi.py; Hypercorn does not bear an answer before the request has ended
def test_streams_are_bounded_and_take_no_calls_place(monkeypatch: pytest.MonkeyPatch) -> None:
    _calls, methods = probe(lambda request, call: request)
    monkeypatch.setattr(limits, "MOST_STREAMS", 2)
    over = threading.Event()

    with override_settings(GRPC_MAX_CONCURRENT=2), grpc_callers(methods) as callers:
        caller = callers.buyer()
        held = [stream for _ in range(2) for stream in streams(caller, over)]
        answers = [next(stream) for stream in held]
        refused = [refusal(next, stream) for stream in streams(caller, over)]
        answer = caller.stock.GetStock(StockLevel(goods_id=5))
        for stream in held:
            stream.cancel()
        over.set()

    assert len(answers) == 6
    assert refused == [("UNIMPLEMENTED", 10000004), *[("UNAVAILABLE", 10000004)] * 2]
    assert answer == StockLevel(goods_id=5)


def streams(caller: Caller, over: threading.Event) -> list[Any]:
    """A stream of each kind; those of reflection ask once, and stay open until it is over."""

    def ask() -> Iterator[Request]:
        yield Request(list_services="*")
        over.wait(WAIT_SECONDS)

    watching = caller.client.stub(health_pb2_grpc.HealthStub).Watch(health_pb2.HealthCheckRequest())
    return [watching, *(reflect(caller.client.channel, version, ask()) for version in REFLECTIONS)]


@pytest.mark.transport
def test_connection_that_says_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HANDSHAKE_SECONDS", 1)

    with grpc_callers(probe()[1]) as callers:
        with socket.create_connection(callers.address.rsplit(":", 1), timeout=WAIT_SECONDS / 2) as connection:
            while connection.recv(65536):  # what the server says of itself, and the end
                continue


def test_watcher_who_takes_nothing_keeps_nobody_else_from_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "DRAIN_SECONDS", 0.1)
    request = health_pb2.HealthCheckRequest(service="Stock")

    with grpc_callers() as callers, taking_nothing(callers.address, "/grpc.health.v1.Health/Watch", request):
        watch = callers.anybody().client.stub(health_pb2_grpc.HealthStub).Watch
        told = next(watch(request, timeout=WAIT_SECONDS))

    assert told.status == health_pb2.HealthCheckResponse.SERVING


@contextmanager
def taking_nothing(address: str, path: str, request: Message) -> Iterator[None]:
    """A call whose caller lets the server send no byte of the reply; the server has begun to answer it."""
    caller = H2Connection(H2Configuration(client_side=True))
    caller.local_settings = Settings(initial_values={SettingCodes.INITIAL_WINDOW_SIZE: 0})
    caller.initiate_connection()
    headers = {":method": "POST", ":path": path, ":scheme": "http", ":authority": address}
    headers |= {"content-type": "application/grpc", "te": "trailers"}
    caller.send_headers(1, list(headers.items()))
    data = request.SerializeToString()
    caller.send_data(1, b"\0" + len(data).to_bytes(4, "big") + data, end_stream=True)
    with socket.create_connection(address.rsplit(":", 1), timeout=WAIT_SECONDS) as connection:
        connection.sendall(caller.data_to_send())
        while not any(isinstance(event, ResponseReceived) for event in caller.receive_data(connection.recv(65536))):
            connection.sendall(caller.data_to_send())
        yield
