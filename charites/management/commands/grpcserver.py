"""`manage.py grpcserver`: serves gRPC until SIGTERM or Ctrl-C, then drains."""

import asyncio
import signal
import socket
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from charites import consul
from charites.common.processes import run_server, settle_in
from charites.common.rpc import envoy, installed_methods, serving
from charites.common.rpc.tls import Tls, TlsUnusable, path_of
from charites.counters import show_counters
from charites.settings import is_loopback
from charites.start import prepare_to_serve
from charites.warm_up import warm_up

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Serves gRPC. On SIGTERM and Ctrl-C it takes no new calls, finishes those under way, and ends."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.GRPC_HOST)
        parser.add_argument("--port", type=port_number, default=settings.GRPC_PORT, help="0 takes a free one")
        parser.add_argument(
            "--apps",
            type=lambda text: text.split(","),
            default=settings.APPS,
            metavar="goods,stock,orders",
            help="serve these of the APPS of this process (default: all of them)",
        )
        files = (settings.GRPC_TLS_CERT, settings.GRPC_TLS_KEY, settings.GRPC_TLS_CLIENT_CA)
        cert, key, client_ca = map(path_of, files)
        parser.add_argument("--tls-cert", type=Path, default=cert, help="certificate chain, PEM")
        parser.add_argument("--tls-key", type=Path, default=key, help="private key, PEM")
        parser.add_argument(
            "--tls-client-ca", type=Path, default=client_ca, help="authority of the callers' certificates, PEM"
        )

    def handle(self, *, host: str, port: int, **options: Any) -> None:
        if strangers := sorted(set(options["apps"]) - set(settings.APPS)):
            raise CommandError(f"--apps names {', '.join(strangers)}, but APPS is {','.join(settings.APPS)}.")
        if settings.DEMO and not is_loopback(host):
            raise CommandError(f"DEMO accepts well-known tokens, so it listens on loopback only, not on {host}.")
        prepare_to_serve()
        tls = (options["tls_cert"], options["tls_key"], options["tls_client_ca"])
        credentials = read_credentials(tls)
        resolved = check_free(host, port)
        show_counters()
        if settings.GRPC_SERVER == "pyvoy":
            if find_spec("pyvoy") is None:
                raise CommandError("GRPC_SERVER is pyvoy: pip install -r requirements-pyvoy.txt, or set it to grpcio.")
            run_server(self.serve_by_envoy(resolved, port, options["apps"], tls if tls[0] else None))
        else:
            warm_up()
            run_server(self.serve(host, port, options["apps"], credentials))

    async def serve(
        self, host: str, port: int, apps: Sequence[str], credentials: grpc.ServerCredentials | None
    ) -> None:
        """grpcio's own server, in this process."""
        asked, methods = when_asked_to_end(), installed_methods(apps)
        delay, address = settings.DRAIN_DELAY_SECONDS, f"{bare(host)}:{port}"
        async with serving(methods, address=address, credentials=credentials, delay_seconds=delay) as bound_port:
            self.say(host, bound_port)
            settle_in()
            async with consul.registered(apps, consul.Place(host, bound_port, credentials is not None)):
                await asked.wait()
                log.info("grpc_draining")

    async def serve_by_envoy(self, host: str, port: int, apps: Sequence[str], tls: envoy.TlsFiles | None) -> None:
        """Envoy with Python inside, in a process that ends with this one, and this one with it."""
        asked = when_asked_to_end()
        try:
            delay = settings.DRAIN_DELAY_SECONDS
            async with envoy.serving(host=host, port=port, apps=apps, tls=tls, delay_seconds=delay) as running:
                self.say(host, running.port)
                ends = [asyncio.ensure_future(asked.wait()), asyncio.ensure_future(running.ended())]
                async with consul.registered(apps, consul.Place(host, running.port, tls is not None)):
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if not asked.is_set():
                    raise CommandError("Envoy ended by itself; what it said stands above.")
                log.info("grpc_draining")
        except envoy.EnvoyFailed as error:
            raise CommandError(str(error)) from error

    def say(self, host: str, port: int) -> None:
        """Says where it listens, to whoever waits for that."""
        self.stdout.write(f"gRPC on {bare(host)}:{port}")
        self.stdout.flush()


def when_asked_to_end() -> asyncio.Event:
    """Is set on SIGTERM and Ctrl-C."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    return asked


def bare(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def port_number(text: str) -> int:
    """Reads a port. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ArgumentTypeError(f"{text} is no port: 0 to 65535.")
    return int(text)


def check_free(host: str, port: int) -> str:
    """Returns the host as an address. Raises CommandError when another program has the port. Other copies of this
    server may: they share it."""
    try:
        (family, kind, protocol, _name, address), *_others = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM
        )
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            probe.bind(address)
        return str(address[0])
    except OSError as error:
        raise CommandError(
            f"Cannot listen on {host} port {port} ({error.strerror}): stop what is there, or take another --port."
        ) from error


def read_credentials(tls: tuple[Path | None, Path | None, Path | None]) -> grpc.ServerCredentials | None:
    """Reads the TLS files. Raises CommandError when one is missing or cannot be read."""
    certificate, key, authority = tls
    try:
        found = Tls.read(authority, certificate, key)
        return found.of_server() if found else None
    except TlsUnusable as error:
        raise CommandError(str(error)) from error
