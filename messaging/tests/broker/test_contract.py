"""What every broker does that stands behind the port: RabbitMQ, the one in memory that other tests use, and a RocketMQ.

Nobody starts a RocketMQ here: it is there, or its tests are not. ROCKETMQ_ENDPOINT=127.0.0.1:8081 names the proxy of
one that has the topics `charites-contract0` to `charites-contract4`, and each once more with `-dead`. The proxy runs in
its mode `cluster` and with `"useEndpointPortFromRequest": true`, so that clients stay behind a port that a test cuts.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count

import pytest

from lab.kit.memory_broker import MemoryBroker, MemoryQueues
from lab.kit.processes.shop import wait_until
from lab.kit.proxy import Proxy
from lab.servers import LOOPBACK
from lab.servers import RabbitMQ as RabbitMQServer
from messaging.broker import chosen
from messaging.broker.port import Broker, BrokerAway, Delivery, Envelope, NotPublished

SECONDS = 90  # a bound for busy machines
ROCKETMQ = os.environ.get("ROCKETMQ_ENDPOINT", "")
BROKERS = [
    "memory",
    pytest.param("rabbitmq", marks=pytest.mark.servers),
    *(["rocketmq"] if ROCKETMQ else []),
]
names = (f"service{number}" for number in count())
topics = (f"contract{number}" for number in count())


@dataclass
class World:
    """A broker as its clients see it: `connect` opens one more connection; `stop` and `start` it as often as wanted.
    `service`: has queues of its own. `looks`: so many show that nothing comes again."""

    service: str
    connect: Callable[[], Broker]
    stop: Callable[[], object]
    start: Callable[[], object]
    looks: int = 1

    def take(self, broker: Broker) -> Delivery:
        """The next one, whenever it comes; a broker that has just started may be away once more."""

        def look() -> Sequence[Delivery]:
            try:
                return broker.take([self.service], seconds=1.0)
            except BrokerAway:
                return []

        (taken,) = wait_until(look, seconds=SECONDS, what="something has come")
        return taken

    def is_empty(self, broker: Broker) -> bool:
        return not broker.take([self.service], seconds=0.5)

    def is_empty_for_good(self, broker: Broker) -> bool:
        return all(self.is_empty(broker) for _ in range(self.looks))


@pytest.fixture(scope="module")
def server() -> Iterator[RabbitMQServer]:
    with RabbitMQServer() as server:
        yield server


@pytest.fixture(params=BROKERS)
def world(request: pytest.FixtureRequest, settings) -> Iterator[World]:
    opened: list[Broker] = []

    def connect() -> Broker:
        opened.append(chosen.connection())
        return opened[-1]

    with ExitStack() as ends:
        match request.param:
            case "memory":
                queues = MemoryQueues()
                be = lambda is_away: lambda: setattr(queues, "is_away", is_away)  # noqa: E731
                yield World(next(names), lambda: MemoryBroker(queues), be(True), be(False))
            case "rabbitmq":
                server = request.getfixturevalue("server")
                settings.REMOTE_BROKER_URL = server.url
                yield World(next(names), connect, server.stop, server.start)
            case "rocketmq":
                host, _, port = ROCKETMQ.rpartition(":")
                proxy = ends.enter_context(Proxy((host, int(port))))
                settings.REMOTE_BROKER_URL = f"rocketmq://{LOOPBACK}:{proxy.port}"
                yield World(emptied(next(topics)), connect, proxy.cut, proxy.mend, looks=90)  # longer than it hides
        for broker in opened:
            broker.close()


def emptied(service: str) -> str:
    """Acknowledges what another run has left; its last poll has ended."""
    broker = chosen.connection()
    while taken := broker.take([service], seconds=10.0):
        for delivery in taken:
            broker.acknowledge(delivery)
    broker.close()
    return service


def envelope(world: World, **fields) -> Envelope:
    made = Envelope("Stock.RollbackStock", "42.lease", world.service, b"\x00request", "a signature")
    return replace(made, **fields)


def test_envelope_comes_as_it_was_published_and_once_acknowledged_never_again(world):
    sender, receiver = world.connect(), world.connect()
    assert world.is_empty(receiver)
    sent = envelope(world, headers={"request_id": "r-1"})

    sender.publish(world.service, sent)
    taken = world.take(receiver)

    assert (taken.queue, taken.read()) == (world.service, sent)
    receiver.acknowledge(taken)
    receiver.close()
    assert world.is_empty_for_good(receiver)


def test_envelope_without_a_queue_is_not_published_and_those_behind_it_are(world):
    sender, receiver = world.connect(), world.connect()
    assert world.is_empty(receiver)

    with pytest.raises(NotPublished, match="no (queue|such topic)"):
        sender.publish("nobody", envelope(world))
    sender.publish(world.service, envelope(world, about="43.lease"))

    assert world.take(receiver).read().about == "43.lease"


def test_what_is_not_acknowledged_comes_again_once_its_consumer_is_gone(world):
    first, second = world.connect(), world.connect()
    assert world.is_empty(first)
    first.publish(world.service, envelope(world))
    world.take(first)
    assert world.is_empty(second)

    first.close()

    assert world.take(second).read() == envelope(world)


def test_what_is_put_aside_does_not_come_again(world):
    broker = world.connect()
    assert world.is_empty(broker)
    broker.publish(world.service, envelope(world))

    broker.dead_letter(world.take(broker), "nobody knows it")

    broker.close()
    assert world.is_empty_for_good(broker)


def test_broker_that_is_away_says_so_and_the_same_connection_works_once_it_is_back(world):
    broker = world.connect()
    assert world.is_empty(broker)
    broker.publish(world.service, envelope(world))

    world.stop()
    try:
        with pytest.raises(BrokerAway):
            broker.publish(world.service, envelope(world, about="43.lease"))
        with pytest.raises(BrokerAway):
            broker.take([world.service], seconds=0.1)
    finally:
        world.start()

    assert world.take(broker).read().about == "42.lease"
