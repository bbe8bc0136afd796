"""`manage.py grpcserver`: serves gRPC until SIGTERM or Ctrl-C, then drains."""

import asyncio
import signal
import socket
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from charites.common.processes import run_server, settle_in
from charites.common.rpc import Method, installed_methods, serving
from charites.settings import is_loopback

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Serves gRPC. On SIGTERM and Ctrl-C it takes no new calls, finishes those under way, and ends."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.GRPC_HOST)
        parser.add_argument("--port", type=int, default=settings.GRPC_PORT, help="0 takes a free one")
        parser.add_argument(
            "--apps",
            type=lambda text: text.split(","),
            default=settings.APPS,
            metavar="goods,stock,orders",
            help="serve these of the APPS of this process (default: all of them)",
        )
        parser.add_argument("--tls-cert", type=Path, help="certificate chain, PEM")
        parser.add_argument("--tls-key", type=Path, help="private key, PEM")

    def handle(self, *, host: str, port: int, tls_cert: Path | None, tls_key: Path | None, **options: Any) -> None:
        if strangers := sorted(set(options["apps"]) - set(settings.APPS)):
            raise CommandError(f"--apps names {', '.join(strangers)}, but APPS is {','.join(settings.APPS)}.")
        if settings.DEMO and not is_loopback(host):
            raise CommandError(f"DEMO accepts well-known tokens, so it listens on loopback only, not on {host}.")
        credentials = read_credentials(tls_cert, tls_key)
        check_free(host, port)
        run_server(self.serve(host, port, installed_methods(options["apps"]), credentials))

    async def serve(
        self, host: str, port: int, methods: Sequence[Method], credentials: grpc.ServerCredentials | None
    ) -> None:
        asked = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, asked.set)
        bare = f"[{host}]" if ":" in host and not host.startswith("[") else host
        async with serving(methods, address=f"{bare}:{port}", credentials=credentials) as bound_port:
            self.stdout.write(f"gRPC on {bare}:{bound_port}")
            self.stdout.flush()
            settle_in()
            await asked.wait()
            log.info("grpc_draining")


def check_free(host: str, port: int) -> None:
    """Raises CommandError when another program has the port. Other copies of this server may: they share it."""
    try:
        (family, kind, protocol, _name, address), *_others = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM
        )
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            probe.bind(address)
    except OSError as error:
        raise CommandError(
            f"Cannot listen on {host} port {port} ({error.strerror}): stop what is there, or take another --port."
        ) from error


def read_credentials(cert: Path | None, key: Path | None) -> grpc.ServerCredentials | None:
    """Reads the TLS files. Raises CommandError when one is missing or cannot be read."""
    if not cert and not key:
        return None
    if not cert or not key:
        raise CommandError("TLS takes both: --tls-cert and --tls-key.")
    try:
        return grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())])
    except OSError as error:
        raise CommandError(f"Cannot read {error.filename}: {error.strerror}.") from error
