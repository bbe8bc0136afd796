"""`/metrics` of processes that serve no HTTP themselves: gRPC, worker and sweep, where METRICS_ADDRESS says so.

It is for those whose counters no web server reads, because each process has a file system of its own, as pods have.
Elsewhere the processes of a machine share METRICS_DIR, and any web server's `/metrics` has all of them.

A caller has a moment for all of a request and its answer, however slow the bytes come or go, and holds up no other: it
costs no thread, and a connection of few.
"""

import asyncio
import socket
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BytesIO

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST

from charites import metrics, operators
from charites.start import CannotServe, refusals

SECONDS = 2.0  # for a request to arrive and its answer to leave
HEAD_BYTES = 16_384
MOST_CALLERS = 32  # at once; who comes then is hung up on


class Page(BaseHTTPRequestHandler):
    """The answer to a request that has come whole; only to whoever may see the part `metrics`."""

    def __init__(self, head: bytes) -> None:
        self.rfile, self.wfile = BytesIO(head), BytesIO()  # instead of a socket that it would read and write by itself
        self.handle_one_request()
        self.content = self.wfile.getvalue()

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


class Callers:
    """Those who are being answered, one request a connection."""

    def __init__(self) -> None:
        self._number = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one, in time or not at all."""
        self._number += 1
        try:
            if self._number <= MOST_CALLERS:
                with suppress(OSError, EOFError, asyncio.LimitOverrunError):  # late, gone, or too much
                    await answer_in_time(reader, writer)
        finally:
            self._number -= 1
            writer.transport.abort()


async def answer_in_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Returns when the answer has left. Raises TimeoutError, and what reading and writing raise."""
    async with asyncio.timeout(SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.transport.set_write_buffer_limits(0)  # so that `drain` waits for all of it
        writer.write(Page(head).content)
        await writer.drain()


async def serve(listening: socket.socket) -> None:
    server = await asyncio.start_server(Callers().answer, sock=listening, limit=HEAD_BYTES)
    await server.serve_forever()


def show_counters() -> None:
    """Answers at METRICS_ADDRESS in a thread that ends with the process; does nothing where that is empty. Ends the
    process where it cannot listen there."""
    if settings.METRICS_ADDRESS:
        with refusals():
            listening = listen(settings.METRICS_ADDRESS)
        threading.Thread(target=asyncio.run, args=(serve(listening),), name="counters", daemon=True).start()


def listen(address: str) -> socket.socket:
    """Raises CannotServe."""
    host, _, port = address.rpartition(":")
    is_six = ":" in host
    try:
        return socket.create_server(
            (host.strip("[]"), int(port)),
            family=socket.AF_INET6 if is_six else socket.AF_INET,
            dualstack_ipv6=is_six and socket.has_dualstack_ipv6(),
        )
    except (OSError, OverflowError) as error:
        raise CannotServe(
            f"METRICS_ADDRESS={address} cannot be listened on ({error}): each process of a machine needs one of its "
            "own, or none and a METRICS_DIR that they share."
        ) from error
