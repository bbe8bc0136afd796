"""A COMMIT without a reply."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction

from charites.common.transactions import Limits, outermost, run_set
from charites.tests.common.transactions.names import CUT, DEADLOCK, TOO_MANY, Names, Time, stored
from lab.kit.interleaving import Interruption, LostCommit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("error", [CUT, DEADLOCK, IntegrityError("at commit")])
@pytest.mark.parametrize(("carried_out", "told"), [(True, "found"), (False, "a busy: {}")])
def test_commit_without_a_reply_is_resolved_by_reading_and_never_run_again(
    time: Time, error: Exception, carried_out: bool, told: str
) -> None:
    names = Names()

    with LostCommit(carried_out=carried_out, error=error):
        answers = run_set(["a"], names)

    assert answers == {"a": told.format(error)}
    assert (names.tried, names.asked_after) == ([(["a"], 0)], [["a"]])
    assert (stored(), time.pauses) == (["a"] if carried_out else [], [])


def test_each_item_of_a_lost_commit_gets_its_own_answer() -> None:
    Group.objects.create(name="b")
    names = Names()
    names.known = {"c": "known"}
    names.work = lambda items, attempt: dict.fromkeys(items, "done")  # type: ignore[method-assign]

    with LostCommit(carried_out=False, error=CUT):
        answers = run_set(["a", "b", "c"], names)

    assert answers == {"a": f"a busy: {CUT}", "b": "found", "c": "known"}
    assert names.asked_after == [["a", "b"]]


def test_commit_that_nobody_can_look_up_is_unknown() -> None:
    names = Names()
    names.can_find = False

    with LostCommit(carried_out=True, error=CUT):
        assert run_set(["a"], names) == {"a": f"a unknown: {CUT}"}

    assert names.asked_after == []


def test_look_after_a_lost_commit_is_repeated_while_the_database_is_away(time: Time) -> None:
    names = Names()
    away = Interruption(TOO_MANY, at="SELECT .*auth_group", times=2)

    with LostCommit(carried_out=True, error=CUT), connection.execute_wrapper(away):
        assert run_set(["a"], names) == {"a": "found"}

    assert (len(names.asked_after), len(time.pauses)) == (3, 2)


@pytest.mark.parametrize("problem", [TOO_MANY, IntegrityError("whatever it is")])
def test_database_that_stays_away_leaves_it_unknown_after_as_many_looks(time: Time, problem: Exception) -> None:
    names = Names()
    away = Interruption(problem, at="SELECT .*auth_group", times=99)

    with LostCommit(carried_out=True, error=CUT), connection.execute_wrapper(away):
        assert run_set(["a"], names, Limits(tries=3, seconds=60)) == {"a": f"a unknown: {CUT}"}

    assert (len(names.asked_after), len(time.pauses)) == (3, 3)


@pytest.mark.parametrize(("seconds", "looks"), [(4.0, 3), (3.0, 3), (2.9, 2)])
def test_looks_after_a_lost_commit_end_at_the_deadline(time: Time, seconds: float, looks: int) -> None:
    class Slow(Names):
        def find(self, items: Sequence[str]) -> Mapping[str, str] | None:
            time.seconds += 1.5
            self.asked_after.append(list(items))
            raise TOO_MANY

    names = Slow()

    with LostCommit(carried_out=True, error=CUT):
        assert run_set(["a"], names, Limits(tries=99, seconds=seconds)) == {"a": f"a unknown: {CUT}"}

    assert len(names.asked_after) == looks


def test_look_whose_own_commit_is_lost_is_repeated() -> None:
    names = Names()

    with LostCommit(carried_out=True, error=CUT, times=2):
        assert run_set(["a"], names) == {"a": "found"}

    assert len(names.asked_after) == 2


def test_error_of_a_hook_after_commit_does_not_undo_what_is_done() -> None:
    class Hooked(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            transaction.on_commit(lambda: (_ for _ in ()).throw(ValueError("hook")))
            return super().work(items, attempt)

    names = Hooked()

    assert run_set(["a"], names) == {"a": "found"}
    assert (len(names.tried), stored()) == (1, ["a"])


def test_error_that_comes_after_the_transaction_is_no_refusal() -> None:
    """Such as a lock in Redis that cannot be given back."""

    class Around(Names):
        @staticmethod
        @contextmanager
        def begin() -> Iterator[None]:
            with outermost():
                yield
            raise ConnectionError("lock")

    names = Around()

    assert run_set(["a"], names) == {"a": "found"}
    assert stored() == ["a"]
