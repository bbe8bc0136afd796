"""The adapter that all gRPC methods share, seen through a real connection to a servicer that misbehaves on purpose."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import timedelta
from typing import Any

import grpc
import jwt
import pytest
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.test import override_settings
from django.utils import timezone
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from prometheus_client import REGISTRY

from charites.common.auth import Role, issue_pair, issue_token
from charites.common.errors import (
    Busy,
    Forbidden,
    InternalError,
    Invalid,
    KeyReused,
    Kind,
    Limited,
    NotFound,
    OutcomeUnknown,
    ServiceError,
    Unauthenticated,
)
from charites.common.rpc import (
    STATUS,
    Call,
    Client,
    Method,
    Servicer,
    allow,
    installed_methods,
    may_repeat,
    methods_of,
    read_error,
)
from lab.kit.factories import bearer, make_user
from lab.kit.grpc_server import Caller, Callers, grpc_callers, grpc_server, refusal
from lab.kit.shop import wait_until
from stock.errors import NotEnoughStock
from stock.rpc import stock_pb2
from stock.rpc.stock_pb2 import OrderStockReply, OrderStockRequest, StockLevel
from stock.rpc.stock_pb2_grpc import StockStub
from stock.selectors import list_stock

UNAUTHENTICATED = ("UNAUTHENTICATED", 10000002)
EXPIRED = ("UNAUTHENTICATED", 10000010)
WAIT_SECONDS = 60.0  # a bound for busy machines, no measurement


class Probe(Servicer):
    """Does what a test tells it to, under the names of the stock service, and counts its calls."""

    descriptor = stock_pb2.DESCRIPTOR.services_by_name["Stock"]
    behaviour: Callable[[Any, Call], Message] = staticmethod(lambda request, call: StockLevel())
    calls: list[Call]

    def GetStock(self, request: StockLevel, call: Call) -> Message:
        self.calls.append(call)
        return self.behaviour(request, call)

    @allow(Role.STAFF)
    def SetStock(self, request: StockLevel, call: Call) -> Message:
        return self.GetStock(request, call)

    ReduceStock = GetStock

    def ReserveStock(self, request: OrderStockRequest, call: Call) -> Message:
        self.calls.append(call)
        return OrderStockReply()

    ConfirmStock = RollbackStock = ReserveStock


def probe(behaviour: Callable[[Any, Call], Message] | None = None) -> tuple[list[Call], list[Method]]:
    """A probe with this behaviour; returns the list of its calls, and its methods."""
    calls: list[Call] = []
    does = {"calls": calls, **({"behaviour": staticmethod(behaviour)} if behaviour else {})}
    return calls, methods_of(type("Probe", (Probe,), does))


def raising(error: Exception) -> Callable[[Any, Call], Message]:
    def behaviour(request: Any, call: Call) -> Message:
        raise error

    return behaviour


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


# Errors

ONE_OF_A_KIND: dict[Kind, ServiceError] = {
    Kind.INVALID: Invalid("num", "is odd"),
    Kind.UNAUTHENTICATED: Unauthenticated(),
    Kind.FORBIDDEN: Forbidden(),
    Kind.NOT_FOUND: NotFound(),
    Kind.CONFLICT: NotEnoughStock(goods_id=1, requested=2, available=1),
    Kind.KEY_REUSED: KeyReused(key="k"),
    Kind.LIMITED: Limited(),
    Kind.BUSY: Busy(),
    Kind.UNKNOWN: OutcomeUnknown(),
    Kind.INTERNAL: InternalError(),
}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_error_has_its_status_and_carries_code_and_message(kind: Kind) -> None:
    error = ONE_OF_A_KIND[kind]
    _calls, methods = probe(raising(error))

    with grpc_callers(methods) as callers, pytest.raises(grpc.RpcError) as caught:
        callers.buyer().stock.GetStock(StockLevel())

    found = read_error(caught.value)
    assert caught.value.code() is STATUS[kind]
    assert (found.code, found.message) == (error.code, error.message)


def test_an_unforeseen_error_is_internal_logged_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    _calls, methods = probe(raising(ValueError("the secret of the house")))

    with grpc_callers(methods) as callers, pytest.raises(grpc.RpcError) as caught:
        callers.buyer().stock.GetStock(StockLevel())

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert read_error(caught.value).code == 10000000
    assert "secret" not in str(caught.value.details()) + str(caught.value.trailing_metadata())
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(logged) == 1
    assert "the secret of the house" in str(logged[0].msg) + str(logged[0].exc_info)


def test_a_database_that_is_away_is_unavailable() -> None:
    _calls, methods = probe(raising(OperationalError(2006, "server has gone away")))

    with grpc_callers(methods) as callers:
        assert refusal(callers.buyer().stock.GetStock, StockLevel()) == ("UNAVAILABLE", 10000004)


def test_an_error_speaks_the_language_of_the_caller() -> None:
    calls, methods = probe(raising(Busy()))
    texts = {}

    with grpc_callers(methods) as callers:
        for language in ("zh-CN,zh;q=0.9", "fr, en;q=0.5", "*", ""):
            with pytest.raises(grpc.RpcError) as caught:
                callers.buyer().stock.GetStock(StockLevel(), metadata=[("accept-language", language)])
            texts[language] = caught.value.details()

    with override_settings(LANGUAGE_CODE="en"):
        english = "The shop is busy. Nothing was done; try again in a moment."
    assert texts["fr, en;q=0.5"] == texts["*"] == texts[""] == english
    assert texts["zh-CN,zh;q=0.9"] != english
    assert len(calls) == 4


# Tokens and roles


def expired() -> str:
    now = timezone.now() - timedelta(days=1)
    return f"Bearer {issue_token(user_id=1, role=Role.SERVICE, now=now, lifetime_seconds=60)}"


def foreign() -> str:
    claims = {"sub": "1", "role": "service", "use": "access", "exp": timezone.now() + timedelta(days=1)}
    return f"Bearer {jwt.encode(claims, 'a key of somebody else that is long enough for HS256', 'HS256')}"


def for_refreshing() -> str:
    return f"Bearer {issue_pair(user_id=1, role=Role.SERVICE, now=timezone.now()).refresh}"


BAD_HEADERS = {
    "missing": lambda: "",
    "bare": lambda: bearer().removeprefix("Bearer "),
    "basic": lambda: "Basic dXNlcjpwYXNz",
    "garbage": lambda: "Bearer not-a-token",
    "expired": expired,
    "foreign": foreign,
    "refresh": for_refreshing,
    "demo word outside the demo": lambda: "token",
    "quoted demo word outside the demo": lambda: '"token"',
    "demo token outside the demo": lambda: "Bearer token",
}


@pytest.mark.parametrize("header", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_bad_token_is_unauthenticated_before_the_method_runs(header: Callable[[], str]) -> None:
    calls, methods = probe()

    with grpc_callers(methods) as callers:
        answer = refusal(callers.with_header(header()).stock.GetStock, StockLevel())
    assert answer == (EXPIRED if header is expired else UNAUTHENTICATED)
    assert calls == []


@pytest.mark.parametrize("header", ["token", '"token"', "Bearer token"])
def test_the_demo_words_are_the_service_role_in_the_demo(header: str) -> None:
    calls, methods = probe()

    with override_settings(DEMO=True), grpc_callers(methods) as callers:
        callers.with_header(header).stock.GetStock(StockLevel())

    assert [(call.identity.user_id, call.identity.role) for call in calls] == [(0, Role.SERVICE)]


@pytest.mark.django_db(transaction=True)
def test_the_demo_names_are_users_in_the_demo() -> None:
    user = make_user("buyer")
    calls, methods = probe()

    with override_settings(DEMO=True), grpc_callers(methods) as callers:
        callers.with_header("Bearer buyer").stock.GetStock(StockLevel())

    assert [(call.identity.user_id, call.identity.role) for call in calls] == [(user.pk, Role.CUSTOMER)]


def test_a_method_for_some_roles_lets_only_them_in() -> None:
    calls, methods = probe()

    with grpc_callers(methods) as callers:
        refused = [refusal(caller.stock.SetStock, StockLevel()) for caller in (callers.buyer(), callers.service())]
        callers.staff().stock.SetStock(StockLevel())

    assert refused == [("PERMISSION_DENIED", 10000006)] * 2
    assert [call.identity.role for call in calls] == [Role.STAFF]


# Request id, log, metrics


@pytest.mark.parametrize(("given", "kept"), [("shop-1", True), ("with space", False), ("x" * 65, False)])
def test_a_request_id_comes_back_if_it_is_harmless(given: str, kept: bool) -> None:
    _calls, methods = probe()

    with grpc_callers(methods) as callers:
        method = callers.buyer().stock.GetStock
        _reply, call = method.with_call(StockLevel(), metadata=[("x-request-id", given)])

    returned = dict(call.trailing_metadata())["x-request-id"]
    assert (returned == given) is kept
    assert len(returned) in (32, len(given))


def test_a_refused_call_carries_its_request_id() -> None:
    _calls, methods = probe(raising(Busy()))

    with grpc_callers(methods) as callers, pytest.raises(grpc.RpcError) as caught:
        callers.buyer().stock.GetStock(StockLevel(), metadata=[("x-request-id", "shop-1")])

    assert dict(caught.value.trailing_metadata())["x-request-id"] == "shop-1"


def test_a_call_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    _calls, methods = probe(raising(Busy()))
    labels = {"protocol": "grpc", "route": "Stock.GetStock", "status": "UNAVAILABLE"}
    before = REGISTRY.get_sample_value("charites_requests_total", labels) or 0

    with grpc_callers(methods) as callers:
        refusal(callers.buyer().stock.GetStock, StockLevel(), metadata=[("x-request-id", "shop-1")])

    assert REGISTRY.get_sample_value("charites_requests_total", labels) == before + 1
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict) and record.msg["event"] == "call"]
    assert [(line["method"], line["status"], line["request_id"]) for line in lines] == [
        ("Stock.GetStock", "UNAVAILABLE", "shop-1")
    ]


# Limits


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


# Database connections


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("max_age", "expected"), [(0, 2), (300, 1)])
def test_an_outdated_connection_is_closed_around_every_call(max_age: int, expected: int) -> None:
    def behaviour(request: Any, call: Call) -> Message:
        connection.ensure_connection()
        connection.close_at = time.monotonic() + max_age
        list_stock(goods_ids=[1])
        return StockLevel()

    opened: list[object] = []
    _calls, methods = probe(behaviour)
    with override_settings(GRPC_MAX_WORKERS=1), grpc_callers(methods) as callers:
        connection_created.connect(count_into := lambda **_signal: opened.append(1))
        for _ in range(2):
            callers.buyer().stock.GetStock(StockLevel())
        connection_created.disconnect(count_into)

    assert len(opened) == expected


@pytest.mark.django_db(transaction=True)
def test_an_outdated_connection_is_closed_before_a_user_is_looked_up() -> None:
    user = make_user("buyer")
    calls, methods = probe()
    method = next(method for method in methods if method.name == "Stock.GetStock")
    outdated, used = connection.connection, []
    connection.close_at = 0

    def note(execute: Any, *statement: Any) -> Any:
        used.append(connection.connection)
        return execute(*statement)

    with override_settings(DEMO=True), connection.execute_wrapper(note):
        method.answer({"authorization": "Bearer buyer"}, StockLevel)

    assert [call.identity.user_id for call in calls] == [user.pk]
    assert used
    assert outdated not in used


# Health and reflection


def test_health_of_the_server_and_of_each_service_needs_no_token() -> None:
    serving = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    with grpc_callers() as callers:
        check = callers.anybody().client.stub(health_pb2_grpc.HealthStub).Check
        answers = [check(health_pb2.HealthCheckRequest(service=name)) for name in ("", "Goods", "Stock", "Order")]
        with pytest.raises(grpc.RpcError) as unknown:
            check(health_pb2.HealthCheckRequest(service="Carts"))

    assert answers == [serving] * 4
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_describes_every_service_without_a_token() -> None:
    with grpc_callers() as callers:
        database = ProtoReflectionDescriptorDatabase(callers.anybody().client.channel)
        services = set(database.get_services())
        described = database.FindFileContainingSymbol("Stock")

    assert {"Goods", "Stock", "Order", "grpc.health.v1.Health"} <= services
    assert [service.name for service in described.service] == ["Stock"]
    assert "ReserveStock" in [method.name for method in described.service[0].method]


def test_an_unknown_method_is_unimplemented() -> None:
    with grpc_callers() as callers, pytest.raises(grpc.RpcError) as caught:
        callers.buyer().client.channel.unary_unary("/Stock/StealStock")(b"")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


# Servicers


def test_a_servicer_that_lacks_a_method_is_refused_at_the_start() -> None:
    class Half(Servicer):
        descriptor = stock_pb2.DESCRIPTOR.services_by_name["Stock"]

    with pytest.raises(TypeError, match="Half lacks SetStock"):
        methods_of(Half)


def test_the_installed_methods_are_those_of_the_three_services() -> None:
    names = {method.name for method in installed_methods()}

    assert {name.partition(".")[0] for name in names} == {"Goods", "Stock", "Order"}
    assert {"Goods.GetGoodsDetails", "Stock.RollbackStock", "Order.CancelOrder"} <= names


# The client


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
