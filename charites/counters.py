"""`/metrics` of processes that serve no HTTP themselves: gRPC, worker and sweep, where METRICS_ADDRESS says so.

It is for those whose counters no web server reads, because each process has a file system of its own, as pods have.
Elsewhere the processes of a machine share METRICS_DIR, and any web server's `/metrics` has all of them.
"""

import socket
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST

from charites import metrics, operators
from charites.start import CannotServe, refusals

SECONDS = 2.0  # for each part of a request to arrive, and of its answer to leave


class Page(BaseHTTPRequestHandler):
    """Answers one request a connection, to whoever may see the part `metrics`."""

    timeout = SECONDS

    def do_GET(self) -> None:
        if self.path != "/metrics":
            self.answer(HTTPStatus.NOT_FOUND)
        elif not operators.is_open_to(self.headers.get("Authorization", ""), "metrics"):
            self.answer(HTTPStatus.UNAUTHORIZED)
        else:
            self.answer(HTTPStatus.OK, metrics.counters())

    def answer(self, status: HTTPStatus, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "charites"

    def log_message(self, *words: object) -> None:
        """Nothing: somebody asks every few seconds."""


class Server(socketserver.TCPServer):
    """One request at a time, so that nobody can make threads here."""

    allow_reuse_address = True

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Page)

    def handle_error(self, *_request: object) -> None:
        """Nothing: whoever asked has hung up."""


def show_counters() -> None:
    """Answers at METRICS_ADDRESS in a thread that ends with the process; does nothing where that is empty. Ends the
    process where it cannot listen there."""
    if settings.METRICS_ADDRESS:
        with refusals():
            server = listen(settings.METRICS_ADDRESS)
        threading.Thread(target=server.serve_forever, name="counters", daemon=True).start()


def listen(address: str) -> Server:
    """Raises CannotServe."""
    host, _, port = address.rpartition(":")
    try:
        return Server(host.strip("[]"), int(port))
    except (OSError, OverflowError) as error:
        raise CannotServe(
            f"METRICS_ADDRESS={address} cannot be listened on ({error}): each process of a machine needs one of its "
            "own, or none and a METRICS_DIR that they share."
        ) from error
