"""What is asked of a broker between services, whatever its make: to keep an envelope, and to hand it out until it is
acknowledged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

ANSWER = "answer"  # the kind of what comes back


class BrokerAway(Exception):
    """The broker did not answer, or the connection broke: what was under way may have come, or not."""


class NotPublished(Exception):
    """The broker answered, and does not keep this envelope: it has no such queue, or no room in it."""


class Unreadable(Exception):
    """What came is no envelope; in a few words, why."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message on its way. `kind`: the method that is asked, such as `Stock.RollbackStock`, or ANSWER. `about`:
    which message, and which try of it. `reply_to`: the service that asks, also in its answer. `body`: the request; of
    an answer a google.rpc.Status. `signature`: of the sender, over all of that. `headers`: for logs and traces alone.
    """

    kind: str
    about: str
    reply_to: str
    body: bytes
    signature: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Delivery(Protocol):
    """Something that the broker has handed out. `queue`: the service whose queue it lay in."""

    queue: str

    def read(self) -> Envelope:
        """Returns the envelope. Raises Unreadable."""


Handed = TypeVar("Handed", bound=Delivery)


class Broker(Protocol[Handed]):
    """A connection to the broker, opened when it is needed and opened anew after an error; for one thread.

    A queue has the name of the service whose messages lie in it. Everything here raises BrokerAway.
    """

    def publish(self, queue: str, envelope: Envelope) -> None:
        """Returns when the broker keeps the envelope. Raises NotPublished."""

    def take(self, queues: Sequence[str], *, seconds: float) -> Sequence[Handed]:
        """Returns what has come, a few at most, after waiting this long for the first. It stays the broker's until it
        is acknowledged."""

    def acknowledge(self, delivery: Handed) -> None:
        """Lets the broker forget it."""

    def dead_letter(self, delivery: Handed, reason: str) -> None:
        """Puts it aside, with the reason, for somebody to look at, and lets the broker forget it."""

    def close(self) -> None:
        """Ends the connection."""
