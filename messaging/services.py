"""Publishing, half messages, and what operators do with messages. Why these are rows:
docs/adr/0010-messages-are-rows.md; what is promised: docs/messages.md."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from charites.common import tracing
from charites.common.logs import current_request_id
from charites.common.transactions import Undone, required, run
from messaging.errors import MessageNotFound
from messaging.models import Message
from messaging.registry import VERSION


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to publish. `payload`: JSON with ids as strings; the version is added here."""

    topic: str
    key: str
    payload: Mapping[str, Any]
    deliver_at: datetime | None = None


def publish(topic: str, payload: Mapping[str, Any], *, key: str, deliver_at: datetime | None = None) -> None:
    """Stores one message inside the caller's transaction; see `publish_many`."""
    publish_many([Draft(topic, key, payload, deliver_at)])


def publish_many(drafts: Sequence[Draft]) -> None:
    """Stores messages inside the caller's transaction: they exist if and only if it commits. Raises NoTransaction."""
    required()
    Message.objects.bulk_create(as_message(draft, Message.State.READY, draft.deliver_at or Now()) for draft in drafts)


def as_message(draft: Draft, state: Message.State, deliver_at: datetime | Now | CombinedExpression) -> Message:
    """The row of a draft, with the request id and the trace of whoever publishes it."""
    request_id, trace = current_request_id(), tracing.carried()
    return Message(
        topic=draft.topic,
        key=draft.key,
        payload={"v": VERSION, **draft.payload},
        headers={"request_id": request_id, **trace} if request_id else trace,
        state=state,
        deliver_at=deliver_at,
    )


class HalfMessageGone(RuntimeError):
    """A half message is no longer half: the check-back has decided without us. Whoever reads this gives up."""


def prepare_many(drafts: Sequence[Draft]) -> list[int]:
    """Stores half messages in a transaction of their own, and returns their ids in the order given.

    They are delivered once somebody submits them: the caller, or the check-back, which comes first after
    MESSAGE_FIRST_CHECK_SECONDS. Refuses (RuntimeError) to run inside a transaction, which could undo them.
    """
    lease = secrets.token_hex(16)
    first_check = Now() + timedelta(seconds=settings.MESSAGE_FIRST_CHECK_SECONDS)
    halves = [as_message(draft, Message.State.HALF, first_check) for draft in drafts]
    for half in halves:
        half.lease = lease
    stored = Message.objects.filter(key__in=[half.key for half in halves], lease=lease).order_by("pk")

    def store() -> list[int]:
        Message.objects.bulk_create(halves)
        return list(stored.values_list("pk", flat=True))  # MySQL does not tell the ids of several rows

    def find() -> list[int] | Undone:
        return list(stored.select_for_update().values_list("pk", flat=True)) or Undone.BUSY

    return run(store, name="prepare", find=find)


def submit(message_ids: Collection[int]) -> int:
    """Lets half messages be delivered; returns how many were still half. Raises Busy, OutcomeUnknown."""
    half = Message.objects.filter(pk__in=message_ids, state=Message.State.HALF)
    ready = {"state": Message.State.READY, "deliver_at": Now(), "lease": "", "updated_at": Now()}
    return run(lambda: half.update(**ready), name="submit") if message_ids else 0


def abort(message_ids: Collection[int]) -> None:
    """Withdraws half messages. Raises HalfMessageGone when one of them is no longer half, NoTransaction.

    Inside the local transaction that the messages compensate for, this is the first statement: its row locks keep the
    check-back away until COMMIT, and after HalfMessageGone the transaction must be given up.
    """
    required()
    half = Message.objects.filter(pk__in=message_ids, state=Message.State.HALF)
    aborted = half.update(state=Message.State.ABORTED, lease="", updated_at=Now())
    if aborted != len(message_ids):
        raise HalfMessageGone(f"{len(message_ids) - aborted} of {len(message_ids)} half messages are decided already.")


def revive(message_ids: Collection[int], *, now: datetime) -> int:
    """`send_again` inside the caller's transaction; none is no error."""
    required()
    dead = Message.objects.filter(pk__in=message_ids, state=Message.State.DEAD, died_half=False)
    ready = {"state": Message.State.READY, "deliver_at": now, "attempts": 0, "lease": "", "claimed_until": None}
    return dead.update(**ready, updated_at=now)


def send_again(*, message_ids: Sequence[int], now: datetime) -> int:
    """Makes messages whose delivery was given up ready again, with a fresh ladder; returns how many.

    Raises MessageNotFound when there was none, Busy, OutcomeUnknown.
    """
    revived = run(lambda: revive(message_ids, now=now), name="send_again")
    if not revived:
        raise MessageNotFound
    return revived


def check_again(*, message_ids: Sequence[int], now: datetime) -> int:
    """Makes messages whose check was given up half again, with a fresh series of checks; returns how many.

    Raises MessageNotFound when there was none, Busy, OutcomeUnknown.
    """
    dead = Message.objects.filter(pk__in=message_ids, state=Message.State.DEAD, died_half=True)
    half = {"state": Message.State.HALF, "deliver_at": now, "checks": 0, "died_half": False}
    revived = run(lambda: dead.update(**half, updated_at=now), name="check_again")
    if not revived:
        raise MessageNotFound
    return revived
