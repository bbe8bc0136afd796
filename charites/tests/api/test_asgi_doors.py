"""gRPC as an ASGI application, and one application for many callers: who sends nothing, and what is made up."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from django.test import override_settings

from charites.common.rpc.asgi import GrpcApp, framed
from charites.tests.api.probe import WAIT_SECONDS, probe
from charites.tests.web.test_nothing_grows import FEW, MANY, WARM, objects, series
from lab.kit.factories import bearer
from stock.rpc.stock_pb2 import StockLevel

GET_STOCK = "/Stock/GetStock"
LEVEL = bytes(framed(StockLevel(goods_id=1).SerializeToString())["body"])
Ask = Callable[..., Awaitable[str]]


def with_app(work: Callable[[Ask], Awaitable[Any]]) -> Any:
    """Has the work done in a loop with an application, which it asks; returns what it returns."""
    _calls, methods = probe(lambda request, call: request)

    async def run() -> Any:
        app = GrpcApp(methods)

        async def ask(path: str, body: bytes | None, headers: Mapping[str, str]) -> str:
            """The status of a call. No body: none ever comes."""
            given = {"content-type": "application/grpc", "authorization": bearer(), **headers}
            sent: list[Mapping[str, Any]] = []

            async def receive() -> Mapping[str, Any]:
                if body is None:
                    await asyncio.Event().wait()
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(event: Mapping[str, Any]) -> None:
                sent.append(event)

            raw = [(name.encode(), value.encode()) for name, value in given.items()]
            await app({"type": "http", "method": "POST", "path": path, "headers": raw}, receive, send)
            return dict(sent[-1]["headers"])[b"grpc-status"].decode()

        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await work(ask)
        finally:
            app.adapter.close()

    return asyncio.run(run())


def test_calls_that_send_nothing_give_way_to_others() -> None:
    async def work(ask: Ask) -> tuple[list[str], str, int]:
        silent = [asyncio.ensure_future(ask(GET_STOCK, None, {})) for _ in range(12)]
        given_up = [await call for call in silent[:2]]
        answered = await ask(GET_STOCK, LEVEL, {})
        left = sum(not call.done() for call in silent)
        for call in silent:
            call.cancel()
        return given_up, answered, left

    with override_settings(GRPC_MAX_CONCURRENT=5, GRPC_DEADLINE_SECONDS=2 * WAIT_SECONDS):
        given_up, answered, left = with_app(work)

    assert given_up == ["4", "4"]  # DEADLINE_EXCEEDED
    assert answered == "0"
    assert left in (9, 10)  # who has sent has been a call on its way, too


@pytest.mark.parametrize("what", ["method", "token", "metadata"])
def test_grpc_keeps_nothing_of_what_callers_make_up(what: str) -> None:
    async def work(ask: Ask) -> tuple[int, int]:
        async def ask_many(numbers: range) -> None:
            for number in numbers:
                path = f"/X{number}/Y" if what == "method" else GET_STOCK
                token = f"Bearer asgi-{number}" if what == "token" else "Bearer x"
                made_up = {"authorization": token, "x-request-id": f"asgi-{number}", f"m{number}": "x"}
                assert await ask(path, LEVEL, made_up) == ("12" if what == "method" else "16")

        await ask_many(range(WARM))
        before = series(), objects()
        await ask_many(range(WARM, WARM + MANY))
        return series() - before[0], objects() - before[1]

    more_series, more_objects = with_app(work)

    assert more_series == 0
    assert more_objects < FEW
