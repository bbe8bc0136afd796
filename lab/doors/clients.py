"""Clients that do harm, each kind for as long as its block lasts, and bounded in number."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

import httpx
from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckRequest

from lab.doors.grpc_holder import Holder

SLOW, IDLE, LOG_INS, LARGE, CONNECTIONS, CALLS, STREAMS = 300, 300, 12, 8, 15, 2000, 300
LARGE_BYTES = 100 * 1024 * 1024
PART = b"x" * 65536
BODY = (
    b"POST /api/auth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 60000\r\n\r\n{"
)
EVENTS = b"GET /api/rooms/1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"POST /api/orders HTTP/1.1\r\nHost: loc"
FORM = (
    b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    b"Content-Length: %d\r\n\r\n" % LARGE_BYTES
)
Connect = Callable[[], socket.socket]


def connecting(address: str, context: ssl.SSLContext | None, name: str) -> Connect:
    """Returns what opens a connection, with TLS where there is a `context`."""
    host, _, port = address.rpartition(":")

    def connect() -> socket.socket:
        plain = socket.create_connection((host, int(port)), timeout=5)
        return context.wrap_socket(plain, server_hostname=name) if context else plain

    return connect


@contextmanager
def holding(connect: Connect, count: int, first: bytes) -> Iterator[None]:
    """Connections on which something was sent, and nothing more."""
    with ExitStack() as ends:
        for _ in range(count):
            with suppress(OSError):
                connection = ends.enter_context(connect())
                connection.sendall(first)
        yield


@contextmanager
def repeating(count: int, work: Callable[[], object]) -> Iterator[None]:
    """So many threads that do something again and again."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            with suppress(OSError, httpx.HTTPError):
                work()

    threads = [threading.Thread(target=repeat, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(10)


def open_and_leave(connect: Connect, request: bytes) -> None:
    with connect() as connection:
        connection.sendall(request)
        connection.recv(1)


def send_large(connect: Connect) -> None:
    with connect() as connection:
        connection.sendall(FORM)
        for _ in range(LARGE_BYTES // len(PART)):
            connection.sendall(PART)


@contextmanager
def calls(address: str, path: str, request: Message | None = None) -> Iterator[None]:
    """As many open calls as so many connections may have."""
    with ExitStack() as ends:
        for _ in range(CONNECTIONS):
            with suppress(OSError, AssertionError):
                ends.enter_context(Holder(address, 5)).hold(path, CALLS // CONNECTIONS, request)
        yield


def watching(address: str) -> AbstractContextManager[None]:
    return calls(address, "/grpc.health.v1.Health/Watch", HealthCheckRequest())
