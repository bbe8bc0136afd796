"""Reading messages."""

from datetime import datetime
from typing import Any

from charites.common.pages import Cursor, Page, along, count_values, few_keys, one_by_one, read_page
from messaging.models import Message


def count_by_state() -> dict[str, int]:
    """Returns state -> number of messages, every state included, each counted up to MOST_COUNTED."""
    return count_values(Message, "state", Message.State.values)


def count_dead(*, most: int) -> int:
    """Returns how many messages were given up, `most` at most."""
    return Message.objects.filter(state=Message.State.DEAD).order_by().values("pk")[:most].count()


def oldest_due_at(*, now: datetime) -> datetime | None:
    """Returns when the longest waiting ready message was due, or None when none is due."""
    due = Message.objects.filter(state=Message.State.READY, deliver_at__lte=now)
    return due.order_by("deliver_at").values_list("deliver_at", flat=True).first()


def list_by_key(*, topic: str, key: str) -> list[Message]:
    """Returns the messages of a business id, oldest first."""
    return list(Message.objects.filter(topic=topic, key=key).order_by("pk"))


def page_messages(cursor: Cursor, **wanted: Any) -> Page[Message]:
    """Returns a page of messages with these values, newest first.

    No index is in the order of a state: every message changes its own twice, some while an order is placed.
    """
    messages = Message.objects.order_by("-pk")
    if "key" not in wanted and "state" in wanted:
        few = few_keys(Message.objects.filter(state=wanted["state"]), "pk")
        if few is not None:
            others = {name: value for name, value in wanted.items() if name != "state"}
            return read_page(messages.filter(one_by_one(**others), pk__in=few), "pk", cursor)
    name = next((name for name in ("key", "topic") if name in wanted), None)
    if name:
        messages = along(messages, "-pk", **{name: wanted.pop(name)})
    return read_page(messages, "pk", cursor, keys_first=bool(name), chosen=one_by_one(**wanted))
