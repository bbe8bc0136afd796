"""gRPC as an ASGI application, for servers that speak HTTP/2 with trailers: five bytes before each message, the status
behind the last one. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

Methods are answered by the `Adapter`, as behind grpcio; health and reflection are the standard ones.
"""

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_reflection.v1alpha.reflection import ReflectionServicer

from charites.common.addresses import FORWARDED_FOR, caller_address
from charites.common.errors import Busy, joined
from charites.common.lifespan import Receive, Scope, Send, live
from charites.common.rpc import reflection
from charites.common.rpc.adapter import REQUEST_ID_KEY, Adapter
from charites.common.rpc.health import Health
from charites.common.rpc.limits import (
    METADATA_BYTES,
    Streams,
    Unheard,
    allowed_seconds,
    each_second,
    message_bytes,
)
from charites.common.rpc.servicer import Method
from charites.common.rpc.status import no_place

Stream = Callable[[Receive], AsyncGenerator[Message, None]]
Read = TypeVar("Read", bound=Message)

CONTENT_TYPE = b"application/grpc"
KINDS = ("application/grpc", "application/grpc+proto")
HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", CONTENT_TYPE), (b"grpc-accept-encoding", b"identity")],
    "trailers": True,
}
NO_MORE = {"type": "http.response.body", "body": b""}
NOT_GRPC = {"type": "http.response.start", "status": 415, "headers": [(b"accept", CONTENT_TYPE)]}
FRAME = 5  # one byte: compressed or not; four: how long the message is
UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
READABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")  # what grpc-message says as it is
CHECK = f"/{health.SERVICE_NAME}/Check"
OK = Status(code=StatusCode.OK.value[0])


class Refused(Exception):
    """The transport's own word on a call that reaches no method."""

    def __init__(self, code: StatusCode, message: str) -> None:
        self.status = Status(code=code.value[0], message=message)
        super().__init__(message)


def late() -> Refused:
    return Refused(StatusCode.DEADLINE_EXCEEDED, "The request did not arrive in time.")


class GrpcApp:
    """Serves methods, health and reflection. `is_draining`: whether the server is about to end."""

    def __init__(self, methods: Sequence[Method], is_draining: Callable[[], bool] = lambda: False) -> None:
        self.adapter = Adapter()
        self._unheard, self._places = Unheard(), Streams()
        self._methods = {method.path: method for method in methods}
        services = sorted({method.descriptor.containing_service.full_name for method in methods})
        self._health = Health(services, is_draining)
        self._reflection = ReflectionServicer(reflection.names_with([*services, health.SERVICE_NAME]))
        self._streams: dict[str, Stream] = {
            f"/{health.SERVICE_NAME}/Watch": self._watch,
            **{f"/{name}/{reflection.METHOD}": self._reflect for name in reflection.names()},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            asyncio.get_running_loop().set_exception_handler(pass_over_late_parts)
            watching = asyncio.ensure_future(each_second(self._unheard.give_up_late))
            await live(receive, send, self.adapter.close)
            watching.cancel()
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call; what is no call of gRPC gets a status of HTTP."""
        metadata, size = read_metadata(scope["headers"])
        kind = metadata.get("content-type", "").partition(";")[0].strip()
        if scope["method"] != "POST" or kind not in KINDS:
            await send(NOT_GRPC)
            await send(NO_MORE)
            return
        request_id, last = "", NO_MORE
        if size > METADATA_BYTES:
            await send(HEAD)
            status = Refused(StatusCode.RESOURCE_EXHAUSTED, f"The metadata are over {METADATA_BYTES} bytes.").status
        elif stream := self._streams.get(scope["path"]):
            await send(HEAD)
            address = caller_address(peer_of(scope), metadata.get(FORWARDED_FOR, ""))
            status = await self._stream(scope["path"], address, stream(receive), send)
        else:
            outcome, request_id = await self._unary(scope, metadata, receive)
            await send(HEAD)
            status = OK if isinstance(outcome, bytes) else outcome
            last = framed(outcome) if isinstance(outcome, bytes) else NO_MORE
        await send(last)
        await send({"type": "http.response.trailers", "headers": trailers(status, request_id)})

    async def _unary(self, scope: Scope, metadata: Mapping[str, str], receive: Receive) -> tuple[bytes | Status, str]:
        """A call with one message and one reply."""
        try:
            return await (self._check(receive) if scope["path"] == CHECK else self._call(scope, metadata, receive))
        except Refused as refused:
            return refused.status, ""

    async def _call(self, scope: Scope, metadata: Mapping[str, str], receive: Receive) -> tuple[bytes | Status, str]:
        """Reads the one message of a call and has it answered, both within the time that the call may take. Raises
        Refused."""
        clock = asyncio.get_running_loop().time
        started = clock()
        if (method := self._methods.get(scope["path"])) is None:
            raise Refused(StatusCode.UNIMPLEMENTED, f"There is no method {scope['path'][:256]}.")
        seconds = allowed_seconds(seconds_of(metadata.get("grpc-timeout")))
        data = await self._first_message(receive, seconds)
        if (left := seconds - (clock() - started)) <= 0:
            raise late()
        return await self.adapter.answer(method, metadata, data, left, peer_of(scope))

    async def _first_message(self, receive: Receive, seconds: float) -> bytes:
        """Returns the first message of a call. Raises Refused where no whole one comes, or not in time."""
        call: Any = asyncio.current_task()
        try:
            async with asyncio.timeout(seconds) as limit:
                self._unheard.begin(call, partial(limit.reschedule, 0))
                return await first_message(receive)
        except TimeoutError as error:
            raise late() from error
        finally:
            self._unheard.heard(call)

    async def _stream(self, path: str, address: str, stream: AsyncGenerator[Message, None], send: Send) -> Status:
        """Sends the replies of a stream as they come; returns how it ended. Streams need no token and may have no end,
        so each kind is bounded by itself: they take no call's place, nor those who watch that of those who check."""
        try:
            with self._places.place(path, address):
                async with aclosing(stream) as replies:
                    async for reply in replies:
                        await send(framed(reply.SerializeToString(), more=True))
        except Busy:
            return no_place(path)
        except Refused as refused:
            return refused.status
        return OK

    async def _check(self, receive: Receive) -> tuple[bytes | Status, str]:
        """Health is told whoever else asks or calls: it costs less than to refuse it. Raises Refused."""
        if not self._health.knows(await self._asked_service(receive)):
            raise Refused(StatusCode.NOT_FOUND, "There is no such service.")
        return self._health.state().SerializeToString(), ""

    async def _asked_service(self, receive: Receive) -> str:
        """The service that a request for health names."""
        data = await self._first_message(receive, allowed_seconds(None))
        return str(parsed(HealthCheckRequest, data).service)

    async def _watch(self, receive: Receive) -> AsyncGenerator[Message, None]:
        async for state in self._health.watch(await self._asked_service(receive)):
            yield state

    async def _reflect(self, receive: Receive) -> AsyncGenerator[Message, None]:
        async for data in messages(receive, allowed_seconds(None)):
            for reply in self._reflection.ServerReflectionInfo([parsed(reflection.Request, data)], None):
                yield reply


def pass_over_late_parts(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Says what an event loop says, except: pyvoy sets the result of a `receive`, too, that a deadline has ended."""
    is_late = isinstance(context.get("exception"), asyncio.InvalidStateError) and "RecvFuture" in context["message"]
    if not is_late:
        loop.default_exception_handler(context)


# Frames


async def first_message(receive: Receive) -> bytes:
    """Returns the first message of a call. Raises Refused where no whole one comes."""
    buffer, more = bytearray(), True
    while more:
        more = await receive_into(buffer, receive)
        if (message := take_message(buffer)) is not None:
            return message
    raise Refused(StatusCode.INVALID_ARGUMENT, "The call has no whole message.")


async def messages(receive: Receive, seconds: float) -> AsyncIterator[bytes]:
    """The messages of a call, as they come. Raises Refused, also when none comes for so long."""
    buffer, more = bytearray(), True
    while more:
        try:
            more = await asyncio.wait_for(receive_into(buffer, receive), seconds)
        except TimeoutError as error:
            raise late() from error
        while (message := take_message(buffer)) is not None:
            yield message
    if buffer:
        raise Refused(StatusCode.INVALID_ARGUMENT, "The last message is cut off.")


async def receive_into(buffer: bytearray, receive: Receive) -> bool:
    """Adds the next part of the body; returns whether there is more. Raises Refused when the caller has gone."""
    event = await receive()
    if event["type"] == "http.disconnect":
        raise Refused(StatusCode.CANCELLED, "The caller hung up.")
    buffer += event.get("body", b"")
    return bool(event.get("more_body", False))


def take_message(buffer: bytearray) -> bytes | None:
    """Takes a whole message from the front, if there is one. Raises Refused for one that is too long, or compressed."""
    if len(buffer) < FRAME:
        return None
    if buffer[0]:
        raise Refused(StatusCode.UNIMPLEMENTED, "Compressed messages are not taken here.")
    length = int.from_bytes(buffer[1:FRAME], "big")
    if length > message_bytes():
        raise Refused(StatusCode.RESOURCE_EXHAUSTED, f"The message is over {message_bytes()} bytes.")
    if len(buffer) < FRAME + length:
        return None
    message = bytes(buffer[FRAME : FRAME + length])
    del buffer[: FRAME + length]
    return message


def parsed(message_class: type[Read], data: bytes) -> Read:
    try:
        message: Read = message_class.FromString(data)
    except DecodeError as error:
        raise Refused(StatusCode.INVALID_ARGUMENT, "The message cannot be read.") from error
    return message


def framed(message: bytes, *, more: bool = False) -> dict[str, Any]:
    """A message as a part of a body."""
    body = b"\0" + len(message).to_bytes(4, "big") + message
    return {"type": "http.response.body", "body": body, "more_body": more}


# Headers


def peer_of(scope: Scope) -> str:
    """The address at the other end of the connection."""
    host, _port = scope.get("client") or ("", 0)
    return str(host)


def read_metadata(headers: Iterable[tuple[bytes, bytes]]) -> tuple[dict[str, str], int]:
    """Returns headers as texts, and how long they are; what comes several times is one value with commas."""
    found: dict[str, str] = {}
    size = 0
    for raw_name, raw_value in headers:
        size += len(raw_name) + len(raw_value)
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = joined(name, found[name], value) if name in found else value
    return found, size


def seconds_of(timeout: str | None) -> float | None:
    """Reads `grpc-timeout`. Raises Refused for what is none."""
    if timeout is None:
        return None
    found = TIMEOUT.fullmatch(timeout)
    if not found:
        raise Refused(StatusCode.INVALID_ARGUMENT, "grpc-timeout cannot be read.")
    return int(found[1]) * UNITS[found[2]]


def trailers(status: Status, request_id: str) -> list[tuple[bytes, bytes]]:
    """What stands behind the last message: the status, its text and details, and the id of the request."""
    found = [(b"grpc-status", str(status.code).encode())]
    if request_id:
        found.append((REQUEST_ID_KEY.encode(), request_id.encode()))
    if status.code:
        details = base64.b64encode(status.SerializeToString()).rstrip(b"=")
        found.append((b"grpc-message", quote(status.message, safe=READABLE).encode()))
        found.append((b"grpc-status-details-bin", details))
    return found
