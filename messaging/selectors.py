"""Reading messages."""

from datetime import datetime

from django.db.models import Count

from messaging.models import Message


def count_by_state() -> dict[str, int]:
    """Returns state -> number of messages, every state included."""
    counts = dict(Message.objects.values_list("state").annotate(count=Count("pk")).order_by("state"))
    return {state: counts.get(state, 0) for state in Message.State.values}


def oldest_due_at(*, now: datetime) -> datetime | None:
    """Returns when the longest waiting ready message was due, or None when none is due."""
    due = Message.objects.filter(state=Message.State.READY, deliver_at__lte=now)
    return due.order_by("deliver_at").values_list("deliver_at", flat=True).first()


def list_by_key(*, topic: str, key: str) -> list[Message]:
    """Returns the messages of a business id, oldest first."""
    return list(Message.objects.filter(topic=topic, key=key).order_by("pk"))
