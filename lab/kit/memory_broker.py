"""A broker between services in this process's memory, behind the port of RabbitMQ and under the same contract
(messaging/tests/broker/test_contract.py): what comes of an envelope without a server."""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from charites.common.threads import AT_ONCE
from messaging.broker.port import BrokerAway, Envelope, NotPublished, Unreadable


@dataclass(eq=False)
class MemoryDelivery:
    queue: str
    envelope: Envelope | None  # None: nothing that could be read

    def read(self) -> Envelope:
        if self.envelope is None:
            raise Unreadable("it is rubbish")
        return self.envelope


@dataclass
class MemoryQueues:
    """What the broker keeps. `dead`: (queue, reason) of what was put aside. `is_away`: nobody answers."""

    waiting: dict[str, deque[MemoryDelivery]] = field(default_factory=lambda: defaultdict(deque))
    dead: list[tuple[str, str]] = field(default_factory=list)
    is_away: bool = False

    def make(self, *services: str) -> None:
        for service in services:
            self.waiting[service]  # noqa: B018 (makes the queue)

    def put(self, service: str, envelope: Envelope | None) -> None:
        """Something that came past the port."""
        self.waiting[service].append(MemoryDelivery(service, envelope))

    def envelopes(self, service: str) -> list[Envelope | None]:
        return [delivery.envelope for delivery in self.waiting[service]]


class MemoryBroker:
    """One connection to it."""

    def __init__(self, queues: MemoryQueues) -> None:
        self.queues = queues
        self._unacknowledged: list[MemoryDelivery] = []

    def publish(self, queue: str, envelope: Envelope) -> None:
        self._reach()
        if queue not in self.queues.waiting:
            raise NotPublished(f"there is no queue {queue}: nobody has consumed it yet")
        self.queues.put(queue, envelope)

    def take(self, queues: Sequence[str], *, seconds: float) -> Sequence[MemoryDelivery]:
        self._reach()
        self.queues.make(*queues)
        taken: list[MemoryDelivery] = []
        for waiting in (self.queues.waiting[queue] for queue in queues):
            while waiting and len(taken) < AT_ONCE:
                taken.append(waiting.popleft())
        self._unacknowledged += taken
        return taken

    def acknowledge(self, delivery: MemoryDelivery) -> None:
        self._reach()
        self._unacknowledged.remove(delivery)

    def dead_letter(self, delivery: MemoryDelivery, reason: str) -> None:
        self.acknowledge(delivery)
        self.queues.dead.append((delivery.queue, reason))

    def close(self) -> None:
        for delivery in self._unacknowledged:
            self.queues.waiting[delivery.queue].append(delivery)
        self._unacknowledged.clear()

    def _reach(self) -> None:
        if self.queues.is_away:
            self.close()
            raise BrokerAway("nobody answers")
