"""Half messages as they lie in the table, and a check that judges them."""

from collections.abc import Mapping, Sequence

import pytest

from lab.kit.message_rows import make_message
from messaging.models import Message
from messaging.registry import Answer

RACE = pytest.mark.django_db(transaction=True)


class Judge:
    """A check that gives every message the same answer, and notes what it was asked."""

    def __init__(self, answer: Answer | None, bad: Sequence[str] = ()) -> None:
        self.answer, self.bad = answer, set(bad)
        self.calls: list[list[str]] = []

    def __call__(self, messages: Sequence[Message]) -> Mapping[int, Answer]:
        keys = [message.key for message in messages]
        self.calls.append(keys)
        if self.bad & set(keys):
            raise ConnectionError("no answer today")
        return {message.pk: self.answer for message in messages if self.answer}


def make_half(key: str = "5", **columns: object) -> Message:
    return make_message(**{"state": "half", "key": key, **columns})


def row(message: Message) -> Message:
    message.refresh_from_db()
    return message


def states() -> dict[str, str]:
    return dict(Message.objects.values_list("key", "state"))
