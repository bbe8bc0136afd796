"""Requests to the web application, as an ASGI server brings them."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Mapping
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

from charites.common.web import Answer, WebApp
from lab.kit.factories import bearer
from lab.kit.interleaving import TIMEOUT_SECONDS
from lab.kit.rest_client import error_in

RECEIVER = {"address": "1 Road", "name": "Li Lei", "phone": "138"}
ORDER = {"items": [{"goods_id": "1", "quantity": 1}], **RECEIVER}
ORDER_OF_OLD = b'{"GoodsId": "1", "Num": "1", "Address": "1 Road", "Name": "Li Lei", "Phone": "138"}'
Headers = Mapping[str, str]


class Web:
    """The web application, asked in an event loop of its own thread."""

    def __init__(self) -> None:
        self.app = WebApp(WSGIHandler())
        self.is_cut = False  # nothing can be sent to whoever asks
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def send(self, method: str, path: str, body: bytes | list[bytes] = b"", headers: Headers | None = None) -> Answer:
        return self.begin(method, path, body, headers).result(TIMEOUT_SECONDS)

    def begin(self, method: str, path: str, body: bytes | list[bytes] = b"", headers: Headers | None = None) -> Any:
        """A request whose body comes in parts; an empty list: nothing of it ever comes. `gone`: who sends it goes
        before it is whole; `left`: after that."""
        return asyncio.run_coroutine_threadsafe(self._exchange(method, path, body, headers or {}), self._loop)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_SECONDS)

    async def _exchange(self, method: str, path: str, body: bytes | list[bytes], headers: Headers) -> Answer:
        parts = [body] if isinstance(body, bytes) else list(body)
        self.taken = 0
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 1),
        }
        sent: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            if not parts:
                await asyncio.Event().wait()
            part = parts.pop(0)
            self.taken += 1
            if part in (b"gone", b"left"):
                return {"type": "http.disconnect"}
            return {
                "type": "http.request",
                "body": part,
                "more_body": parts[:1] not in ([], [b"left"]) or part == b"part",
            }

        async def send(event: Mapping[str, Any]) -> None:
            if self.is_cut:
                raise ConnectionResetError
            sent.append(event)

        await self.app(scope, receive, send)
        start, *rest = sent or [{"status": 0, "headers": []}]
        return Answer(start["status"], start["headers"], b"".join(event["body"] for event in rest))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.app._turns.close()
        for turns in self.app._operators.values():
            turns.close()
        self.app._signing_in.close()


def as_buyer(**more: str) -> Headers:
    return {
        "Host": "127.0.0.1",
        "Authorization": bearer(),
        "Content-Type": "application/json",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def order(**changes: Any) -> bytes:
    return json.dumps({**ORDER, **changes}).encode()


def told(answer: Answer) -> tuple[int, int]:
    """The status of a refusal, and its number."""
    return answer.status, error_in(json.loads(answer.body))["code"]
