"""RabbitMQ as the broker: a quorum queue for each service, and one for what was put aside.

Publishing is confirmed and mandatory: what has no queue, or no room in it, counts as not sent. A consumer has as many
messages as it works on at once, and acknowledges each by itself. kombu knows the addresses and makes the connection;
messages are read as they came, because kombu would unpack what says that it is packed. One whose properties the client
cannot read comes without them: it would end the connection, again and again, and hold up all others.
"""

import random
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from amqp.exceptions import AMQPError, MessageNacked
from django.conf import settings
from kombu import Connection
from kombu.exceptions import OperationalError

from charites.common.amqp_frames import frames
from charites.common.threads import AT_ONCE
from messaging.broker.port import BrokerAway, Envelope, NotPublished
from messaging.broker.wire import SIGNATURE, dead_queue_of, queue_of, read_envelope

log = structlog.get_logger(__name__)

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 5.0  # how long it may take to connect, and to answer anything
PING_SECONDS = 0.5  # whoever asks how the shop is waits for it
HEARTBEAT_SECONDS = 20
PREFETCH = AT_ONCE
MORE_SECONDS = 0.01  # for what comes right behind the first
TEXT_LENGTH = 255  # of what stands in an envelope, by AMQP's short texts
DELIVERIES = 20  # of one message whose consumer dies each time; then it is put aside
QUEUE_BYTES = 256 * 1024 * 1024  # then it takes no more, and the ladder of the rows tries again
MOST_DEAD = 10_000  # then, or at so many bytes, the oldest of what was put aside go
FAILURES = (OSError, AMQPError, OperationalError)  # of what kombu and its client raise


@dataclass(frozen=True, slots=True)
class AmqpDelivery:
    """What came over AMQP, as it came."""

    queue: str
    raw: Any  # amqp.Message

    @property
    def body(self) -> bytes:
        """What it holds; the client makes a text of nothing."""
        return bytes(self.raw.body or b"")

    def read(self) -> Envelope:
        properties, headers = self.raw.properties, self.raw.headers or {}
        named = {name: properties.get(name) for name in ("type", "correlation_id", "reply_to")}
        return read_envelope(self.body, {**named, SIGNATURE: headers.get(SIGNATURE)}, headers)


class RabbitMQ:
    """A connection to the RabbitMQ of REMOTE_BROKER_URL, for one thread; see `messaging.broker.port.Broker`.

    `consumes`: it takes messages, every few seconds, so it has heartbeats. One that only publishes may be silent long.
    """

    def __init__(self, *, consumes: bool = True) -> None:
        self._heartbeat_seconds = HEARTBEAT_SECONDS if consumes else 0
        self._connection: Any = None
        self._channel: Any = None
        self._consumed: Sequence[str] = ()
        self._arrived: list[AmqpDelivery] = []
        self._returned: list[Exception] = []

    def publish(self, queue: str, envelope: Envelope) -> None:
        headers = {**envelope.headers, SIGNATURE: envelope.signature}
        named = {"type": envelope.kind, "correlation_id": envelope.about, "reply_to": envelope.reply_to}
        was_open = self._connection is not None
        try:
            self._publish(queue_of(queue), envelope.body, headers, **named)
        except BrokerAway:
            if not was_open:
                raise
            # The connection had ended while it was silent. A second copy does no harm.
            self._publish(queue_of(queue), envelope.body, headers, **named)

    def take(self, queues: Sequence[str], *, seconds: float) -> Sequence[AmqpDelivery]:
        with self._in_reach():
            self._consume(queues)
            self._connection.heartbeat_check()
            while len(self._arrived) < PREFETCH:
                try:
                    self._connection.drain_events(timeout=MORE_SECONDS if self._arrived else seconds)
                except TimeoutError:
                    break
        taken, self._arrived = self._arrived, []
        return taken

    def acknowledge(self, delivery: AmqpDelivery) -> None:
        with self._in_reach():
            delivery.raw.channel.basic_ack(delivery.raw.delivery_tag)

    def dead_letter(self, delivery: AmqpDelivery, reason: str) -> None:
        body, kind = delivery.body, delivery.raw.properties.get("type")
        named = {"type": kind} if isinstance(kind, str) else {}
        headers = {"reason": reason[:TEXT_LENGTH], "bytes": len(body)}
        self._publish(dead_queue_of(delivery.queue), body[: settings.REQUEST_MAX_BYTES], headers, **named)
        self.acknowledge(delivery)

    def close(self) -> None:
        """Frees what the connection holds, without a farewell for whose answer it would wait."""
        connection, self._connection, self._channel = self._connection, None, None
        self._consumed, self._arrived = (), []
        if connection:
            connection.collect()

    @contextmanager
    def _in_reach(self) -> Iterator[None]:
        """Connects if need be. A connection on which something failed is given up: nobody knows what was read of it."""
        try:
            if self._connection is None:
                self._connect()
            yield
        except FAILURES as error:
            self.close()
            raise BrokerAway(repr(error)) from error
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        self._connection = first_that_answers(settings.REMOTE_BROKER_URL, CONNECT_SECONDS, self._heartbeat_seconds)
        # The client waits for most answers without an end of its own.
        self._connection.connection.sock.settimeout(ANSWER_SECONDS)
        self._channel = self._connection.channel()
        self._channel.auto_decode = False
        self._channel.events["basic_return"].add(self._note_returned)

    def _note_returned(self, error: Exception, *_about: object) -> None:
        self._returned.append(error)

    def _publish(self, queue: str, body: bytes, headers: dict[str, Any], **properties: str) -> None:
        with self._in_reach():
            self._returned.clear()
            message = self._channel.prepare_message(
                body,
                content_type="application/x-protobuf",
                headers=headers,
                properties={"delivery_mode": 2, **properties},
            )
            refused: Exception | None = None
            try:
                self._channel.basic_publish(
                    message, routing_key=queue, mandatory=True, timeout=ANSWER_SECONDS, confirm_timeout=ANSWER_SECONDS
                )
            except MessageNacked as error:
                refused = error
        if refused:
            raise NotPublished(f"{queue} takes nothing now: it is full, or has no leader") from refused
        if self._returned:
            raise NotPublished(f"there is no queue {queue}: nobody has consumed it yet")

    def _consume(self, queues: Sequence[str]) -> None:
        """Makes the queues of these services and has their messages come, unless they do already."""
        if self._consumed == queues:
            return
        self._channel.basic_qos(prefetch_size=0, prefetch_count=PREFETCH, a_global=False)
        for service in queues:
            declare(self._channel, service)
            self._channel.basic_consume(queue_of(service), callback=self._arrival(service))
        self._consumed = queues

    def _arrival(self, service: str) -> Callable[[Any], None]:
        return lambda raw: self._arrived.append(AmqpDelivery(service, raw))


def declare(channel: Any, service: str) -> None:
    """Makes the queues of a service; those that are there stay as they are.

    Only with the same arguments: RabbitMQ refuses others for a queue that is there (406), so whoever changes these
    gives the queues another name, or has them deleted first.
    """
    dead = dead_queue_of(service)
    bounded = {"x-queue-type": "quorum", "x-max-length": MOST_DEAD, "x-max-length-bytes": QUEUE_BYTES}
    channel.queue_declare(dead, durable=True, auto_delete=False, arguments=bounded)
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERIES,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": dead,
        "x-max-length-bytes": QUEUE_BYTES,
        "x-overflow": "reject-publish",
    }
    channel.queue_declare(queue_of(service), durable=True, auto_delete=False, arguments=arguments)


def ping() -> None:
    """Raises BrokerAway when no address answers in time."""
    try:
        first_that_answers(settings.REMOTE_BROKER_URL, PING_SECONDS).collect()
    except FAILURES as error:
        raise BrokerAway(repr(error)) from error


def first_that_answers(urls: str, seconds: float, heartbeat_seconds: int = 0) -> Any:
    """Returns a connection to one of these addresses, which are tried in any order, for so long each. Raises what the
    client raises."""
    addresses = urls.split(";")
    random.shuffle(addresses)
    for address in addresses[:-1]:
        try:
            return connect(address, seconds, heartbeat_seconds)
        except FAILURES as error:
            log.warning("broker_address_away", error=repr(error))
    return connect(addresses[-1], seconds, heartbeat_seconds)


def connect(address: str, seconds: float, heartbeat_seconds: int) -> Any:
    connection: Any = Connection(  # type: ignore[no-untyped-call]
        address,
        connect_timeout=seconds,
        heartbeat=heartbeat_seconds,
        transport_options={"confirm_publish": True, "frame_handler": frames},
    )
    if address.startswith("amqps:"):
        connection.ssl = tls(connection.hostname)
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=seconds)
    except BaseException:
        connection.collect()
        raise
    return connection


def tls(host: str) -> dict[str, Any]:
    """How the broker is checked; without this its client would look at no name. By an authority of REMOTE_TLS_CA, or
    else the usual ones of the machine, and with a certificate of our own where there is one."""
    return {
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": host,
        "ca_certs": settings.REMOTE_TLS_CA or None,
        "certfile": settings.REMOTE_TLS_CERT or None,
        "keyfile": settings.REMOTE_TLS_KEY or None,
    }
