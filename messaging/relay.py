"""Delivery: claim, hand over, mark; retry on a ladder; dead and loud when it is used up.

A claim writes a random lease into the rows. Every later change of a claimed row carries that lease in its WHERE, so a
sweep that was stopped and wakes up late changes nothing that another one has taken over.
"""

import secrets
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from prometheus_client import Counter

from charites.common import tracing
from charites.common.logs import request_context
from charites.common.threads import AT_ONCE, each_at_once
from charites.common.transactions import run
from messaging.events import MESSAGE_DEAD
from messaging.models import Message
from messaging.registry import Registration, find_registration, list_called_topics, list_topics, version_of

log = structlog.get_logger(__name__)

BATCH = 200
CLAIM_SECONDS = 60  # longer than any call of a receiver with its time-out
UNKNOWN_RETRY_SECONDS = 60
UNKNOWN_LIFETIME = timedelta(days=1)  # newer code may be on its way
HELD_SINCE = "held_since"  # header: when a message that nobody takes was met first
KEEP_FINISHED = timedelta(days=7)
PURGE_STEP = 500

DELIVERIES = Counter("charites_deliveries", "Messages handed over.", ["topic", "outcome"])


def deliver_due(*, now: datetime) -> int:
    """Delivers due messages to their receivers, at most 8 at once; returns how many were claimed. What goes over a
    broker is left to `messaging.broker.sending`."""
    claimed = claim(Q(topic__in=list_called_topics()), limit=AT_ONCE, now=now)
    each_at_once(partial(deliver_one, now=now), claimed)
    return len(claimed)


def hold_unknown(*, now: datetime) -> int:
    """Puts messages of unknown topics or newer payloads off, a day at most; returns how many were claimed."""
    claimed = claim(~Q(topic__in=list_topics()), limit=BATCH, now=now)
    for message in claimed:
        hold(message, now=now)
    return len(claimed)


def claim(topics: Q, *, limit: int, now: datetime) -> list[Message]:
    """Takes up to `limit` due messages for this caller, the longest waiting first; counts the attempt."""
    due = Message.objects.filter(topics, state=Message.State.READY, deliver_at__lte=now)
    free = due.filter(Q(claimed_until=None) | Q(claimed_until__lt=now)).order_by("deliver_at", "pk")
    if not free.exists():
        return []  # the usual case takes no lock
    lease = secrets.token_hex(16)

    def take() -> list[Message]:
        keys = list(free.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
        Message.objects.filter(pk__in=keys).update(
            lease=lease,
            claimed_until=now + timedelta(seconds=CLAIM_SECONDS),
            attempts=F("attempts") + 1,
            updated_at=Now(),
        )
        return list(Message.objects.filter(pk__in=keys, lease=lease).order_by("deliver_at", "pk"))

    return run(take, name="claim_messages")


def deliver_one(message: Message, *, now: datetime) -> None:
    """Hands one message to its receiver, outside of any transaction, then marks it."""
    registration = find_registration(message)
    if registration is None:
        hold(message, now=now)
        return
    about = {"topic": message.topic, "message_id": message.pk}
    delivery = tracing.span(f"deliver {message.topic}", kind="CONSUMER", carrier=message.headers, **about)
    with request_context(message.headers.get("request_id"), **about), delivery:
        try:
            registration.handler([message])
        except Exception as error:  # noqa: BLE001 (the sweep outlives every receiver)
            give_back(registration, message, error, now=now)
            return
        # Where it cannot be marked, its claim runs out, and the receiver gets it again: that is no failure of its.
        if change_claimed(message, state=Message.State.DONE, last_error=""):
            DELIVERIES.labels(registration.topic, "done").inc()


def change_claimed(message: Message, **columns: object) -> bool:
    """Ends the claim of one message, whose lease is nobody's from then on, and changes it; whether it was still ours.
    What somebody else has taken over meanwhile is theirs to tell of."""
    claimed = Message.objects.filter(pk=message.pk, lease=message.lease, state=Message.State.READY)
    changed = run(
        lambda: claimed.update(**columns, lease="", claimed_until=None, updated_at=Now()), name="change_message"
    )
    if not changed:
        log.warning("lease_lost", topic=message.topic, key=message.key, attempts=message.attempts)
    return bool(changed)


def give_back(registration: Registration, message: Message, error: Exception, *, now: datetime) -> None:
    """Puts a failed message on the next step of its ladder, or declares it dead."""
    if message.attempts > len(registration.ladder):
        if dead_letter(message, f"delivery gave up after {message.attempts} tries: {error!r}"):
            DELIVERIES.labels(registration.topic, "dead").inc()
        return
    wait = registration.ladder[message.attempts - 1]
    if change_claimed(message, deliver_at=now + wait, last_error=repr(error)[:500]):
        DELIVERIES.labels(registration.topic, "failed").inc()
        log.warning(
            "delivery_failed", topic=message.topic, key=message.key, attempts=message.attempts, error=repr(error)
        )


def hold(message: Message, *, now: datetime) -> None:
    """Nobody here takes this message: newer code may, within a day. Being put off is no try, so it costs no step of
    the ladder."""
    held_since = message.headers.setdefault(HELD_SINCE, now.isoformat())
    if datetime.fromisoformat(held_since) < now - UNKNOWN_LIFETIME:
        del message.headers[HELD_SINCE]  # sent again, it has its day again
        dead_letter(message, f"no handler for topic {message.topic!r}, version {version_of(message)!r}, within a day")
        return
    change_claimed(
        message,
        deliver_at=now + timedelta(seconds=UNKNOWN_RETRY_SECONDS),
        attempts=F("attempts") - 1,
        headers=message.headers,
        last_error="no handler yet",
    )


def dead_letter(message: Message, reason: str) -> bool:
    """Makes a message dead: logged, listed in the admin, and a finding of the audit. Whether it was still ours."""
    is_dead = change_claimed(message, state=Message.State.DEAD, headers=message.headers, last_error=reason[:500])
    if is_dead:
        MESSAGE_DEAD.tell(str(message.pk), message.topic, message.key, reason)
    return is_dead


def purge(*, now: datetime) -> int:
    """Deletes one small step of messages that were finished more than 7 days ago; returns how many."""
    return purge_before(now - KEEP_FINISHED)


def finished_before(before: datetime) -> QuerySet[Message]:
    """Messages that have nothing more to do and were due before a time."""
    return Message.objects.filter(state__in=[Message.State.DONE, Message.State.ABORTED], deliver_at__lt=before)


def purge_before(before: datetime) -> int:
    """Deletes one small step of them; returns how many."""
    finished = finished_before(before)
    keys = list(finished.order_by("state", "deliver_at").values_list("pk", flat=True)[:PURGE_STEP])
    return run(lambda: Message.objects.filter(pk__in=keys).delete()[0], name="purge_messages") if keys else 0
