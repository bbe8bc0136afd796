"""Messages as they lie in the table, and receivers that note what they get."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.auth.models import Group

from lab.kit.factories import NOW
from messaging.models import Message


def make_message(**columns: Any) -> Message:
    """A message of the topic "topic" that is due at NOW."""
    created_at = columns.pop("created_at", NOW)
    defaults = {"topic": "topic", "key": "5", "payload": {"v": 1}, "state": "ready", "deliver_at": NOW}
    message = Message.objects.create(**{**defaults, **columns})
    Message.objects.filter(pk=message.pk).update(created_at=created_at)
    message.refresh_from_db()
    return message


def state_of(message: Message) -> str:
    message.refresh_from_db()
    return message.state


class Receiver:
    """Stores a row (a group of django.contrib.auth) for a message, once, and raises for the keys in `bad`."""

    def __init__(self, bad: Sequence[str] = (), meanwhile: Callable[[], None] = lambda: None) -> None:
        self.bad, self.meanwhile = set(bad), meanwhile
        self.calls: list[list[str]] = []

    def __call__(self, messages: Sequence[Message]) -> None:
        keys = [message.key for message in messages]
        self.calls.append(keys)
        for key in keys:
            Group.objects.get_or_create(name=key)
        self.meanwhile()
        if self.bad & set(keys):
            raise ConnectionError("refused")


def received() -> list[str]:
    """The keys of all messages that took effect."""
    return sorted(Group.objects.values_list("name", flat=True))
