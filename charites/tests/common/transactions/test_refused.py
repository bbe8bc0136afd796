"""What is not run again."""

from collections.abc import Mapping, Sequence

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, InterfaceError, OperationalError

from charites.common.errors import NotFound
from charites.common.transactions import Undone, Unit, run_set
from charites.tests.common.transactions.names import CUT, DEADLOCK, NO_SUCH_VALUE, TOO_MANY, Names, Time, stored

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("error", [TOO_MANY, InterfaceError(0, "closed"), OperationalError()])
def test_an_outage_that_is_no_reason_to_try_again_is_busy_for_all(time: Time, error: Exception) -> None:
    names = Names(*[error] * 9)

    assert run_set(["a", "b"], names) == {item: f"{item} busy: {error}" for item in "ab"}
    assert (names.tried, time.pauses, stored()) == ([(["a", "b"], 0)], [], [])


@pytest.mark.parametrize("error", [NotFound(), IntegrityError("no"), NO_SUCH_VALUE, ValueError("no")])
def test_what_its_work_raises_is_refused_and_not_called_busy(time: Time, error: Exception) -> None:
    names = Names(bad={"a": error})

    assert run_set(["a"], names) == {"a": f"a refused: {error}"}
    assert (names.tried, time.pauses, stored()) == ([(["a"], 0)], [], [])


def test_one_that_spoils_the_batch_is_found_and_the_others_are_done() -> None:
    names = Names(bad={"d": NotFound()})

    answers = run_set(list("abcde"), names)

    assert answers == {**dict.fromkeys("abce", "done"), "d": f"d refused: {NotFound()}"}
    assert [items for items, _ in names.tried] == [
        list("abcde"),
        ["a", "b"],
        ["c", "d", "e"],
        ["c"],
        ["d", "e"],
        ["d"],
        ["e"],
    ]
    assert stored() == list("abce")


def test_error_of_one_does_not_drag_along_what_the_batches_around_it_raised() -> None:
    class Raising(Unit[str, BaseException | None]):
        name = "raising"

        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, BaseException | None]:
            raise NotFound

        def undone(self, item: str, how: Undone, error: Exception) -> BaseException | None:
            return error.__context__

    assert run_set(list("abcdefgh"), Raising()) == dict.fromkeys("abcdefgh")


def test_each_of_several_that_spoil_a_batch_gets_its_own_error() -> None:
    names = Names(bad={"a": NotFound(), "c": ValueError("c")})

    answers = run_set(list("abc"), names)

    assert answers == {"a": f"a refused: {NotFound()}", "b": "done", "c": "c refused: c"}


def test_what_was_answered_before_stays_answered_when_the_others_are_bisected() -> None:
    names = Names(bad={"b": NotFound()})
    names.known = {"a": "known"}

    assert run_set(list("abc"), names) == {"a": "known", "b": f"b refused: {NotFound()}", "c": "done"}


def test_the_late_one_of_two_duplicates_gets_the_answer_of_the_first() -> None:
    """Somebody else stores the name between the look before and the insert."""

    class Late(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            self.known = {"a": "known"}
            return super().work(items, attempt)

    names = Late(bad={"a": IntegrityError("duplicate")})

    assert run_set(["a"], names) == {"a": "known"}
    assert names.asked_before == [(["a"], 0), (["a"], 1)]


@pytest.mark.parametrize(("problem", "how"), [(DEADLOCK, "busy"), (TOO_MANY, "busy"), (ValueError("no"), "refused")])
def test_a_look_after_the_search_that_fails_is_answered_by_its_own_error(problem: Exception, how: str) -> None:
    class Blind(Names):
        def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            if attempt:
                raise problem
            return {}

    assert run_set(["a"], Blind(bad={"a": NotFound()})) == {"a": f"a {how}: {problem}"}


def test_a_look_before_that_finds_the_database_away_is_tried_again_like_work() -> None:
    class Blind(Names):
        def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            if not attempt:
                raise CUT
            return {}

    names = Blind()

    assert run_set(["a"], names) == {"a": "done"}
    assert names.tried == [(["a"], 1)]


@pytest.mark.parametrize(("problem", "how"), [(CUT, "busy"), (ValueError("no"), "refused")])
def test_a_look_before_that_never_works_is_answered_by_its_own_error(problem: Exception, how: str) -> None:
    class Blind(Names):
        def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            raise problem

    assert run_set(["a", "b"], Blind()) == {item: f"{item} {how}: {problem}" for item in "ab"}


def test_work_that_swallows_an_error_of_the_database_is_not_called_done() -> None:
    """Django would roll back without a word."""

    class Swallowing(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            done = super().work(items, attempt)
            try:
                Group(name="there").save(force_insert=True)
            except IntegrityError:
                return done
            raise AssertionError("it was not there")

    Group.objects.create(name="there")

    (answer,) = run_set(["a"], Swallowing()).values()

    assert answer.startswith("a refused: ")
    assert stored() == ["there"]
