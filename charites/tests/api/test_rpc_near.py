"""The demo's tokens, which everybody knows, count for callers on this machine alone."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest

from charites.common.auth import Role
from charites.common.near import is_near
from charites.common.rpc import Client, Method, read_error, serving
from charites.common.rpc.asgi import GrpcApp, framed
from charites.tests.api.probe import probe
from lab.kit.factories import BUYER_ID, bearer
from lab.kit.grpc_server import TEST_SECONDS, background_loop, grpc_callers
from lab.kit.rest_client import RestClient, error_of
from stock.rpc.stock_pb2 import StockLevel
from stock.rpc.stock_pb2_grpc import StockStub

pytestmark = pytest.mark.django_db(transaction=True)

ELSEWHERE = "203.0.113.9"
SERVED, REFUSED = 0, 10000002
FORWARDED = {
    "X-Forwarded-For": ELSEWHERE,
    "X-Forwarded-For, which says the caller": "127.0.0.1",
    "X-Forwarded-Host": "shop.example",
    "X-Forwarded-Proto": "https",
    "X-Real-IP": ELSEWHERE,
    "Forwarded": f"for={ELSEWHERE}",
    "Via": "1.1 proxy",
}


@pytest.fixture
def known(settings: Any) -> str:
    """A header that everybody knows."""
    settings.DEMO = True
    return "Bearer token"


def over_rest(header: str, headers: Mapping[str, str] | None = None, address: str = "127.0.0.1") -> list[int]:
    """How REST and the gateway answer a caller there: the number of a refusal, 0 where there is none."""
    caller = RestClient(header)
    caller.client.defaults["REMOTE_ADDR"] = address
    given = dict(headers or {})
    answers = [caller.get("/api/orders", given), caller.send("POST", "/v1/getstock", {"GoodsId": 1}, given)]
    return [SERVED if answer.status_code != 401 or error_of(answer)[1] != REFUSED else REFUSED for answer in answers]


def call(stub: Any, header: str, headers: Mapping[str, str] | None = None) -> list[int]:
    """The same over gRPC: a method in a thread, and one in the event loop."""
    metadata = [("authorization", header), *((name.lower(), value) for name, value in (headers or {}).items())]
    return [number_of(method, metadata) for method in (stub.GetStock, stub.ReduceStock)]


def number_of(method: Any, metadata: Any) -> int:
    try:
        method(StockLevel(goods_id=1, num=1), metadata=metadata)
    except grpc.RpcError as error:
        number = int(read_error(error).code)
        return number if number == REFUSED else SERVED
    return SERVED


def header_of(name: str) -> dict[str, str]:
    return {name.partition(",")[0]: FORWARDED[name]}


def test_caller_on_this_machine_is_served_at_every_door(known: str) -> None:
    with grpc_callers() as callers:
        over_grpc = call(callers.anybody().stock, known)

    assert over_grpc + over_rest(known) == [SERVED] * 4
    assert over_rest(known, address="::1") == over_rest(known, address="::ffff:127.0.0.1") == [SERVED] * 2


@pytest.mark.parametrize("name", FORWARDED)
def test_whatever_a_proxy_has_forwarded_is_refused_at_every_door(known: str, name: str) -> None:
    with grpc_callers() as callers:
        over_grpc = call(callers.anybody().stock, known, header_of(name))

    assert over_grpc + over_rest(known, header_of(name)) == [REFUSED] * 4


def test_nobody_is_near_where_a_proxy_is_trusted(known: str, settings: Any) -> None:
    settings.TRUST_PROXY = True

    with grpc_callers() as callers:
        over_grpc = call(callers.anybody().stock, known)

    assert over_grpc + over_rest(known) == [REFUSED] * 4


@pytest.mark.parametrize("address", [ELSEWHERE, "10.0.0.1", "2001:db8::1", "", "localhost"])
def test_caller_from_elsewhere_is_refused_over_http(known: str, address: str) -> None:
    assert over_rest(known, address=address) == [REFUSED] * 2


def test_ordinary_token_counts_from_everywhere() -> None:
    everything = {name: value for whole in FORWARDED for name, value in header_of(whole).items()}

    with grpc_callers() as callers:
        over_grpc = call(callers.anybody().stock, bearer(0, Role.SERVICE), everything)

    assert over_grpc + over_rest(bearer(BUYER_ID), everything, ELSEWHERE) == [SERVED] * 4


def test_caller_from_elsewhere_is_refused_over_grpcio(known: str, tmp_path: Path) -> None:
    """Over a socket of the file system, whose peers have no address."""
    server = serving(probe()[1], address=f"unix:{tmp_path}/socket")
    asyncio.run_coroutine_threadsafe(server.__aenter__(), background_loop()).result(TEST_SECONDS)
    try:
        with Client(f"unix:{tmp_path}/socket", timeout_seconds=TEST_SECONDS, tries=1) as client:
            stub = client.stub(StockStub)
            answer = number_of(stub.GetStock, [("authorization", known)])
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), background_loop()).result(TEST_SECONDS)

    assert answer == REFUSED


@pytest.mark.parametrize(
    ("client", "status"), [(("127.0.0.1", 1), b"0"), ((ELSEWHERE, 1), b"16"), (None, b"16"), (("", 0), b"16")]
)
def test_caller_from_elsewhere_is_refused_over_asgi(known: str, client: tuple[str, int] | None, status: bytes) -> None:
    assert asyncio.run(asked(probe()[1], client, known)) == status


async def asked(methods: list[Method], client: tuple[str, int] | None, header: str) -> bytes:
    """The status that the ASGI application answers a caller with."""
    sent: list[Mapping[str, Any]] = []
    body = framed(StockLevel(goods_id=1).SerializeToString())["body"]

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(event: Mapping[str, Any]) -> None:
        sent.append(event)

    headers = [(b"content-type", b"application/grpc"), (b"authorization", header.encode())]
    scope = {"type": "http", "method": "POST", "path": "/Stock/GetStock", "headers": headers, "client": client}
    app = GrpcApp(methods)
    await app(scope, receive, send)
    app.adapter.close()
    return dict(sent[-1]["headers"])[b"grpc-status"]


def test_names_of_headers_are_compared_whatever_their_case() -> None:
    assert is_near("127.0.0.1", ["Host", "Accept", "X-Request-ID"])
    assert not is_near("127.0.0.1", ["Host", "X-FORWARDED-SERVER"])
