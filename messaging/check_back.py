"""The check-back: decides over half messages whose sender was silent, under the locks of their rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from prometheus_client import Counter

from charites.common.transactions import Undone, Unit, after_commit, expect_rows, run, run_set
from messaging.events import MESSAGE_DEAD
from messaging.models import Message
from messaging.registry import Answer, Check, find_registration

log = structlog.get_logger(__name__)

CHECK_BATCH = 200
UNKNOWN_LIFETIME = timedelta(days=1)  # newer code, which knows the topic, may be on its way
DECISIONS = {Answer.SUBMIT: Message.State.READY, Answer.ABORT: Message.State.ABORTED}

CHECKS = Counter("charites_checks", "Half messages asked about.", ["topic", "answer"])


def check_back(*, now: datetime) -> int:
    """Asks about half messages whose time has come and decides over them; returns how many it could lock.

    A row that cannot be locked belongs to a local transaction that is still open, or to another sweep: it is left for
    a later round. Under the lock of a row that is still half no local transaction can commit any more without finding
    it decided (see `messaging.services.abort`), so the answer is never guessed.
    """
    keys = list(halves(now).values_list("pk", flat=True)[:CHECK_BATCH])
    if not keys:
        return 0  # the usual case takes no lock
    checking = Checking(now)
    results = run_set(keys, checking)
    raised = [key for key in keys if key in checking.raised]
    late = run(lambda: put_off(lock(raised, now), checking.raised, now=now), name="put_off_checks") if raised else []
    return sum(results.values()) + len(late)


class Checking(Unit[int, bool]):
    """Message ids; whether each could be locked: one that could not is somebody else's, or decided."""

    name = "check_back"

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.raised: dict[int, str] = {}  # why the check of a message gave no answer

    def work(self, keys: Sequence[int], attempt: int) -> Mapping[int, bool]:
        locked = lock(keys, self._now)
        answers = ask(locked)
        for answer, state in DECISIONS.items():
            decided = [half.pk for half in locked if answers.get(half.pk) is answer]
            changed = Message.objects.filter(pk__in=decided, state=Message.State.HALF).update(
                state=state, deliver_at=self._now, checks=F("checks") + 1, lease="", last_error="", updated_at=Now()
            )
            expect_rows(changed, len(decided))
        for half in locked:
            if half.pk in answers:
                after_commit(CHECKS.labels(half.topic, answers[half.pk].value).inc)
        put_off([half for half in locked if half.pk not in answers], {}, now=self._now)
        return dict.fromkeys(keys, False) | {half.pk: True for half in locked}

    def find(self, keys: Sequence[int]) -> None:
        return None  # the next round sees how it ended

    def undone(self, key: int, how: Undone, error: Exception) -> bool:
        if how is Undone.REFUSED:
            self.raised[key] = repr(error)[:500]
        else:
            log.warning("check_back_undone", message_id=key, how=how.value, error=repr(error))
        return False


def halves(now: datetime) -> QuerySet[Message]:
    """Half messages whose time has come, the longest waiting first."""
    return Message.objects.filter(state=Message.State.HALF, deliver_at__lte=now).order_by("deliver_at", "pk")


def lock(keys: Sequence[int], now: datetime) -> list[Message]:
    """Locks those of the messages that are still half, due, and nobody else's at this moment."""
    return list(halves(now).filter(pk__in=keys).select_for_update(skip_locked=True))


def ask(locked: Sequence[Message]) -> dict[int, Answer]:
    """Asks the check of each topic. Raises what a check raises; those that nobody can be asked about are left out."""
    groups: dict[Check, list[Message]] = {}
    for half in locked:
        if check := check_of(half):
            groups.setdefault(check, []).append(half)
    answers: dict[int, Answer] = {}
    for check, group in groups.items():
        answers |= check(group)
    return answers


def put_off(undecided: list[Message], raised: Mapping[int, str], *, now: datetime) -> list[Message]:
    """Has locked half messages asked about again later. After the last check they are dead; those that nobody here can
    be asked about have a day, in which newer code may come. `raised`: why the check of some gave no answer."""
    for half in undecided:
        has_check = check_of(half) is not None
        half.last_error = raised.get(half.pk, "no answer") if has_check else "no check yet"
        half.checks += has_check
        half.deliver_at = now + timedelta(seconds=settings.MESSAGE_CHECK_SECONDS)
        is_over = half.checks >= settings.MESSAGE_CHECKS if has_check else half.created_at < now - UNKNOWN_LIFETIME
        if is_over:
            half.state, half.died_half = Message.State.DEAD, True
            given_up = (
                f"the check gave up after {half.checks} times" if has_check else "nobody could be asked for a day"
            )
            half.last_error = f"{given_up}: {half.last_error}"[:500]
            after_commit(partial(tell_dead, half))
        half.updated_at = now
    fields = ["checks", "deliver_at", "updated_at", "state", "died_half", "last_error"]
    changed = Message.objects.filter(state=Message.State.HALF).bulk_update(undecided, fields)
    expect_rows(changed, len(undecided))
    return undecided


def tell_dead(half: Message) -> None:
    """Says so when it is so."""
    MESSAGE_DEAD.tell(str(half.pk), half.topic, half.key, half.last_error)


def check_of(half: Message) -> Check | None:
    """Who decides over this half message; None for an unknown topic, or a payload newer than this code."""
    registration = find_registration(half)
    return registration.check if registration else None
