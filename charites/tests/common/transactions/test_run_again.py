"""What works at once, and what is run again."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError

from charites.common import transactions
from charites.common.transactions import RETRIES, Limits, Stale, expect_rows, run_set
from charites.tests.common.transactions.names import CUT, DEADLOCK, Names, Time, stored

pytestmark = pytest.mark.django_db(transaction=True)
AGAIN = [
    ("deadlock", DEADLOCK),
    ("lock_wait", OperationalError(1205, "Lock wait timeout exceeded")),
    ("stale", Stale("row")),
    ("stale", OperationalError(1020, "Record has changed")),
    ("cut", CUT),
    ("cut", OperationalError(2006, "Gone away")),
    ("cut", OperationalError(1927, "Connection was killed")),
]


def retries(reason: str) -> float:
    return RETRIES.labels("names", reason)._value.get()


# What works


def test_items_are_done_in_one_transaction_and_answered_one_by_one() -> None:
    names = Names()

    assert run_set(["a", "b"], names) == {"a": "done", "b": "done"}

    assert names.tried == [(["a", "b"], 0)]
    assert (stored(), names.asked_after) == (["a", "b"], [])


def test_items_that_are_answered_before_need_no_transaction() -> None:
    names = Names()
    names.known = {"a": "known"}

    assert run_set(["a", "b"], names) == {"a": "known", "b": "done"}
    assert run_set(["a"], names) == {"a": "known"}

    assert names.tried == [(["b"], 0)]
    assert stored() == ["b"]


# What is run again


@pytest.mark.parametrize(("reason", "error"), AGAIN, ids=[str(error.args[0]) for _, error in AGAIN])
def test_what_gave_way_is_undone_and_run_again_from_the_start(time: Time, reason: str, error: Exception) -> None:
    names, counted = Names(error, error), retries(reason)

    assert run_set(["a", "b"], names) == {"a": "done", "b": "done"}

    assert names.tried == [(["a", "b"], attempt) for attempt in range(3)] == names.asked_before
    assert stored() == ["a", "b"]
    assert (len(time.pauses), retries(reason) - counted) == (2, 2)
    assert names.asked_after == []


def test_update_of_locked_rows_that_misses_some_has_all_of_it_run_again() -> None:
    class Counting(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            done = super().work(items, attempt)
            expect_rows(Group.objects.filter(name__in=items).count() - (not attempt), len(items))
            return done

    names = Counting()

    assert run_set(["a", "b"], names) == {"a": "done", "b": "done"}
    assert (len(names.tried), stored()) == (2, ["a", "b"])


def test_a_second_look_may_answer_what_the_first_try_lost() -> None:
    names = Names(DEADLOCK)
    found = names.before

    def before(items: Sequence[str], attempt: int) -> Mapping[str, str]:
        names.known = {"a": "known"} if attempt else {}
        return found(items, attempt)

    names.before = before  # type: ignore[method-assign]

    assert run_set(["a", "b"], names) == {"a": "known", "b": "done"}
    assert names.tried == [(["a", "b"], 0), (["b"], 1)]


def test_tries_are_bounded_and_end_as_busy_with_nothing_written(time: Time) -> None:
    names = Names(*[DEADLOCK] * 9)

    answers = run_set(["a"], names, Limits(tries=4, seconds=60))

    assert answers == {"a": f"a busy: {DEADLOCK}"}
    assert ([attempt for _, attempt in names.tried], len(time.pauses)) == ([0, 1, 2, 3], 3)
    assert stored() == []


def test_what_was_answered_before_stays_answered_when_the_others_are_busy() -> None:
    names = Names(*[DEADLOCK] * 9)
    names.known = {"a": "known"}

    assert run_set(["a", "b"], names) == {"a": "known", "b": f"b busy: {DEADLOCK}"}


@pytest.mark.parametrize(("seconds", "tries"), [(4.0, 3), (3.0, 3), (2.9, 2), (0, 1)])
def test_no_try_begins_after_the_deadline(time: Time, seconds: float, tries: int) -> None:
    class Slow(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            time.seconds += 1.5
            return super().work(items, attempt)

    names = Slow(*[DEADLOCK] * 9)

    assert run_set(["a"], names, Limits(tries=9, seconds=seconds)) == {"a": f"a busy: {DEADLOCK}"}
    assert len(names.tried) == tries


def test_limits_are_those_of_the_settings(settings: Any) -> None:
    settings.TRANSACTION_TRIES = 2
    names = Names(*[DEADLOCK] * 9)
    run_set(["a"], names)
    assert len(names.tried) == 2

    settings.TRANSACTION_DEADLINE_SECONDS = -1
    hasty = Names(*[DEADLOCK] * 9)
    run_set(["a"], hasty)
    assert len(hasty.tried) == 1


@pytest.mark.parametrize("attempt", [0, 1, 6, 7, 9_999])
def test_pauses_double_up_to_a_bound_and_are_drawn_by_lot(time: Time, attempt: int) -> None:
    longest = 0.002 * 2 ** min(attempt, 6)
    for _ in range(200):
        transactions.pause(attempt)

    assert 0 <= min(time.pauses) < longest / 4
    assert longest * 3 / 4 < max(time.pauses) <= longest


def test_each_pause_is_that_of_its_try(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "random", SimpleNamespace(uniform=lambda low, high: high))

    run_set(["a"], Names(*[DEADLOCK] * 9), Limits(tries=5, seconds=60))

    assert time.pauses == [0.002, 0.004, 0.008, 0.016]


def test_what_must_not_share_a_transaction_is_apart_once_it_is_run_again() -> None:
    class Apart(Names):
        def apart(self, items: Sequence[str]) -> list[Sequence[str]]:
            return [[item] for item in items]

    names = Apart(DEADLOCK)

    assert run_set(["a", "b"], names) == {"a": "done", "b": "done"}
    assert names.tried == [(["a", "b"], 0), (["a"], 1), (["b"], 1)]

    lone = Apart(DEADLOCK)
    assert run_set(["c"], lone) == {"c": "done"}
    assert lone.tried == [(["c"], 0), (["c"], 1)]


def test_what_was_answered_before_stays_answered_when_the_others_are_run_apart() -> None:
    class Apart(Names):
        def apart(self, items: Sequence[str]) -> list[Sequence[str]]:
            return [[item] for item in items]

    names = Apart(DEADLOCK)
    names.known = {"a": "known"}

    assert run_set(["a", "b", "c"], names) == {"a": "known", "b": "done", "c": "done"}
    assert names.tried == [(["b", "c"], 0), (["b"], 1), (["c"], 1)]


def test_halves_and_parts_share_the_tries_of_their_set() -> None:
    class Apart(Names):
        def apart(self, items: Sequence[str]) -> list[Sequence[str]]:
            return [[item] for item in items]

    names = Apart(*[DEADLOCK] * 9)

    answers = run_set(["a", "b"], names, Limits(tries=3, seconds=60))

    assert set(answers) == {"a", "b"}
    assert max(attempt for _, attempt in names.tried) == 2
