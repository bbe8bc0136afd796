"""Publishing, and what operators do with messages. Why these are rows: docs/adr/0010-messages-are-rows.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from charites.common.logs import current_request_id
from messaging.errors import MessageNotFound
from messaging.models import Message


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to publish. `payload`: JSON with ids as strings; the version is added here."""

    topic: str
    key: str
    payload: Mapping[str, Any]
    deliver_at: datetime | None = None
    version: int = field(default=1, kw_only=True)


class NoTransaction(RuntimeError):
    """A message was published outside of the transaction whose effect it announces."""


def publish(topic: str, payload: Mapping[str, Any], *, key: str, deliver_at: datetime | None = None) -> None:
    """Stores one message inside the caller's transaction; see `publish_many`."""
    publish_many([Draft(topic, key, payload, deliver_at)])


def publish_many(drafts: Sequence[Draft]) -> None:
    """Stores messages inside the caller's transaction: they exist if and only if it commits. Raises NoTransaction."""
    if not transaction.get_connection().in_atomic_block:
        raise NoTransaction("publish() belongs inside the transaction whose effect it announces.")
    now, request_id = timezone.now(), current_request_id()
    Message.objects.bulk_create(
        Message(
            topic=draft.topic,
            key=draft.key,
            payload={"v": draft.version, **draft.payload},
            headers={"request_id": request_id} if request_id else {},
            state=Message.State.READY,
            deliver_at=draft.deliver_at or now,
        )
        for draft in drafts
    )


def send_again(*, message_ids: Sequence[int], now: datetime) -> int:
    """Makes dead messages ready again, with a fresh ladder; returns how many. Raises MessageNotFound when none was."""
    dead = Message.objects.filter(pk__in=message_ids, state=Message.State.DEAD)
    revived = dead.update(
        state=Message.State.READY, deliver_at=now, attempts=0, lease="", claimed_until=None, updated_at=now
    )
    if not revived:
        raise MessageNotFound
    return revived
