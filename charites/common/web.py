"""Between the web server and Django: whole requests, a bounded number of them, and threads.

The server speaks ASGI and hands a request over as it arrives; Django is synchronous and runs in WEB_THREADS threads.
Who sends slowly, and who waits for a turn, holds none of them, and what the event loop can answer takes none. Past
WEB_MAX_CONCURRENT requests under way and waiting the answer is "busy" at once, and so it is to one whose turn does not
come within WEB_WAIT_SECONDS: of these nothing was begun.
"""

import asyncio
import io
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import StreamingHttpResponse
from django.utils.translation import gettext_lazy as _

from charites.common import logs
from charites.common.addresses import caller_address
from charites.common.errors import Busy, Invalid, ServiceError, Why, busy, joined, too_large_body
from charites.common.languages import speaking
from charites.common.lifespan import Receive, Scope, Send, live
from charites.common.rest import error_response, in_loop
from charites.common.rest.middleware import FOR_OPERATORS, STARTED, account
from charites.common.threads import Turns

Headers = list[tuple[bytes, bytes]]


class Wsgi(Protocol):
    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any], /) -> Iterable[bytes]: ...


class Answer(NamedTuple):
    """`stream`: what comes instead of the body, bit by bit, until one of both ends it."""

    status: int
    headers: Headers
    body: bytes
    stream: StreamingHttpResponse | None = None


# Passwords are looked at in threads of their own, which take a core each: nobody else waits for that, and few may.
SIGN_IN = frozenset({("POST", "/api/auth/token"), ("POST", "/admin/login/"), ("POST", "/sign-in")})
MOST_SIGNING_IN = 16  # waiting
NEEDED_FOR_REFUSALS = (b"host", b"x-forwarded-proto", b"origin")
HEADER_BYTES = 16 * 1024  # names and values: whoever parses them costs more than their length
STALL_SECONDS = 30.0  # who has not taken the last part of a stream by then gets no more
ARRIVING_BYTES = 64 * 1024 * 1024  # of requests that are not whole yet, in a process


class Unheard(Exception):
    """A request that did not come as it has to; nobody has looked at what it wants."""

    def __init__(self, error: ServiceError, status: int) -> None:
        self.error, self.status = error, status


class WebApp:
    """An ASGI application that runs a WSGI application. `end_streams` is called when the server ends."""

    def __init__(self, application: Wsgi, end_streams: Callable[[], None] = lambda: None) -> None:
        self._application, self._end_streams = application, end_streams
        self._turns = Turns(settings.WEB_THREADS, "web")
        self._operators = {path: Turns(1, path.strip("/")) for path in FOR_OPERATORS}
        self._signing_in = Turns(settings.PASSWORD_HASHINGS, "sign-in", MOST_SIGNING_IN)
        self._open = self._arriving_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send, self._close, self._end_streams, settings.DRAIN_DELAY_SECONDS)
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            try:
                await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            except BaseException:
                if answer.stream:
                    answer.stream.close()
                raise
            if answer.stream and not await pass_on(answer.stream, receive, send):
                return
            await send({"type": "http.response.body", "body": answer.body})

    def _close(self) -> None:
        self._end_streams()
        self._turns.close()
        self._signing_in.close()
        for turns in self._operators.values():
            turns.close(wait=False)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        scope[STARTED] = time.monotonic()
        try:
            if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
                raise Unheard(Invalid("headers", _("are too long")), HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            request = environ(scope)
            if turns := self._operators.get(scope["path"]):
                # Also when it is full, and without a body. Each path has a thread, or a process whose database hangs
                # would pass for dead.
                return await self._in_thread(turns, with_body(request, b""))
            if is_too_large(request["CONTENT_LENGTH"]):
                raise too_large()
            with_body(request, await self._whole_body(receive))
            return await self._answer_one_more(request)
        except Busy as error:
            return refusal(scope, error)
        except Unheard as unheard:
            return refusal(scope, unheard.error, unheard.status)

    async def _whole_body(self, receive: Receive) -> bytes:
        """Returns a request's body, whose length is bounded; so are the bytes of all requests on their way. Raises
        Busy, Unheard."""
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(settings.WEB_BODY_SECONDS):
                while more:
                    event = await receive()
                    if event["type"] == "http.disconnect":
                        raise Unheard(Invalid("body", _("is not whole")), HTTPStatus.BAD_REQUEST)
                    part, more = event.get("body", b""), event.get("more_body", False)
                    body += part
                    self._arriving_bytes += len(part)
                    if len(body) > settings.REQUEST_MAX_BYTES:
                        raise too_large()
                    if self._arriving_bytes > ARRIVING_BYTES:
                        raise busy(Why.BODIES)
        except TimeoutError as error:
            late = Invalid("body", _("did not arrive in time"))
            raise Unheard(late, HTTPStatus.REQUEST_TIMEOUT) from error
        finally:
            self._arriving_bytes -= len(body)
        return bytes(body)

    async def _answer_one_more(self, request: dict[str, Any]) -> Answer:
        """Answers a request if there are not too many. Raises Busy."""
        if self._open >= settings.WEB_MAX_CONCURRENT:
            raise busy(Why.CALLS)
        self._open += 1
        try:
            if answered := await in_loop.answer(request):
                return as_answer(answered)
            request["wsgi.input"].seek(0)
            is_sign_in = (request["REQUEST_METHOD"], request["PATH_INFO"]) in SIGN_IN
            if is_sign_in:
                return await self._in_thread(self._signing_in, request, Why.PASSWORDS)
            return await self._in_thread(self._turns, request)
        finally:
            self._open -= 1

    async def _in_thread(self, turns: Turns, request: dict[str, Any], why: Why = Why.THREADS) -> Answer:
        """Has a thread answer. Raises Busy when none is free in time; once it has begun it is waited for."""
        try:
            running = await turns.begin(partial(run, self._application, request), settings.WEB_WAIT_SECONDS)
        except TimeoutError:
            raise busy(why) from None
        return await asyncio.shield(running)


async def pass_on(stream: StreamingHttpResponse, receive: Receive, send: Send) -> bool:
    """Sends what a stream has. Returns whether that came to its end; else nobody is there any more."""
    sending = asyncio.ensure_future(send_parts(stream, send))
    hanging_up = asyncio.ensure_future(receive())  # the request is whole: what comes next is its end
    try:
        await asyncio.wait((sending, hanging_up), return_when=asyncio.FIRST_COMPLETED)
        return sending.done() and sending.result()
    finally:
        sending.cancel()
        hanging_up.cancel()
        stream.close()


async def send_parts(stream: StreamingHttpResponse, send: Send) -> bool:
    """Returns False when somebody does not take them."""
    try:
        async for part in stream:
            async with asyncio.timeout(STALL_SECONDS):
                await send({"type": "http.response.body", "body": part, "more_body": True})
    except TimeoutError:
        return False
    return True


def environ(scope: Scope) -> dict[str, Any]:
    """A request as WSGI has it, still without its body. A header with an underscore is not taken: it would pass for one
    with a hyphen."""
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
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        STARTED: scope[STARTED],
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" not in raw_name:
            name = f"HTTP_{raw_name.decode('latin-1').upper().replace('-', '_')}"
            value = raw_value.decode("latin-1")
            found[name] = joined(raw_name, found[name], value) if name in found else value
    found["CONTENT_TYPE"] = found.pop("HTTP_CONTENT_TYPE", "")
    found["CONTENT_LENGTH"] = found.pop("HTTP_CONTENT_LENGTH", "")
    return found


def is_too_large(declared: str) -> bool:
    """Whether a request says that its body is too large."""
    return declared.isascii() and declared.isdigit() and int(declared) > settings.REQUEST_MAX_BYTES


def too_large() -> Unheard:
    return Unheard(too_large_body(settings.REQUEST_MAX_BYTES), HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def with_body(request: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Puts a body into a request, whatever the request has said of its length."""
    request |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return request


def run(application: Wsgi, request: dict[str, Any]) -> Answer:
    """Runs in a thread: has a request answered."""
    started: list[tuple[int, Headers]] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        started.append((int(status.split(" ", 1)[0]), encoded(headers)))

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
    peer, _port = scope.get("client") or ("", 0)
    address = caller_address(peer, headers.get(b"x-forwarded-for", ""))
    with (
        logs.request_context(headers.get(b"x-request-id"), address=address) as request_id,
        speaking(headers.get(b"accept-language", "")),
    ):
        response = error_response(scope["path"], error, status)
        told = [(name, value) for name, value in scope["headers"] if name in NEEDED_FOR_REFUSALS]
        request = WSGIRequest(environ({**scope, "headers": told}))
        for step in in_loop.LAST_STEPS:
            step.process_response(request, response)
        response["X-Request-ID"] = request_id
        account(scope["method"], scope["path"], None, response, time.monotonic() - scope[STARTED])
    return as_answer(response)


def as_answer(response: in_loop.Answered) -> Answer:
    headers = encoded(response.items())
    if isinstance(response, StreamingHttpResponse):
        return Answer(response.status_code, headers, b"", response)
    return Answer(response.status_code, headers, response.content)


def encoded(headers: Iterable[tuple[str, str]]) -> Headers:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
