"""Health as every transport tells it: of the server (no name) and of each service. The names are grpc.health.v1's.

grpcio-health-checking's own servicer keeps a lock while it writes: one who watches and takes nothing would keep others
from their first word, and the server from its end.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection

from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckResponse

WATCH_SECONDS, WATCH_AGAIN = 1.0, 5


class Health:
    """`is_draining`: whether the server is about to end."""

    def __init__(self, services: Collection[str], is_draining: Callable[[], bool]) -> None:
        self._services, self._is_draining = services, is_draining

    def knows(self, service: str) -> bool:
        return not service or service in self._services

    def state(self) -> HealthCheckResponse:
        draining = self._is_draining()
        return HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING if draining else HealthCheckResponse.SERVING)

    async def watch(self, service: str) -> AsyncGenerator[Message, None]:
        """Yields the state and its changes, until the server drains."""
        told, asked = None, 0
        while told is None or told.status != HealthCheckResponse.NOT_SERVING:
            unknown = HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
            state = self.state() if self.knows(service) else unknown
            if state != told or asked % WATCH_AGAIN == 0:  # said again now and then: to a caller who has gone it fails
                told = state
                yield state
            asked += 1
            await asyncio.sleep(WATCH_SECONDS)
