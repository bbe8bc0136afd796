"""Between the web server and Django: whole requests, a bounded number of them, and threads.

The server speaks ASGI and hands a request over as it arrives; Django is synchronous and runs in WEB_THREADS threads.
Who sends slowly, and who waits for a turn, holds none of them, and what the event loop can answer takes none. Past
WEB_MAX_CONCURRENT requests under way and waiting the answer is "busy" at once, and so it is to one whose turn does not
come within WEB_WAIT_SECONDS: of these nothing was begun.
"""

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from charites.common import logs
from charites.common.errors import Busy, Invalid, ServiceError
from charites.common.languages import speaking
from charites.common.rest import error_response, in_loop

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Wsgi(Protocol):
    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any], /) -> Iterable[bytes]: ...


class Answer(NamedTuple):
    status: int
    headers: Headers
    body: bytes


class Gone(Exception):
    """The caller hung up before the request was whole."""


class WebApp:
    """An ASGI application that runs a WSGI application."""

    def __init__(self, application: Wsgi) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="web")
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and (answer := await self._answer(scope, receive)):
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            await send({"type": "http.response.body", "body": answer.body})

    async def _live(self, receive: Receive, send: Send) -> None:
        event = ""
        while event != "lifespan.shutdown":
            event = (await receive())["type"]
            if event == "lifespan.shutdown":
                await asyncio.to_thread(self._threads.shutdown)
            await send({"type": f"{event}.complete"})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        """Answers a request; None for a caller who has gone."""
        if self._open >= settings.WEB_MAX_CONCURRENT:
            return refusal(scope, Busy())
        self._open += 1
        try:
            async with asyncio.timeout(settings.WEB_BODY_SECONDS):
                body = await read_body(receive)
            request = environ(scope, body)
            if answered := await in_loop.answer(request):
                return as_answer(answered)
            request["wsgi.input"].seek(0)
            return await self._in_thread(partial(run, self._application, request))
        except TimeoutError:
            return refusal(scope, Invalid("body", _("did not arrive in time")), HTTPStatus.REQUEST_TIMEOUT)
        except Busy as error:
            return refusal(scope, error)
        except Gone:
            return None
        finally:
            self._open -= 1

    async def _in_thread(self, job: Callable[[], Answer]) -> Answer:
        """Runs a job in a thread. Raises Busy when none is free in time; once it runs it is waited for."""
        running = self._threads.submit(job)
        turn = asyncio.get_running_loop().call_later(settings.WEB_WAIT_SECONDS, running.cancel)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            if running.cancel() and not turn.when() > asyncio.get_running_loop().time():
                raise Busy from None
            raise
        finally:
            turn.cancel()


async def read_body(receive: Receive) -> bytes:
    """Returns a request's body; of one that is too large a byte too much, which Django refuses. Raises Gone."""
    body, more = bytearray(), True
    while more and len(body) <= settings.REQUEST_MAX_BYTES:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Gone
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return bytes(body)


def environ(scope: Scope, body: bytes) -> dict[str, Any]:
    """A request as WSGI has it. A header with an underscore is not taken: it would pass for one with a hyphen."""
    host, port = scope.get("server") or ("localhost", 80)
    client, _port = scope.get("client") or ("", 0)
    found = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" not in raw_name:
            name = f"HTTP_{raw_name.decode('latin-1').upper().replace('-', '_')}"
            value = raw_value.decode("latin-1")
            found[name] = f"{found[name]},{value}" if name in found else value
    found["CONTENT_TYPE"] = found.pop("HTTP_CONTENT_TYPE", "")
    declared = found.pop("HTTP_CONTENT_LENGTH", "")
    found["CONTENT_LENGTH"] = declared if len(body) > settings.REQUEST_MAX_BYTES and declared else str(len(body))
    return found


def run(application: Wsgi, request: dict[str, Any]) -> Answer:
    """Runs in a thread: has a request answered."""
    started: list[tuple[int, Headers]] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        started.append((int(status.split(" ", 1)[0]), encoded))

    parts = application(request, start)
    try:
        body = b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()
    return Answer(*started[-1], body)


def refusal(scope: Scope, error: ServiceError, status: int | None = None) -> Answer:
    """An answer without Django: nothing was begun."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    with (
        logs.request_context(headers.get(b"x-request-id")) as request_id,
        speaking(headers.get(b"accept-language", "")),
    ):
        response = error_response(error)
        response.status_code = status or response.status_code
        response["X-Request-ID"] = request_id
        logs.REQUESTS.labels("http", "-", str(response.status_code)).inc()
        logs.Access.log.info("request", method=scope["method"], path=scope["path"], status=response.status_code, ms=0.0)
    return as_answer(response)


def as_answer(response: HttpResponse) -> Answer:
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    return Answer(response.status_code, encoded, response.content)
