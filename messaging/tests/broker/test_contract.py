"""What every broker does that stands behind the port: RabbitMQ, and the one in memory that other tests use."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import pytest

from lab.kit.memory_broker import MemoryBroker, MemoryQueues
from lab.kit.processes.shop import wait_until
from lab.servers import RabbitMQ as RabbitMQServer
from messaging.broker.port import Broker, BrokerAway, Delivery, Envelope, NotPublished
from messaging.broker.rabbitmq import RabbitMQ

SECONDS = 60  # a bound for busy machines
names = (f"service{number}" for number in count())


@dataclass
class World:
    """A broker as its clients see it: `connect` opens one more connection; `stop` and `start` it as often as wanted.
    `service`: has queues of its own."""

    service: str
    connect: Callable[[], Broker]
    stop: Callable[[], object]
    start: Callable[[], object]

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


@pytest.fixture(scope="module")
def server() -> Iterator[RabbitMQServer]:
    with RabbitMQServer() as server:
        yield server


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.servers)])
def world(request: pytest.FixtureRequest, settings) -> Iterator[World]:
    if request.param == "memory":
        queues = MemoryQueues()
        be = lambda is_away: lambda: setattr(queues, "is_away", is_away)  # noqa: E731
        yield World(next(names), lambda: MemoryBroker(queues), be(True), be(False))
        return
    server = request.getfixturevalue("server")
    settings.REMOTE_BROKER_URL = server.url
    opened: list[RabbitMQ] = []

    def connect() -> RabbitMQ:
        opened.append(RabbitMQ())
        return opened[-1]

    yield World(next(names), connect, server.stop, server.start)
    for broker in opened:
        broker.close()


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
    assert world.is_empty(receiver)


def test_envelope_without_a_queue_is_not_published_and_those_behind_it_are(world):
    sender, receiver = world.connect(), world.connect()
    assert world.is_empty(receiver)

    with pytest.raises(NotPublished, match="no queue"):
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
    assert world.is_empty(broker)


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
