"""Delivery: claim, hand over, mark; retry on a ladder; dead and loud when it is used up. And the check-back, which
decides over half messages whose sender was silent.

A claim writes a random lease into the rows. Every later change of a claimed row carries that lease in its WHERE, so a
sweep that was stopped and wakes up late changes nothing that another one has taken over.
"""

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import close_old_connections, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from prometheus_client import Counter

from charites.common.logs import request_context
from messaging.models import Message
from messaging.registry import Answer, Check, Registration, find_registration, list_topics, version_of

log = structlog.get_logger(__name__)

Item = TypeVar("Item")

LOCAL_BATCH = 200
REMOTE_AT_ONCE = 8
CLAIM_SECONDS = 60  # longer than a local batch and any remote call with its time-out
UNKNOWN_RETRY_SECONDS = 60
UNKNOWN_LIFETIME = timedelta(days=1)  # newer code may be on its way
HELD_SINCE = "held_since"  # header: when a message that nobody takes was met first
CHECK_BATCH = 200
KEEP_FINISHED = timedelta(days=7)
PURGE_STEP = 500

CHECKS = Counter("charites_checks", "Half messages asked about.", ["topic", "answer"])
DELIVERIES = Counter("charites_deliveries", "Messages handed over.", ["topic", "outcome"])


class LeaseLost(Exception):
    """Somebody else has claimed these messages meanwhile; what this sweep did with them is undone."""


def deliver_local(*, now: datetime) -> int:
    """Delivers due messages whose handlers write into this database; returns how many were claimed."""
    claimed = claim(Q(topic__in=list_topics(remote=False)), limit=LOCAL_BATCH, now=now)
    for registration, messages in by_registration(claimed, now=now):
        deliver_list(registration, messages, now=now)
    return len(claimed)


def deliver_remote(*, now: datetime) -> int:
    """Delivers due messages to receivers elsewhere, at most 8 at once; returns how many were claimed."""
    claimed = claim(Q(topic__in=list_topics(remote=True)), limit=REMOTE_AT_ONCE, now=now)
    deliveries = [
        (registration, message) for registration, group in by_registration(claimed, now=now) for message in group
    ]
    if deliveries:
        each_at_once(lambda delivery: deliver_one(*delivery), deliveries)
    return len(claimed)


def hold_unknown(*, now: datetime) -> int:
    """Puts messages of unknown topics or newer payloads off, a day at most; returns how many were claimed."""
    known = Q(topic__in=[*list_topics(remote=False), *list_topics(remote=True)])
    claimed = claim(~known, limit=LOCAL_BATCH, now=now)
    for message in claimed:
        hold(message, now=now)
    return len(claimed)


def check_back(*, now: datetime) -> int:
    """Asks about half messages whose time has come and decides over them; returns how many it could lock.

    A row that cannot be locked belongs to a local transaction that is still open, or to another sweep: it is left for
    a later round. Under the lock of a row that is still half no local transaction can commit any more without finding
    it decided (see `messaging.services.abort`), so the answer is never guessed.
    """
    due = Message.objects.filter(state=Message.State.HALF, deliver_at__lte=now).order_by("deliver_at", "pk")
    if not due.exists():
        return 0  # the usual case takes no lock
    with transaction.atomic(durable=True):
        halves = list(due.select_for_update(skip_locked=True)[:CHECK_BATCH])
        answers = ask(halves)
        for answer, state in ((Answer.SUBMIT, Message.State.READY), (Answer.ABORT, Message.State.ABORTED)):
            decided = [half.pk for half in halves if answers.get(half.pk) == answer]
            Message.objects.filter(pk__in=decided, state=Message.State.HALF).update(
                state=state, deliver_at=now, checks=F("checks") + 1, lease="", last_error="", updated_at=timezone.now()
            )
        put_off_checks([half for half in halves if answers.get(half.pk, Answer.NOT_YET) is Answer.NOT_YET], now=now)
    return len(halves)


def ask(halves: Sequence[Message]) -> dict[int, Answer]:
    """Asks the check of each topic; a list whose check raises is bisected. Unanswered ones are left out."""
    answers: dict[int, Answer] = {}
    groups: dict[tuple[str, bool], list[Message]] = {}
    for half in halves:
        groups.setdefault((half.topic, check_of(half) is not None), []).append(half)
    for group in groups.values():
        answers |= ask_list(group)
    return answers


def ask_list(halves: Sequence[Message]) -> dict[int, Answer]:
    """Asks about half messages of one topic; notes in `last_error` why one has no answer."""
    check = check_of(halves[0])
    if check is None:
        for half in halves:
            half.last_error = "no check yet"
        return {}
    try:
        with transaction.atomic():
            answers = dict(check(halves))
    except Exception as error:  # noqa: BLE001 (whatever a check raises is this message's, never its neighbours')
        if len(halves) == 1:
            halves[0].last_error = repr(error)[:500]
            return {}
        middle = len(halves) // 2
        return ask_list(halves[:middle]) | ask_list(halves[middle:])
    for answer in answers.values():
        CHECKS.labels(halves[0].topic, answer.value).inc()
    return answers


def put_off_checks(halves: Sequence[Message], *, now: datetime) -> None:
    """Has half messages without a decision asked about again later. After the last check they are dead; those that
    nobody here can be asked about have a day, in which newer code may come."""
    for half in halves:
        has_check = check_of(half) is not None
        half.checks += has_check
        half.deliver_at = now + timedelta(seconds=settings.MESSAGE_CHECK_SECONDS)
        half.updated_at = timezone.now()
        is_over = half.checks >= settings.MESSAGE_CHECKS if has_check else half.created_at < now - UNKNOWN_LIFETIME
        if is_over:
            half.state, half.died_half = Message.State.DEAD, True
            half.last_error = f"the check gave up after {half.checks} times: {half.last_error or 'no answer'}"[:500]
            log.error("message_dead", topic=half.topic, key=half.key, message_id=half.pk, reason=half.last_error)
    fields = ["checks", "deliver_at", "updated_at", "state", "died_half", "last_error"]
    Message.objects.filter(state=Message.State.HALF).bulk_update(halves, fields)


def check_of(half: Message) -> Check | None:
    """Who decides over this half message; None for an unknown topic, or a payload newer than this code."""
    registration = find_registration(half)
    return registration.check if registration else None


def claim(topics: Q, *, limit: int, now: datetime) -> list[Message]:
    """Takes up to `limit` due messages for this caller, the longest waiting first; counts the attempt."""
    due = Message.objects.filter(topics, state=Message.State.READY, deliver_at__lte=now)
    free = due.filter(Q(claimed_until=None) | Q(claimed_until__lt=now)).order_by("deliver_at", "pk")
    if not free.exists():
        return []  # the usual case takes no lock
    lease = secrets.token_hex(16)
    with transaction.atomic():
        keys = list(free.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
        Message.objects.filter(pk__in=keys).update(
            lease=lease,
            claimed_until=now + timedelta(seconds=CLAIM_SECONDS),
            attempts=F("attempts") + 1,
            updated_at=timezone.now(),
        )
    return list(Message.objects.filter(pk__in=keys, lease=lease).order_by("deliver_at", "pk"))


def by_registration(messages: Sequence[Message], *, now: datetime) -> list[tuple[Registration, list[Message]]]:
    """Groups messages by who takes them; those that nobody takes are put off."""
    groups: dict[str, tuple[Registration, list[Message]]] = {}
    for message in messages:
        registration = find_registration(message)
        if registration is None:
            hold(message, now=now)
            continue
        groups.setdefault(message.topic, (registration, []))[1].append(message)
    return list(groups.values())


def deliver_list(registration: Registration, messages: Sequence[Message], *, now: datetime) -> None:
    """Marks and handles a list in one transaction; a list whose handler raises is bisected."""
    try:
        with transaction.atomic(durable=True):
            mark_done(messages)
            registration.handler(messages)
    except LeaseLost:
        log.warning("lease_lost", topic=registration.topic, messages=len(messages))
    except Exception as error:  # noqa: BLE001 (whatever a handler raises is this message's, never its neighbours')
        if len(messages) == 1:
            give_back(registration, messages[0], error, now=now)
            return
        half = len(messages) // 2
        deliver_list(registration, messages[:half], now=now)
        deliver_list(registration, messages[half:], now=now)
    else:
        DELIVERIES.labels(registration.topic, "done").inc(len(messages))


def deliver_one(registration: Registration, message: Message, *, now: datetime | None = None) -> None:
    """Hands one message to a remote receiver, outside of any transaction, then marks it."""
    with request_context(message.headers.get("request_id"), topic=message.topic, message_id=message.pk):
        try:
            registration.handler([message])
            mark_done([message])
        except LeaseLost:
            log.warning("lease_lost", attempts=message.attempts)
        except Exception as error:  # noqa: BLE001 (the sweep outlives every receiver)
            give_back(registration, message, error, now=now or timezone.now())
        else:
            DELIVERIES.labels(registration.topic, "done").inc()


def each_at_once(function: Callable[[Item], object], items: Sequence[Item]) -> None:
    """Calls something slow for each item, at most 8 at once, so that one that hangs holds up few others."""
    if len(items) == 1:
        function(items[0])
        return
    with ThreadPoolExecutor(REMOTE_AT_ONCE, thread_name_prefix="remote") as pool:
        list(pool.map(partial(_in_thread, function), items))


def _in_thread(function: Callable[..., object], *arguments: object) -> None:
    """Runs in a pool's thread, whose database connection nobody else would close."""
    close_old_connections()
    try:
        function(*arguments)
    finally:
        connection.close()


def claimed_rows(messages: Sequence[Message]) -> "QuerySet[Message]":
    """The rows of these messages as long as the claim holds; all of them come from one claim."""
    keys = [message.pk for message in messages]
    return Message.objects.filter(pk__in=keys, lease=messages[0].lease, state=Message.State.READY)


def mark_done(messages: Sequence[Message]) -> None:
    """Marks claimed messages as done. Raises LeaseLost when one of them is no longer ours."""
    marked = claimed_rows(messages).update(
        state=Message.State.DONE, claimed_until=None, last_error="", updated_at=timezone.now()
    )
    if marked != len(messages):
        raise LeaseLost


def give_back(registration: Registration, message: Message, error: Exception, *, now: datetime) -> None:
    """Puts a failed message on the next step of its ladder, or declares it dead."""
    dead = message.attempts > len(registration.ladder)
    DELIVERIES.labels(registration.topic, "dead" if dead else "failed").inc()
    if dead:
        bury(message, f"delivery gave up after {message.attempts} tries: {error!r}")
        return
    wait = registration.ladder[message.attempts - 1]
    log.warning("delivery_failed", topic=message.topic, key=message.key, attempts=message.attempts, error=repr(error))
    claimed_rows([message]).update(
        deliver_at=now + wait, claimed_until=None, last_error=repr(error)[:500], updated_at=timezone.now()
    )


def hold(message: Message, *, now: datetime) -> None:
    """Nobody here takes this message: newer code may, within a day. Being put off is no try, so it costs no step of
    the ladder."""
    held_since = message.headers.setdefault(HELD_SINCE, now.isoformat())
    if datetime.fromisoformat(held_since) < now - UNKNOWN_LIFETIME:
        del message.headers[HELD_SINCE]  # sent again, it has its day again
        bury(message, f"no handler for topic {message.topic!r}, version {version_of(message)!r}, within a day")
        return
    claimed_rows([message]).update(
        deliver_at=now + timedelta(seconds=UNKNOWN_RETRY_SECONDS),
        claimed_until=None,
        attempts=F("attempts") - 1,
        headers=message.headers,
        last_error="no handler yet",
        updated_at=timezone.now(),
    )


def bury(message: Message, reason: str) -> None:
    """Makes a message dead: logged, counted, listed in the admin, and a finding of the audit."""
    log.error("message_dead", topic=message.topic, key=message.key, message_id=message.pk, reason=reason)
    claimed_rows([message]).update(
        state=Message.State.DEAD,
        claimed_until=None,
        headers=message.headers,
        last_error=reason[:500],
        updated_at=timezone.now(),
    )


def purge(*, now: datetime) -> int:
    """Deletes one small step of messages that were finished more than 7 days ago; returns how many."""
    finished = Message.objects.filter(
        state__in=[Message.State.DONE, Message.State.ABORTED], deliver_at__lt=now - KEEP_FINISHED
    )
    keys = list(finished.order_by("deliver_at").values_list("pk", flat=True)[:PURGE_STEP])
    return Message.objects.filter(pk__in=keys).delete()[0] if keys else 0
