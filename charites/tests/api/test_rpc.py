"""The adapter that all gRPC methods share, seen through a real connection to a servicer that misbehaves on purpose."""

import logging
import time
from typing import Any

import grpc
import pytest
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.test import override_settings
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest as Request
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionResponse as Response
from prometheus_client import REGISTRY
from structlog import wrap_logger
from structlog.testing import LogCapture

from charites.common.clock import now
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
from charites.common.logs import Access, merge_context
from charites.common.rpc import STATUS, Call, Servicer, installed_methods, methods_of, read_error
from charites.tests.api.probe import probe, raising
from lab.fuzz.grpc_fuzzer import usual_headers
from lab.fuzz.http2_caller import Answer, Http2Caller
from lab.kit.factories import make_user
from lab.kit.grpc_server import REFLECTIONS, SERVICES, grpc_callers, listed, reflect, refusal
from stock.errors import NotEnoughStock
from stock.rpc import stock_pb2
from stock.rpc.stock_pb2 import StockLevel
from stock.selectors import list_stock

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


def test_a_call_is_counted_and_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = LogCapture()
    monkeypatch.setattr(Access, "log", wrap_logger(None, [merge_context, lines]))
    _calls, methods = probe(raising(Busy()))
    labels = {"protocol": "grpc", "route": "Stock.GetStock", "status": "UNAVAILABLE"}
    before = REGISTRY.get_sample_value("charites_requests_total", labels) or 0

    with grpc_callers(methods) as callers:
        refusal(callers.buyer().stock.GetStock, StockLevel(), metadata=[("x-request-id", "shop-1")])

    assert REGISTRY.get_sample_value("charites_requests_total", labels) == before + 1
    assert [(line["event"], line["method"], line["status"], line["request_id"]) for line in lines.entries] == [
        ("call", "Stock.GetStock", "UNAVAILABLE", "shop-1")
    ]


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
    now()  # else a call may look at the database's clock, and open a connection for that
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
        method.answer({"authorization": "Bearer buyer"}, StockLevel, lambda: True)

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


def call_in_one_piece(address: str, path: str, message: bytes, *more: tuple[bytes, bytes]) -> Answer:
    """Sends a request and its end in one frame: Hypercorn stumbles, with a traceback, over an end that comes behind its
    answer."""
    caller = Http2Caller(address)
    body = b"\0" + len(message).to_bytes(4, "big") + message
    answer = caller.call([*usual_headers(path, address, ""), *more], body, seconds=20)
    caller.close()
    return answer


@pytest.mark.parametrize(
    "path",
    [
        "health.v1.Health/Check",
        "health.v1.Health/Watch",
        *(f"reflection.{version}.ServerReflection/ServerReflectionInfo" for version in REFLECTIONS),
    ],
)
def test_what_is_no_message_is_invalid_for_health_and_reflection(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with grpc_callers() as callers:
        answer = call_in_one_piece(callers.address, f"/grpc.{path}", b"\x0a\x02\xc3\x28")

    assert answer.status == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_metadata_that_are_no_utf_8_are_passed_over_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with grpc_callers() as callers:
        answer = call_in_one_piece(callers.address, "/grpc.health.v1.Health/Check", b"", (b"x-note", b"\xff"))

    assert (answer.http, answer.status) == (200, 0)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("version", REFLECTIONS)
def test_reflection_describes_every_service_without_a_token(version: str) -> None:
    package = f"grpc.reflection.{version}"
    described = [Request(file_containing_symbol=name) for name in ("Stock", f"{package}.ServerReflection")]

    with grpc_callers() as callers:
        channel = callers.anybody().client.channel
        names, *files = reflect(channel, version, [Request(list_services="*"), *described])

    assert listed(names) == SERVICES
    stock, own = map(first_file, files)
    assert [service.name for service in stock.service] == ["Stock"]
    assert "ReserveStock" in [method.name for method in stock.service[0].method]
    assert (own.package, own.options.deprecated) == (package, version == "v1alpha")
    assert own.service[0].method[0].input_type == f".{package}.ServerReflectionRequest"


def first_file(reply: Response) -> FileDescriptorProto:
    """The file that was asked for; those that it imports come behind it."""
    return FileDescriptorProto.FromString(reply.file_descriptor_response.file_descriptor_proto[0])


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
