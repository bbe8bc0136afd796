"""Tells Consul's agent where the services of this gRPC server are, for as long as it serves.

Each service is registered by its name on the wire in small letters (`goods`, `stock`, `order`), with a health check
that the agent makes. Who calls asks Consul's DNS: `dns:///stock.service.consul:8081`. An agent that is away stops
nobody: it is told once it is back, and told again now and then, for one that has forgotten.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from os import getpid
from typing import Any, NamedTuple

import httpx
import structlog
from django.conf import settings

from charites.common.rpc import installed_methods

log = structlog.get_logger(__name__)

CALL_SECONDS = 2.0
AGAIN_SECONDS, REPEAT_SECONDS = 2.0, 60.0  # after a failure; after all went well
CHECK_SECONDS = 2
NOT_TOLD = (httpx.HTTPError, TimeoutError)
EVERYWHERE = ("0.0.0.0", "::", "[::]")


class Place(NamedTuple):
    """Where a server listens, and how."""

    host: str
    port: int
    has_tls: bool

    def registration(self, service: str) -> dict[str, Any]:
        """What the agent is told of one service. A server that listens on every address has the agent's, unless
        CONSUL_SERVICE_ADDRESS says more."""
        address = settings.CONSUL_SERVICE_ADDRESS or ("" if self.host in EVERYWHERE else self.host.strip("[]"))
        asked = address or "127.0.0.1"
        return {
            # Several processes may share a port: one that ends takes only itself away.
            "ID": f"{service.lower()}-{asked}-{self.port}-{getpid()}",
            "Name": service.lower(),
            "Address": address,
            "Port": self.port,
            "Check": {
                "GRPC": f"{f'[{asked}]' if ':' in asked else asked}:{self.port}/{service}",
                "GRPCUseTLS": self.has_tls,
                "Interval": f"{CHECK_SECONDS}s",
                "Timeout": f"{CHECK_SECONDS}s",
                "DeregisterCriticalServiceAfter": "1m",  # one that was killed
            },
        }


@asynccontextmanager
async def registered(apps: Sequence[str], place: Place) -> AsyncIterator[None]:
    """The services of these apps are known to Consul while the block runs, where CONSUL_URL says that there is one."""
    if not settings.CONSUL_URL:
        yield
        return
    services = sorted({method.descriptor.containing_service.full_name for method in installed_methods(apps)})
    told = [place.registration(service) for service in services]
    headers = {"X-Consul-Token": settings.CONSUL_TOKEN} if settings.CONSUL_TOKEN else {}
    async with httpx.AsyncClient(base_url=settings.CONSUL_URL, headers=headers, timeout=CALL_SECONDS) as agent:
        telling = asyncio.ensure_future(keep_registered(agent, told))
        try:
            yield
        finally:
            telling.cancel()
            try:
                with suppress(asyncio.CancelledError):
                    await telling
            finally:
                await deregister(agent, told)


async def keep_registered(agent: httpx.AsyncClient, told: Sequence[dict[str, Any]]) -> None:
    """Registers them, again and again, until cancelled. A change of fortune is logged."""
    went_well: bool | None = None
    while True:
        try:
            for registration in told:
                said = registration if went_well else listening(registration)
                await tell(agent, "/v1/agent/service/register", said)
        except NOT_TOLD as error:
            if went_well is not False:
                log.warning("consul_not_told", error=words_for(error))
            went_well = False
        else:
            if not went_well:
                log.info("consul_told", services=[registration["ID"] for registration in told])
            went_well = True
        await asyncio.sleep(REPEAT_SECONDS if went_well else AGAIN_SECONDS)


def listening(registration: dict[str, Any]) -> dict[str, Any]:
    """The same of a server that listens already, so that its first check need not be waited for. Said again later, it
    would call one healthy that fails its checks."""
    return {**registration, "Check": {**registration["Check"], "Status": "passing"}}


async def deregister(agent: httpx.AsyncClient, told: Sequence[dict[str, Any]]) -> None:
    """Takes them away, as far as the agent answers: it finds out by itself within a minute."""
    try:
        for registration in told:
            await tell(agent, f"/v1/agent/service/deregister/{registration['ID']}")
    except NOT_TOLD as error:
        log.warning("consul_not_told", error=words_for(error))


async def tell(agent: httpx.AsyncClient, path: str, body: dict[str, Any] | None = None) -> None:
    """One call, over within CALL_SECONDS whatever the agent sends: its status is all that is read. Raises what is in
    NOT_TOLD."""
    async with asyncio.timeout(CALL_SECONDS), agent.stream("PUT", path, json=body) as answer:
        answer.raise_for_status()


def words_for(error: Exception) -> str:
    """Why the agent was not told. Its address, in httpx's own words, may have a password in it."""
    return f"it answered {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else repr(error)
