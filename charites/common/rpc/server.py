"""grpcio's server: methods, health and reflection on one port; drains when asked to end."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha.reflection import aio as reflection_aio
from grpc_status import rpc_status

from charites.common.addresses import FORWARDED_FOR, caller_address, host_of
from charites.common.errors import Busy, Invalid
from charites.common.rpc import reflection
from charites.common.rpc.adapter import REQUEST_ID_KEY, Adapter, parse, texts
from charites.common.rpc.health import Health
from charites.common.rpc.limits import (
    CALLS_A_CONNECTION,
    DRAIN_SECONDS,
    GRACE_SECONDS,
    HANDSHAKE_SECONDS,
    METADATA_BYTES,
    MOST_CONNECTIONS,
    MOST_STREAMS,
    Streams,
    Unheard,
    allowed_seconds,
    calls_on_their_way,
    connection_seconds,
    each_second,
    message_bytes,
)
from charites.common.rpc.servicer import Method
from charites.common.rpc.status import as_status, no_place

Context: TypeAlias = grpc.aio.ServicerContext
Stream: TypeAlias = Callable[[Any, Context], Awaitable[None]]
HandlersByService: TypeAlias = dict[str, dict[str, grpc.RpcMethodHandler]]
MOST_PENDING = 8192
MOST_WAITED_FOR = 64  # calls whose request grpcio may wait for
LATE = "The request did not arrive in time."
KINDS_OF_STREAMS = 1 + len(reflection.NAMES)  # with health's


@asynccontextmanager
async def serving(
    methods: Sequence[Method],
    *,
    address: str,
    credentials: grpc.ServerCredentials | None = None,
    delay_seconds: float = 0,
) -> AsyncIterator[int]:
    """Serves the methods, health and reflection while the block runs; gives the port. Then drains: health says so, and
    after `delay_seconds` there are no new calls, and those under way have `DRAIN_SECONDS` to finish.

    Make it after fork. Raises RuntimeError when the address is taken.
    """
    adapter, draining, unheard, streams = Adapter(), asyncio.Event(), Unheard(), Streams()
    places = 2 * calls_on_their_way() + KINDS_OF_STREAMS * MOST_STREAMS
    server = grpc.aio.server(options=server_options(), maximum_concurrent_rpcs=places)
    services = sorted({method.descriptor.containing_service.full_name for method in methods})
    by_service = {
        **health_handlers(Health(services, draining.is_set), unheard, streams),
        **reflection_handlers(reflection.names_with([*services, health.SERVICE_NAME]), unheard, streams),
    }
    others = [grpc.method_handlers_generic_handler(service, found) for service, found in by_service.items()]
    server.add_generic_rpc_handlers([Handlers(adapter, unheard, methods), *others])
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    watching = asyncio.ensure_future(each_second(unheard.give_up_late))
    try:
        yield port
    finally:
        draining.set()
        try:
            await asyncio.sleep(delay_seconds)
        finally:  # whoever does not wait for that leaves no server behind
            watching.cancel()
            await server.stop(DRAIN_SECONDS)
            adapter.close()


class Handlers(grpc.GenericRpcHandler):
    """All methods, by path, in two ways. grpcio waits for the request of a unary call as long as its caller likes, and
    for that of a stream we wait ourselves, which costs a tenth more. So calls are unary as long as few are open whose
    request has not arrived, and streams while somebody leaves many open; on the wire they are the same."""

    def __init__(self, adapter: Adapter, unheard: Unheard, methods: Sequence[Method]) -> None:
        self._waiting: set[asyncio.Task[Any]] = set()  # unary calls whose request has not arrived, or never will
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.stream_unary_rpc_method_handler
        self._quick = {method.path: unary(partial(self.serve, adapter, method)) for method in methods}
        self._patient = {method.path: stream(partial(serve_when_heard, adapter, unheard, method)) for method in methods}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        call = asyncio.current_task()
        if call is None or len(self._waiting) >= MOST_WAITED_FOR:
            return self._patient.get(details.method)
        if found := self._quick.get(details.method):
            self._waiting.add(call)
            call.add_done_callback(self._leave)
        return found

    def _leave(self, call: asyncio.Task[Any]) -> None:
        """Where a caller says that no request follows, grpcio ends without a word: the call stays open, and has its
        place among all, as long as its connection. Only few may be of this kind."""
        if call in self._waiting:
            seconds = 0 if call.cancelled() else connection_seconds() + GRACE_SECONDS
            call.get_loop().call_later(seconds, self._waiting.discard, call)

    async def serve(self, adapter: Adapter, method: Method, data: bytes, context: Context) -> bytes:
        """Answers a call whose request has arrived."""
        self._waiting.discard(asyncio.current_task())
        return await serve(adapter, method, data, context)


async def serve_when_heard(
    adapter: Adapter, unheard: Unheard, method: Method, _messages: object, context: Context
) -> bytes:
    """Answers a call whose request is still on its way."""
    return await serve(adapter, method, await first_message(unheard, context), context)


async def serve(adapter: Adapter, method: Method, data: bytes, context: Context) -> bytes:
    """Answers one call. Requests are bytes: what is wrong with one is ours to say."""
    metadata = texts(context.invocation_metadata())
    seconds, peer = allowed_seconds(context.time_remaining()), host_of(context.peer())
    outcome, request_id = await adapter.answer(method, metadata, data, seconds, peer)
    trailing: tuple[str, str | bytes] = (REQUEST_ID_KEY, request_id)
    if isinstance(outcome, bytes):
        context.set_trailing_metadata((trailing,))
        return outcome
    return await refuse(context, outcome, trailing)


async def first_message(unheard: Unheard, context: Context) -> bytes:
    """Returns the one message of a call; ends a call whose message does not come."""
    call: Any = asyncio.current_task()
    unheard.begin(call, call.cancel)
    try:
        message: bytes = await context.read()
    except asyncio.CancelledError:
        if unheard.heard(call):
            raise  # the caller has hung up
        call.uncancel()
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, LATE)
    unheard.heard(call)
    if message is grpc.aio.EOF:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The call has no whole message.")
    return message


async def refuse(context: Context, outcome: Status, *trailing: tuple[str, str | bytes]) -> NoReturn:
    """Ends a call with a status and its details."""
    status = rpc_status.to_status(outcome)
    await context.abort(status.code, status.details, (*status.trailing_metadata, *trailing))
    raise AssertionError("abort returns to nobody")


def health_handlers(state: Health, unheard: Unheard, streams: Streams) -> HandlersByService:
    """Returns what grpc wants for health."""

    async def asked_service(context: Context) -> str:
        return str(parse(HealthCheckRequest, await first_message(unheard, context)).service)

    async def check(_messages: object, context: Context) -> Message:
        try:
            service = await asked_service(context)
        except Invalid as error:
            await refuse(context, as_status(error))
        if not state.knows(service):
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service.")
        return state.state()

    async def watch(_messages: object, context: Context) -> None:
        async for reply in state.watch(await asked_service(context)):
            await context.write(reply)

    write = HealthCheckResponse.SerializeToString
    return {
        health.SERVICE_NAME: {
            "Check": grpc.stream_unary_rpc_method_handler(check, None, write),
            "Watch": grpc.stream_stream_rpc_method_handler(bounded(watch, "Watch", streams), None, write),
        }
    }


def reflection_handlers(names: Sequence[str], unheard: Unheard, streams: Streams) -> HandlersByService:
    """Returns what grpc wants for each version of reflection on these services."""
    reflect = reflection_aio.ReflectionServicer(names).ServerReflectionInfo

    async def read(first: bytes, further: AsyncIterable[bytes]) -> AsyncIterator[Message]:
        yield parse(reflection.Request, first)
        async for data in further:
            yield parse(reflection.Request, data)

    async def answer(messages: AsyncIterable[bytes], context: Context) -> None:
        first = await first_message(unheard, context)
        async for reply in reflect(read(first, messages), context):
            await context.write(reply)

    write = reflection.Response.SerializeToString
    return {
        name: {reflection.METHOD: grpc.stream_stream_rpc_method_handler(bounded(answer, name, streams), None, write)}
        for name in reflection.names()
    }


def bounded(stream: Stream, kind: str, streams: Streams) -> Stream:
    """Returns the stream, which takes a place of its kind; where there is none its caller is told that we are busy, and
    what is no message is refused as such."""

    async def place(request: Any, context: Context) -> None:
        forwarded = texts(context.invocation_metadata()).get(FORWARDED_FOR, "")
        try:
            with streams.place(kind, caller_address(host_of(context.peer()), forwarded)):
                await stream(request, context)
        except Busy:
            await refuse(context, no_place(kind))
        except Invalid as error:
            await refuse(context, as_status(error))
        except grpc.aio.InternalError as error:  # a write that failed: the caller has gone, and that needs no traceback
            raise asyncio.CancelledError from error

    return place


def server_options() -> list[tuple[str, int]]:
    """Limits of the transport."""
    return [
        ("grpc.max_receive_message_length", message_bytes()),
        # Of calls that arrive together, and that Python has not seen yet, grpcio would cancel those past a thousand.
        ("grpc.server.max_pending_requests", MOST_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", MOST_PENDING),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
        # Callers may ask whether we are there: grpcio would hang up on those who do so every ten seconds, as Go may.
        # And we ask those who say nothing: who has gone keeps no place.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.max_concurrent_streams", CALLS_A_CONNECTION),
        ("grpc.http.overload_protection", 0),
        ("grpc.max_allowed_incoming_connections", MOST_CONNECTIONS),
        ("grpc.server_handshake_timeout_ms", 1000 * HANDSHAKE_SECONDS),
        # Whoever is connected for long has to look for servers again, and who does nothing goes.
        ("grpc.max_connection_idle_ms", 1000 * connection_seconds()),
        ("grpc.max_connection_age_ms", 1000 * connection_seconds()),
        ("grpc.max_connection_age_grace_ms", 1000 * GRACE_SECONDS),
        ("grpc.so_reuseport", 1),  # several processes share a port, also during a rolling restart
    ]
