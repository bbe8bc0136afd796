"""A look into the queues of a RabbitMQ between services, and a hand in them: past the port, as strangers have it."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amqp import Message
from amqp.exceptions import NotFound
from kombu import Connection

from messaging.broker.wire import dead_queue_of, queue_of

SECONDS = 60  # a bound for busy machines


@contextmanager
def channel(url: str) -> Iterator[Any]:
    with Connection(url, connect_timeout=SECONDS) as connection:
        yield connection.default_channel


def depth(url: str, service: str) -> int | None:
    """How many messages wait in the queue of a service; None where it has none."""
    with channel(url) as opened:
        try:
            return int(opened.queue_declare(queue_of(service), passive=True).message_count)
        except NotFound:
            return None


def has_consumer(url: str, service: str) -> bool:
    """Whether somebody takes what comes for a service."""
    with channel(url) as opened:
        try:
            return bool(opened.queue_declare(queue_of(service), passive=True).consumer_count)
        except NotFound:
            return False


def purge(url: str, service: str) -> None:
    with channel(url) as opened:
        opened.queue_purge(queue_of(service))


def delete(url: str, service: str) -> None:
    with channel(url) as opened:
        opened.queue_delete(queue_of(service))


def put(url: str, service: str, body: bytes, headers: dict[str, Any] | None = None, **properties: Any) -> None:
    """Publishes anything into the queue of a service; without headers, none."""
    with channel(url) as opened:
        message = Message(body, application_headers=headers, **properties)
        opened.basic_publish(message, routing_key=queue_of(service))


class Garbled(Message):
    """A message whose properties are these bytes, whatever AMQP says of them."""

    def __init__(self, body: bytes, properties: bytes) -> None:
        super().__init__(body)
        self._garbled = properties

    def _serialize_properties(self) -> bytes:
        return self._garbled


def put_garbled(url: str, queue: str, body: bytes, properties: bytes) -> None:
    """Publishes a message whose properties are any bytes; RabbitMQ does not read all of them."""
    with channel(url) as opened:
        opened.basic_publish(Garbled(body, properties), routing_key=queue)


def table(entries: bytes) -> bytes:
    """A table of AMQP that holds these."""
    return struct.pack(">I", len(entries)) + entries


def tables(depth: int) -> bytes:
    """A table that holds a table that holds a table."""
    found = b""
    for _ in range(depth):
        found = b"\x01aF" + table(found)
    return found


TYPE, HEADERS = struct.pack(">H", 0x0020), struct.pack(">H", 0x2000)  # which properties follow
GARBLED = {
    "a name that is no text": TYPE + b"\x02\xff\xfe",
    "a time of no calendar": HEADERS + table(b"\x01aT" + b"\xff" * 8),
    "tables in tables": HEADERS + table(tables(2_000)),
}


def take_dead(url: str, service: str) -> list[Any]:
    """Takes what was put aside; each has `headers`, with the reason, and `body`."""
    found = []
    with channel(url) as opened:
        while message := opened.basic_get(dead_queue_of(service), no_ack=True):
            found.append(message)
    return found
