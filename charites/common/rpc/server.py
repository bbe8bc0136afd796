"""The server: methods, health and reflection on one port; drains when asked to end."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
from django.conf import settings
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from charites.common.rpc.adapter import Adapter
from charites.common.rpc.servicer import Method

METADATA_BYTES = 8 * 1024
DRAIN_SECONDS = 10.0


@asynccontextmanager
async def serving(
    methods: Sequence[Method], *, address: str, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[int]:
    """Serves the methods, health and reflection while the block runs; gives the port. Then drains: no new calls, those
    under way have `DRAIN_SECONDS` to finish.

    Make it after fork. Raises RuntimeError when the address is taken.
    """
    adapter = Adapter()
    server = grpc.aio.server(options=server_options(), maximum_concurrent_rpcs=2 * settings.GRPC_MAX_CONCURRENT)
    handlers: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
    for method in methods:
        service = method.descriptor.containing_service.full_name
        handlers.setdefault(service, {})[method.descriptor.name] = adapter.handler(method)
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


def server_options() -> list[tuple[str, int]]:
    """Limits of the transport. A request that is a little too large still gets an answer with our error."""
    return [
        ("grpc.max_receive_message_length", 4 * settings.REQUEST_MAX_BYTES),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
        ("grpc.so_reuseport", 1),  # several processes share a port, also during a rolling restart
    ]
