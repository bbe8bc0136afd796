"""The runner with one thing to do."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError

from charites.common.errors import Busy, NotFound, OutcomeUnknown
from charites.common.transactions import Undone, run
from charites.tests.common.transactions.names import CUT, DEADLOCK, NO_SUCH_VALUE, make_group, stored
from lab.kit.interleaving import Interruption, LostCommit

pytestmark = pytest.mark.django_db(transaction=True)


def test_run_returns_what_its_work_returns() -> None:
    assert run(make_group, name="one") == "a"
    assert stored() == ["a"]


@pytest.mark.parametrize("error", [NotFound(), IntegrityError("no"), NO_SUCH_VALUE, KeyError("k")])
def test_run_raises_the_very_error_of_its_work_and_writes_nothing(error: Exception) -> None:
    def work() -> None:
        make_group()
        raise error

    with pytest.raises(type(error)) as caught:
        run(work, name="one")

    assert caught.value is error
    assert stored() == []


def test_run_whose_work_would_be_rolled_back_without_a_word_is_refused() -> None:
    def work() -> str:
        transaction.set_rollback(True)
        return make_group()

    with pytest.raises(TransactionManagementError):
        run(work, name="one")

    assert stored() == []


def test_run_that_gave_way_too_often_is_busy_because_of_that() -> None:
    with connection.execute_wrapper(Interruption(DEADLOCK, at="INSERT", times=99)), pytest.raises(Busy) as caught:
        run(make_group, name="one")

    assert caught.value.__cause__ is DEADLOCK


def found() -> str:
    return "found"


@pytest.mark.parametrize(
    ("find", "told"), [(found, "found"), (lambda: Undone.BUSY, Busy), (lambda: Undone.UNKNOWN, OutcomeUnknown)]
)
def test_run_whose_commit_is_lost_asks_its_find(find: Callable[[], Any], told: Any) -> None:
    with LostCommit(carried_out=True, error=CUT):
        if told == "found":
            assert run(make_group, name="one", find=find) == told
            return
        with pytest.raises(told) as caught:
            run(make_group, name="one", find=find)

    assert caught.value.__cause__ is CUT


def test_run_without_a_find_is_unknown_when_its_commit_is_lost() -> None:
    with LostCommit(carried_out=True, error=CUT), pytest.raises(OutcomeUnknown) as caught:
        run(make_group, name="one")

    assert caught.value.__cause__ is CUT


def test_run_whose_find_finds_nothing_in_words_is_not_taken_for_busy() -> None:
    with LostCommit(carried_out=True, error=CUT):
        assert run(make_group, name="one", find=lambda: None) is None
