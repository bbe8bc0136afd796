"""Which function takes the messages of a topic. Apps register theirs when Django starts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Protocol

from django.conf import settings

from charites.common.errors import ServiceError
from messaging.models import Message

VERSION = 1  # of payloads: a newer one waits for newer code

Handler = Callable[[Sequence[Message]], None]


class Answer(Enum):
    """What is to become of a half message. One without an answer is asked about again."""

    SUBMIT = "submit"
    ABORT = "abort"


Check = Callable[[Sequence[Message]], Mapping[int, Answer]]


@dataclass(frozen=True, slots=True)
class Question:
    """What another service is asked to do: one of its methods that bear a second call, such as `Stock.RollbackStock`,
    and the serialised request."""

    method: str
    request: bytes


class Service(Protocol):
    """Another service, as those see it that ask it. `name`: the app that it serves; `caller`: by which name it is
    asked."""

    name: str
    caller: str

    def call(self, question: Question) -> None:
        """Asks, and waits for the answer. Raises what the service refuses with, or DeliveryFailed with what came
        instead."""

    def refusal(self, number: int, details: Mapping[str, str]) -> ServiceError | None:
        """What the service refuses with, by an error's number and details; None where that says nothing of its
        business."""


def leave_to_ladder(message: Message, error: ServiceError) -> None:
    """A refusal that nobody can do anything about but ask again."""
    raise error


@dataclass(frozen=True, slots=True)
class Remote:
    """The handler of a topic whose receiver is another service: asks it by a call. Where a broker stands between the
    services, `messaging.broker` asks instead.

    `ask`: message id -> question; a message that is missing there has nothing to ask, and is done.
    `refused`: what becomes of a message that the service refuses. Raises what goes to the ladder; a message for which
    it raises nothing is done.
    """

    service: Service
    ask: Callable[[Sequence[Message]], Mapping[int, Question]]
    refused: Callable[[Message, ServiceError], None] = leave_to_ladder

    def __call__(self, messages: Sequence[Message]) -> None:
        questions = self.ask(messages)
        for message in messages:
            if question := questions.get(message.pk):
                try:
                    self.service.call(question)
                except ServiceError as error:
                    self.refused(message, error)


# RocketMQ's delay levels from 10 s on: 16 tries in a little under five hours.
RETRY_LADDER = tuple(
    timedelta(seconds=seconds)
    for seconds in (10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200)
)


@dataclass(frozen=True, slots=True)
class Registration:
    """How a topic is delivered.

    The handler gets lists of one, outside of any transaction, at least once; its receiver is idempotent.
    `ladder`: how long to wait after each failed try; when it is used up the message is dead.
    `check`: decides over half messages whose sender was silent, by message id; runs inside the transaction that has
    locked them, and only reads.
    """

    topic: str
    handler: Handler
    check: Check | None
    ladder: tuple[timedelta, ...]


_registrations: dict[str, Registration] = {}


def register(
    topic: str,
    handler: Handler,
    *,
    check: Check | None = None,
    ladder: Sequence[timedelta] = RETRY_LADDER,
) -> None:
    """Makes `handler` the receiver of a topic. Once per topic."""
    if topic in _registrations:
        raise ValueError(f"Topic {topic!r} has a handler already.")
    _registrations[topic] = Registration(topic, handler, check, tuple(ladder))


def unregister(topic: str) -> None:
    """Forgets a topic."""
    _registrations.pop(topic, None)


def find_registration(message: Message) -> Registration | None:
    """Returns who takes this message: nobody for an unknown topic or a payload newer than this code."""
    registration = _registrations.get(message.topic)
    version = version_of(message)
    if registration is None or not isinstance(version, int) or version > VERSION:
        return None
    return registration


def version_of(message: Message) -> Any:
    """The version of a payload; None for one that is not even an object."""
    return message.payload.get("v") if isinstance(message.payload, dict) else None


def list_topics() -> list[str]:
    """Returns the registered topics."""
    return sorted(_registrations)


def list_remote_topics() -> list[str]:
    """Returns those whose receiver is another service."""
    return [topic for topic in list_topics() if isinstance(_registrations[topic].handler, Remote)]


def list_called_topics() -> list[str]:
    """Returns those whose handler is called here: all but what goes over a broker."""
    by_broker = list_remote_topics() if settings.MEETS_AT_BROKER else []
    return [topic for topic in list_topics() if topic not in by_broker]
