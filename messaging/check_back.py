"""The check-back: decides over half messages whose sender was silent, under the locks of their rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from prometheus_client import Counter

from messaging.models import Message
from messaging.registry import Answer, Check, find_registration

log = structlog.get_logger(__name__)

CHECK_BATCH = 200
UNKNOWN_LIFETIME = timedelta(days=1)  # newer code, which knows the topic, may be on its way

CHECKS = Counter("charites_checks", "Half messages asked about.", ["topic", "answer"])


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
        put_off_checks([half for half in halves if half.pk not in answers], now=now)
    for half in halves:
        if half.state == Message.State.DEAD:  # told after COMMIT, when it is so
            log.error("message_dead", topic=half.topic, key=half.key, message_id=half.pk, reason=half.last_error)
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
    fields = ["checks", "deliver_at", "updated_at", "state", "died_half", "last_error"]
    Message.objects.filter(state=Message.State.HALF).bulk_update(halves, fields)


def check_of(half: Message) -> Check | None:
    """Who decides over this half message; None for an unknown topic, or a payload newer than this code."""
    registration = find_registration(half)
    return registration.check if registration else None
