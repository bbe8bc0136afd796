"""RocketMQ 5 as the broker, by its own client (requirements-rocketmq.txt): a topic and a consumer group for each
service, and a topic for what was put aside. Whoever runs it makes the topics; a client of its proxy cannot.

Loaded only where REMOTE_BROKER_URL names one (`messaging.broker.chosen`). Why it is as it is, and what it does
otherwise than RabbitMQ: docs/adr/0043-rocketmq-between-services.md.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import grpc
from django.conf import settings
from rocketmq import ClientConfiguration, Credentials, FilterExpression, Message, Producer, SimpleConsumer
from rocketmq.v5.exception import ClientException
from rocketmq.v5.log import logger as client_log

from charites.common.threads import AT_ONCE
from messaging.broker.port import BrokerAway, Envelope, NotPublished
from messaging.broker.wire import SIGNATURE, dead_queue_of, queue_of, read_envelope

PORT = 8081
ANSWER_SECONDS = 3  # how long the proxy may take to answer anything; the client publishes up to three times
PING_SECONDS = 0.5  # whoever asks how the shop is waits for it
POLL_SECONDS = 5  # the proxy lets no poll be shorter
HIDDEN_SECONDS = 30  # what was handed out and not acknowledged comes again after this; the proxy allows ten at least
TYPE, ABOUT, REPLY_TO = "type", "about", "reply_to"
REASON_LENGTH = 255
BEFORE_BODY = b"\x00"  # RocketMQ takes no empty message, and an answer may be empty

# The client writes files of its own, a gigabyte of them in the home folder; what it warns of goes where our log goes.
for handler in list(client_log.handlers):
    client_log.removeHandler(handler)
    handler.close()
client_log.propagate = True
client_log.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class RocketDelivery:
    """What came over RocketMQ, as its client has it."""

    queue: str
    raw: Any  # rocketmq.Message

    @property
    def body(self) -> bytes:
        return bytes(self.raw.body[len(BEFORE_BODY) :])

    def read(self) -> Envelope:
        properties = self.raw.properties
        named = {name: properties.get(name) or None for name in (TYPE, ABOUT, REPLY_TO, SIGNATURE)}
        return read_envelope(self.body, named, properties)


class RocketMQ:
    """A connection to the RocketMQ of REMOTE_BROKER_URL, for one thread; see `messaging.broker.port.Broker`.

    A consumer polls, and no poll is shorter than five seconds. So from the first `take` on one is open for each queue,
    in a thread of its own, and `take` waits for any of them as long as it is told to.
    """

    def __init__(self) -> None:
        self._producer: Any = None
        self._consumers: dict[str, Any] = {}
        self._polls: dict[str, Future[Any]] = {}
        self._threads: ThreadPoolExecutor | None = None

    def publish(self, queue: str, envelope: Envelope) -> None:
        named = {
            TYPE: envelope.kind,
            ABOUT: envelope.about,
            REPLY_TO: envelope.reply_to,
            SIGNATURE: envelope.signature,
        }
        self._publish(queue_of(queue), envelope.body, {**envelope.headers, **named})

    def take(self, queues: Sequence[str], *, seconds: float) -> Sequence[RocketDelivery]:
        with self._in_reach():
            for queue in queues:
                if queue not in self._polls:
                    self._polls[queue] = self._poll(queue)
            wait(self._polls.values(), timeout=seconds, return_when=FIRST_COMPLETED)
            ended = [queue for queue, poll in self._polls.items() if poll.done()]
            return [RocketDelivery(queue, raw) for queue in ended for raw in self._polls.pop(queue).result()]

    def acknowledge(self, delivery: RocketDelivery) -> None:
        with self._in_reach():
            self._consumer(delivery.queue).ack(delivery.raw)

    def dead_letter(self, delivery: RocketDelivery, reason: str) -> None:
        body, kind = delivery.body, delivery.raw.properties.get(TYPE)
        named = {TYPE: kind} if kind else {}
        properties = {"reason": reason[:REASON_LENGTH], "bytes": str(len(body)), **named}
        self._publish(dead_queue_of(delivery.queue), body[: settings.REQUEST_MAX_BYTES], properties)
        self.acknowledge(delivery)

    def close(self) -> None:
        """What an open poll still brings is hidden from everybody for HIDDEN_SECONDS."""
        clients = [client for client in (self._producer, *self._consumers.values()) if client]
        self._producer, self._consumers, self._polls = None, {}, {}
        for client in clients:
            client.shutdown()
        if self._threads:
            self._threads.shutdown(wait=False)
            self._threads = None

    @contextmanager
    def _in_reach(self) -> Iterator[None]:
        """After an error everything is made anew: a proxy that was started again knows nothing of its clients, and
        these tell it only after minutes."""
        try:
            yield
        except BrokerAway:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise BrokerAway(repr(error)) from error
        except BaseException:
            self.close()
            raise

    def _publish(self, topic: str, body: bytes, properties: Mapping[str, str]) -> None:
        refused: Exception | None = None
        with self._in_reach():
            if self._producer is None:
                self._producer = started(Producer(configuration(), tls_enable=is_encrypted()))
            try:
                self._producer.send(as_message(topic, body, properties))
            except ClientException as error:
                refused = error
            except grpc.RpcError:
                raise
            except Exception as error:  # noqa: BLE001 (no such topic, or nobody to ask: the client says the same)
                ping()
                refused = error
        if refused:
            raise NotPublished(f"{topic} takes nothing now, or there is no such topic: {refused!r}") from refused

    def _poll(self, queue: str) -> Future[Any]:
        self._threads = self._threads or ThreadPoolExecutor(thread_name_prefix="rocketmq_poll")
        return self._threads.submit(self._consumer(queue).receive, AT_ONCE, HIDDEN_SECONDS)

    def _consumer(self, queue: str) -> Any:
        if queue not in self._consumers:
            topic = queue_of(queue)
            subscription = {topic: FilterExpression()}
            made = SimpleConsumer(configuration(), topic, subscription, POLL_SECONDS, tls_enable=is_encrypted())
            self._consumers[queue] = started(made)
            # The proxy answers a poll only after it has heard of the subscription, which no `startup` waits for.
            if not made._init_settings_event.wait(ANSWER_SECONDS):
                raise BrokerAway(f"RocketMQ does not answer, or there is no topic {topic}")
        return self._consumers[queue]


def started(client: Any) -> Any:
    client.startup()
    return client


def as_message(topic: str, body: bytes, properties: Mapping[str, str]) -> Message:
    message = Message()
    message.topic, message.body = topic, BEFORE_BODY + body
    for name, text in properties.items():
        message.add_property(name, text)
    return message


def address() -> SplitResult:
    return urlsplit(settings.REMOTE_BROKER_URL)


def endpoint() -> str:
    return f"{address().hostname}:{address().port or PORT}"


def is_encrypted() -> bool:
    """Whether the proxy's certificate is checked, by the authorities that gRPC itself knows."""
    return address().scheme == "rocketmqs"


def configuration() -> ClientConfiguration:
    credentials = Credentials(unquote(address().username or ""), unquote(address().password or ""))
    return ClientConfiguration(endpoint(), credentials, request_timeout=ANSWER_SECONDS)


def ping() -> None:
    """Raises BrokerAway when the proxy does not answer in time."""
    if is_encrypted():
        channel = grpc.secure_channel(endpoint(), grpc.ssl_channel_credentials())
    else:
        channel = grpc.insecure_channel(endpoint())
    with channel:
        try:
            grpc.channel_ready_future(channel).result(PING_SECONDS)
        except grpc.FutureTimeoutError as error:
            raise BrokerAway(f"{endpoint()} does not answer") from error
