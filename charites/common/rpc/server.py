"""grpcio's server: methods, health and reflection on one port; drains when asked to end."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
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

from charites.common.errors import Busy
from charites.common.near import address_of, is_near
from charites.common.rpc import reflection
from charites.common.rpc.adapter import REQUEST_ID_KEY, Adapter, texts
from charites.common.rpc.health import Health
from charites.common.rpc.limits import (
    DRAIN_SECONDS,
    METADATA_BYTES,
    MOST_STREAMS,
    allowed_seconds,
    message_bytes,
    open_calls,
)
from charites.common.rpc.servicer import Method
from charites.common.rpc.status import as_status

Context: TypeAlias = grpc.aio.ServicerContext
Stream: TypeAlias = Callable[[Any, Context], Awaitable[None]]
MOST_PENDING = 8192
KINDS_OF_STREAMS = 1 + len(reflection.NAMES)  # with health's


@asynccontextmanager
async def serving(
    methods: Sequence[Method], *, address: str, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[int]:
    """Serves the methods, health and reflection while the block runs; gives the port. Then drains: no new calls, those
    under way have `DRAIN_SECONDS` to finish.

    Make it after fork. Raises RuntimeError when the address is taken.
    """
    adapter, draining = Adapter(), asyncio.Event()
    places = open_calls() + KINDS_OF_STREAMS * MOST_STREAMS
    server = grpc.aio.server(options=server_options(), maximum_concurrent_rpcs=places)
    handlers: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
    for method in methods:
        service = method.descriptor.containing_service.full_name
        handlers.setdefault(service, {})[method.descriptor.name] = handler(adapter, method)
    reflected = reflection_handlers(reflection.names_with([*handlers, health.SERVICE_NAME]))
    healthy = {health.SERVICE_NAME: health_handlers(Health(list(handlers), draining.is_set))}
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(service, found)
            for service, found in {**handlers, **healthy, **reflected}.items()
        ]
    )
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    try:
        yield port
    finally:
        draining.set()
        await server.stop(DRAIN_SECONDS)
        adapter.close()


def handler(adapter: Adapter, method: Method) -> grpc.RpcMethodHandler:
    """Returns what grpc wants for a method. Requests arrive as bytes: what is wrong with one is ours to say."""
    return grpc.unary_unary_rpc_method_handler(partial(serve, adapter, method))


async def serve(adapter: Adapter, method: Method, data: bytes, context: Context) -> bytes:
    """Answers one call."""
    metadata = texts(context.invocation_metadata())
    seconds, near = allowed_seconds(context.time_remaining()), partial(is_near_peer, context, metadata)
    outcome, request_id = await adapter.answer(method, metadata, data, seconds, near)
    trailing: tuple[str, str | bytes] = (REQUEST_ID_KEY, request_id)
    if isinstance(outcome, bytes):
        context.set_trailing_metadata((trailing,))
        return outcome
    return await refuse(context, outcome, trailing)


def is_near_peer(context: Context, metadata: Mapping[str, str]) -> bool:
    """Whether a caller is on this machine."""
    return is_near(address_of(context.peer()), metadata)


async def refuse(context: Context, outcome: Status, *trailing: tuple[str, str | bytes]) -> NoReturn:
    """Ends a call with a status and its details."""
    status = rpc_status.to_status(outcome)
    await context.abort(status.code, status.details, (*status.trailing_metadata, *trailing))
    raise AssertionError("abort returns to nobody")


def health_handlers(state: Health) -> dict[str, grpc.RpcMethodHandler]:
    """Returns what grpc wants for health."""

    async def check(request: HealthCheckRequest, context: Context) -> Message:
        if not state.knows(request.service):
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service.")
        return state.state()

    async def watch(request: HealthCheckRequest, context: Context) -> None:
        async for reply in state.watch(request.service):
            await context.write(reply)

    read, write = HealthCheckRequest.FromString, HealthCheckResponse.SerializeToString
    return {
        "Check": grpc.unary_unary_rpc_method_handler(check, read, write),
        "Watch": grpc.unary_stream_rpc_method_handler(bounded(watch), read, write),
    }


def reflection_handlers(names: Sequence[str]) -> dict[str, dict[str, grpc.RpcMethodHandler]]:
    """Returns what grpc wants for each version of reflection on these services."""
    reflect = reflection_aio.ReflectionServicer(names).ServerReflectionInfo

    async def answer(requests: AsyncIterable[Message], context: Context) -> None:
        async for reply in reflect(requests, context):
            await context.write(reply)

    return {
        name: {
            reflection.METHOD: grpc.stream_stream_rpc_method_handler(
                bounded(answer), reflection.Request.FromString, reflection.Response.SerializeToString
            )
        }
        for name in reflection.NAMES
    }


def bounded(stream: Stream) -> Stream:
    """Returns the stream, of which MOST_STREAMS may be open; the next is told that the server is busy."""
    is_open = 0

    async def place(request: Any, context: Context) -> None:
        nonlocal is_open
        if is_open >= MOST_STREAMS:
            await refuse(context, as_status(Busy()))
        is_open += 1
        try:
            await stream(request, context)
        except grpc.aio.InternalError as error:  # a write that failed: the caller has gone, and that needs no traceback
            raise asyncio.CancelledError from error
        finally:
            is_open -= 1

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
        ("grpc.so_reuseport", 1),  # several processes share a port, also during a rolling restart
    ]
