"""Rows that other services are to hear of go to the broker.

A try is noted before it leaves: the row is due again when no answer has come in time, on the next step of its ladder.
So nothing is lost with an envelope, with an answer, or with whoever sends it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from charites.common import tracing
from charites.common.logs import request_context
from charites.common.transactions import run
from messaging.broker import chosen
from messaging.broker.port import Broker, BrokerAway, Envelope, NotPublished
from messaging.broker.signing import sign
from messaging.models import Message
from messaging.registry import Question, Registration, Remote, find_registration, list_remote_topics
from messaging.relay import DELIVERIES, claim, dead_letter, give_back, hold

BATCH = 50
ANSWER_SECONDS = 60  # the broker keeps it, and a copy would only make its queue longer; then the ladder's step begins
NO_ANSWER = "sent, no answer yet"
OPEN = Q(state=Message.State.READY) | Q(state=Message.State.DEAD, died_half=False)  # it may yet take effect


@dataclass(frozen=True, slots=True)
class Sending:
    """A message that goes to another service."""

    message: Message
    registration: Registration
    remote: Remote

    @property
    def is_used_up(self) -> bool:
        """Whether the last step of the ladder has passed: this is no try any more."""
        return self.message.attempts > len(self.registration.ladder) + 1

    @property
    def due_again_after(self) -> timedelta:
        steps = [*self.registration.ladder, timedelta()]
        return steps[self.message.attempts - 1] + timedelta(seconds=ANSWER_SECONDS)

    def envelope(self, question: Question) -> Envelope:
        headers = {name: text for name, text in self.message.headers.items() if isinstance(text, str)}
        about, name = about_of(self.message), self.remote.service.caller
        return sign(Envelope(question.method, about, name, question.request, headers=headers), name=name)


class Sender:
    """Sends what is due; for one thread."""

    def __init__(self, broker: Broker[Any] | None = None) -> None:
        self._broker: Broker[Any] = broker or chosen.connection(consumes=False)

    def round(self, *, now: datetime) -> int:
        """Sends messages that are due; returns how many were claimed."""
        claimed = claim(Q(topic__in=list_remote_topics()), limit=BATCH, now=now)
        due: dict[Registration, list[Sending]] = defaultdict(list)
        for message in claimed:
            sending = as_sending(message)
            if sending is None:
                hold(message, now=now)
            elif sending.is_used_up:
                give_up(sending)
            else:
                due[sending.registration].append(sending)
        for registration, group in due.items():
            self._send(group, registration, now)
        return len(claimed)

    def _send(self, group: Sequence[Sending], registration: Registration, now: datetime) -> None:
        """Sends the messages of one topic."""
        questions = ask(group, now)
        asking = [sending for sending in group if sending.message.pk in questions]
        note_sent(asking, now)
        away: BrokerAway | None = None
        for sending in asking:
            try:
                if away:
                    raise away  # whoever follows in this round need not wait for that, too
                self._publish(sending, questions[sending.message.pk])
            except (NotPublished, BrokerAway) as error:
                away = error if isinstance(error, BrokerAway) else None
                give_back(registration, sending.message, error, now=now)
            else:
                DELIVERIES.labels(registration.topic, "sent").inc()

    def _publish(self, sending: Sending, question: Question) -> None:
        """Returns when the broker has confirmed it. Raises NotPublished, BrokerAway."""
        message = sending.message
        span = tracing.span(f"send {message.topic}", kind="PRODUCER", carrier=message.headers, message_id=message.pk)
        with request_context(message.headers.get("request_id"), topic=message.topic, message_id=message.pk), span:
            self._broker.publish(sending.remote.service.name, sending.envelope(question))


def row_of(message: Message) -> str:
    """Names a row, and no other that gets its id after a database was restored."""
    return f"{message.pk}.{message.created_at:%Y%m%d%H%M%S%f}"


def about_of(message: Message) -> str:
    """Names the present try of a message."""
    return f"{row_of(message)}.{message.lease}"


def as_sending(message: Message) -> Sending | None:
    """None for a topic or a payload that this code does not know."""
    found = find_registration(message)
    if found is None or not isinstance(found.handler, Remote):
        return None
    return Sending(message, found, found.handler)


def ask(group: Sequence[Sending], now: datetime) -> dict[int, Question]:
    """Returns what these messages of one topic ask, by message id. One that has nothing to ask is done; one that cannot
    be read goes to its ladder, and holds up none of the others."""
    try:
        questions = dict(group[0].remote.ask([sending.message for sending in group]))
    except Exception as error:  # noqa: BLE001 (whatever is wrong with one of them)
        if len(group) == 1:
            give_back(group[0].registration, group[0].message, error, now=now)
            return {}
        middle = len(group) // 2
        return ask(group[:middle], now) | ask(group[middle:], now)
    finish(sending.message for sending in group if sending.message.pk not in questions)
    return questions


def note_sent(asking: Sequence[Sending], now: datetime) -> None:
    """Ends the claims: these messages are due again when no answer has come by then. What somebody else has taken over
    meanwhile is theirs."""
    by_wait: dict[timedelta, list[Message]] = defaultdict(list)
    for sending in asking:
        by_wait[sending.due_again_after].append(sending.message)
    for wait, messages in by_wait.items():
        leases = {message.lease for message in messages}
        held = Q(state=Message.State.READY, lease__in=leases)
        change(messages, held, deliver_at=now + wait, last_error=NO_ANSWER)


def finish(messages: Iterable[Message]) -> None:
    """These have taken effect, or have nothing to ask, whoever has taken them over meanwhile."""
    by_topic: dict[str, list[Message]] = defaultdict(list)
    for message in messages:
        by_topic[message.topic].append(message)
    for topic, group in by_topic.items():
        DELIVERIES.labels(topic, "done").inc(change(group, OPEN, state=Message.State.DONE, last_error=""))


def change(messages: Sequence[Message], old: Q, **columns: Any) -> int:
    """Changes those messages that are as they were; returns how many."""
    unchanged = Message.objects.filter(old, pk__in=[message.pk for message in messages])
    return run(lambda: unchanged.update(**columns, claimed_until=None, updated_at=Now()), name="change_messages")


def give_up(sending: Sending) -> None:
    """Nobody has answered the last try."""
    message = sending.message
    if dead_letter(message, f"no answer after {message.attempts - 1} tries: {message.last_error}"):
        DELIVERIES.labels(message.topic, "dead").inc()
