"""gRPC as an ASGI application: what becomes of calls that no client library would make."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from django.test import override_settings
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from charites.common.error_pb2 import Error
from charites.common.rpc import Method, limits
from charites.common.rpc.asgi import GrpcApp, framed, seconds_of
from charites.common.rpc.limits import message_bytes
from charites.tests.api.probe import WAIT_SECONDS, probe, raising
from lab.kit.factories import bearer
from lab.kit.grpc_server import REFLECTIONS
from stock.errors import NotEnoughStock
from stock.rpc.stock_pb2 import StockLevel

GET_STOCK = "/Stock/GetStock"
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
REFLECT = [f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in REFLECTIONS]


class Reply(NamedTuple):
    """What an application sent: the status of HTTP, the body, and the trailers."""

    http_status: int
    body: bytes
    trailers: Mapping[str, str]

    @property
    def status(self) -> str:
        by_number = {code.value[0]: code.name for code in StatusCode}
        return by_number[int(self.trailers["grpc-status"])]

    def messages(self, message_class: type[Message]) -> list[Message]:
        found, rest = [], self.body
        while rest:
            length = int.from_bytes(rest[1:5], "big")
            found.append(message_class.FromString(rest[5 : 5 + length]))
            rest = rest[5 + length :]
        return found


def ask(
    methods: Sequence[Method],
    path: str,
    *parts: bytes | None,
    headers: Mapping[str, str] | None = None,
    verb: str = "POST",
    ends: bool = True,
) -> Reply:
    """Calls the application with a body in parts; None instead of one: the caller hangs up. `ends`: or sends nothing
    more, and does not say so."""
    given = {"content-type": "application/grpc", "authorization": bearer(), **(headers or {})}
    scope = {
        "type": "http",
        "method": verb,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    events: list[dict[str, Any]] = [
        {"type": "http.disconnect"} if part is None else {"type": "http.request", "body": part, "more_body": True}
        for part in parts
    ]
    if ends:
        events.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        if not events:
            await asyncio.Event().wait()
        return events.pop(0)

    async def send(event: Mapping[str, Any]) -> None:
        sent.append(event)

    async def call() -> None:
        app = GrpcApp(methods)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await app(scope, receive, send)
        finally:
            app.adapter.close()

    asyncio.run(call())
    body = b"".join(event.get("body", b"") for event in sent if event["type"] == "http.response.body")
    trailing = [event["headers"] for event in sent if event["type"] == "http.response.trailers"]
    trailers = {name.decode(): value.decode() for headers in trailing for name, value in headers}
    return Reply(sent[0]["status"], body, trailers)


def message(request: Message) -> bytes:
    return bytes(framed(request.SerializeToString())["body"])


def test_message_may_come_in_any_parts() -> None:
    calls, methods = probe(lambda request, call: request)
    whole = message(StockLevel(goods_id=5, num=7))

    for parts in ([whole], [whole[:3], whole[3:]], [bytes([byte]) for byte in whole], [b"", whole]):
        reply = ask(methods, GET_STOCK, *parts, headers={"x-request-id": "shop-1"})
        assert (reply.http_status, reply.status) == (200, "OK")
        assert reply.messages(StockLevel) == [StockLevel(goods_id=5, num=7)]
        assert reply.trailers["x-request-id"] == "shop-1"
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([], "INVALID_ARGUMENT"),
        ([b"\0\0\0"], "INVALID_ARGUMENT"),
        ([b"\0\0\0\0\x05ab"], "INVALID_ARGUMENT"),
        ([b"\1\0\0\0\0"], "UNIMPLEMENTED"),  # compressed
        ([b"\0\xff\xff\xff\xff"], "RESOURCE_EXHAUSTED"),  # announces four gigabytes
        ([b"\0" + (2**20).to_bytes(4, "big") + b"x" * 2**20], "RESOURCE_EXHAUSTED"),
        ([b"\0\0\0\0\x05ab", None], "CANCELLED"),
    ],
    ids=["nothing", "half a head", "cut off", "compressed", "4 GB", "1 MB", "hung up"],
)
def test_what_is_no_whole_message_reaches_no_method(parts: list[bytes | None], status: str) -> None:
    calls, methods = probe()

    assert ask(methods, GET_STOCK, *parts).status == status
    assert (calls, message_bytes() < 2**20) == ([], True)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/Stock/Nothing", {}, "UNIMPLEMENTED"),
        ("/", {}, "UNIMPLEMENTED"),
        (GET_STOCK, {"grpc-timeout": "soon"}, "INVALID_ARGUMENT"),
        (GET_STOCK, {"grpc-timeout": "123456789S"}, "INVALID_ARGUMENT"),
        (GET_STOCK, {"grpc-timeout": "0S"}, "DEADLINE_EXCEEDED"),
        (GET_STOCK, {"filler": "x" * 9000}, "RESOURCE_EXHAUSTED"),
    ],
)
def test_what_no_method_can_be_asked_for_is_refused(path: str, headers: dict[str, str], status: str) -> None:
    calls, methods = probe()

    assert ask(methods, path, message(StockLevel(goods_id=1)), headers=headers).status == status
    assert calls == []


def test_message_that_does_not_come_runs_out_of_time() -> None:
    calls, methods = probe()

    with_deadline = ask(methods, GET_STOCK, b"\0\0\0", headers={"grpc-timeout": "50m"}, ends=False)
    with override_settings(GRPC_DEADLINE_SECONDS=0.05):
        without = ask(methods, GET_STOCK, b"\0\0\0", ends=False)
        longer = ask(methods, GET_STOCK, b"\0\0\0", headers={"grpc-timeout": "1H"}, ends=False)

    assert [reply.status for reply in (with_deadline, without, longer)] == ["DEADLINE_EXCEEDED"] * 3
    assert calls == []


@pytest.mark.parametrize(("verb", "headers"), [("GET", {}), ("POST", {"content-type": "application/json"})])
def test_what_is_no_call_of_grpc_gets_a_status_of_http(verb: str, headers: dict[str, str]) -> None:
    calls, methods = probe()

    reply = ask(methods, GET_STOCK, message(StockLevel()), verb=verb, headers=headers)

    assert (reply.http_status, reply.body, reply.trailers, calls) == (415, b"", {}, [])


def test_error_of_ours_travels_in_the_trailers_in_the_callers_language() -> None:
    _calls, methods = probe(raising(NotEnoughStock(goods_id=1, requested=2, available=0)))

    reply = ask(methods, GET_STOCK, message(StockLevel(goods_id=1)), headers={"accept-language": "zh-hans"})

    encoded = reply.trailers["grpc-status-details-bin"]
    status = Status.FromString(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
    found = Error()
    assert status.details[0].Unpack(found)
    assert (reply.status, found.code, found.details["available"]) == ("FAILED_PRECONDITION", 40010003, "0")
    assert unquote(reply.trailers["grpc-message"]) == status.message == found.message
    assert "库存" in found.message
    assert reply.trailers["grpc-message"].isascii()


def test_call_beyond_the_most_is_busy_and_nothing_of_it_is_read() -> None:
    calls, methods = probe()

    with override_settings(GRPC_MAX_CONCURRENT=0):
        busy = ask(methods, GET_STOCK, message(StockLevel()))

    assert (busy.status, "grpc-status-details-bin" in busy.trailers) == ("UNAVAILABLE", True)
    assert calls == []


def test_streams_are_bounded_and_take_no_calls_place(monkeypatch: pytest.MonkeyPatch) -> None:
    _calls, methods = probe()
    monkeypatch.setattr(limits, "MOST_STREAMS", 0)

    statuses = [ask(methods, path, message(HealthCheckRequest())).status for path in (WATCH, *REFLECT)]
    assert statuses == ["UNIMPLEMENTED", "UNAVAILABLE", "UNAVAILABLE"]
    assert ask(methods, CHECK, message(HealthCheckRequest())).status == "OK"
    assert ask(methods, GET_STOCK, message(StockLevel())).status == "OK"

    with override_settings(GRPC_MAX_CONCURRENT=0):
        assert ask(methods, CHECK, message(HealthCheckRequest())).status == "OK"
        assert ask(methods, GET_STOCK, message(StockLevel())).status == "UNAVAILABLE"


def test_health_and_reflection_answer() -> None:
    _calls, methods = probe()

    healthy = ask(methods, CHECK, message(HealthCheckRequest(service="Stock")))
    unknown = ask(methods, CHECK, message(HealthCheckRequest(service="Nobody")))
    names = ServerReflectionRequest(list_services="*")
    file = ServerReflectionRequest(file_containing_symbol="Stock")
    reflected, older = (ask(methods, path, message(names) + message(file)[:7], message(file)[7:]) for path in REFLECT)

    assert healthy.messages(HealthCheckResponse) == [HealthCheckResponse(status=HealthCheckResponse.SERVING)]
    assert (healthy.status, unknown.status, reflected.status) == ("OK", "NOT_FOUND", "OK")
    listed, described = reflected.messages(ServerReflectionResponse)
    assert "Stock" in [service.name for service in listed.list_services_response.service]
    assert described.file_descriptor_response.file_descriptor_proto
    assert reflected == older


@pytest.mark.parametrize(
    ("text", "seconds"), [("2S", 2), ("1500m", 1.5), ("1H", 3600), ("3M", 180), ("5u", 5e-6), ("7n", 7e-9)]
)
def test_timeouts_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)
    assert seconds_of(None) is None
