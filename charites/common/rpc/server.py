"""grpcio's server: methods, health and reflection on one port; drains when asked to end."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from charites.common.rpc.adapter import REQUEST_ID_KEY, Adapter, texts
from charites.common.rpc.limits import DRAIN_SECONDS, METADATA_BYTES, allowed_seconds, message_bytes, open_calls
from charites.common.rpc.servicer import Method


@asynccontextmanager
async def serving(
    methods: Sequence[Method], *, address: str, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[int]:
    """Serves the methods, health and reflection while the block runs; gives the port. Then drains: no new calls, those
    under way have `DRAIN_SECONDS` to finish.

    Make it after fork. Raises RuntimeError when the address is taken.
    """
    adapter = Adapter()
    server = grpc.aio.server(options=server_options(), maximum_concurrent_rpcs=open_calls())
    handlers: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
    for method in methods:
        service = method.descriptor.containing_service.full_name
        handlers.setdefault(service, {})[method.descriptor.name] = handler(adapter, method)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, found) for service, found in handlers.items()]
    )
    states = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    reflection.enable_server_reflection([*handlers, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    for service in handlers:
        await states.set(service, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield port
    finally:
        await states.enter_graceful_shutdown()
        await server.stop(DRAIN_SECONDS)
        adapter.close()


def handler(adapter: Adapter, method: Method) -> grpc.RpcMethodHandler:
    """Returns what grpc wants for a method. Requests arrive as bytes: what is wrong with one is ours to say."""
    return grpc.unary_unary_rpc_method_handler(partial(serve, adapter, method))


async def serve(adapter: Adapter, method: Method, data: bytes, context: grpc.aio.ServicerContext) -> bytes:
    """Answers one call."""
    metadata = texts(context.invocation_metadata())
    outcome, request_id = await adapter.answer(method, metadata, data, allowed_seconds(context.time_remaining()))
    trailing: tuple[tuple[str, str | bytes], ...] = ((REQUEST_ID_KEY, request_id),)
    if isinstance(outcome, bytes):
        context.set_trailing_metadata(trailing)
        return outcome
    status = rpc_status.to_status(outcome)
    await context.abort(status.code, status.details, (*status.trailing_metadata, *trailing))
    raise AssertionError("abort returns to nobody")


def server_options() -> list[tuple[str, int]]:
    """Limits of the transport."""
    return [
        ("grpc.max_receive_message_length", message_bytes()),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
        ("grpc.so_reuseport", 1),  # several processes share a port, also during a rolling restart
    ]
