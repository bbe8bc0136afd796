"""What may stand in what: transactions, calls after COMMIT, answers read after it."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, connection, transaction

from charites.common.errors import NotFound, OutcomeUnknown
from charites.common.transactions import (
    NestedTransaction,
    NoTransaction,
    Undone,
    after_commit,
    outermost,
    reading_the_answer,
    required,
    run,
    run_set,
)
from charites.tests.common.transactions.names import TOO_MANY, Names, make_group, stored

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("call", [lambda: run(make_group, name="one"), lambda: run_set(["a"], Names())])
def test_transaction_that_may_be_run_again_is_refused_inside_another(call: Callable[[], object]) -> None:
    with transaction.atomic(), pytest.raises(NestedTransaction):
        call()

    assert stored() == []


def test_outermost_is_refused_inside_another_and_commits_alone() -> None:
    with transaction.atomic(), pytest.raises(NestedTransaction), outermost():
        raise AssertionError("begun")
    with outermost():
        make_group()
        assert connection.in_atomic_block
    assert not connection.in_atomic_block
    assert stored() == ["a"]


@pytest.mark.django_db(transaction=False)
def test_transaction_of_a_test_case_is_nobodys() -> None:
    assert run(make_group, name="one") == "a"
    with transaction.atomic(), pytest.raises(NestedTransaction):
        run(make_group, name="one")


def test_what_needs_a_transaction_is_refused_without_one() -> None:
    with pytest.raises(NoTransaction):
        required()
    with outermost():
        required()


def test_after_commit_is_called_after_commit_and_its_error_undoes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    called = []

    def call() -> None:
        called.append(stored())
        raise ValueError("told nobody")

    def work() -> str:
        after_commit(call)
        return make_group() if not called else ""

    assert run(work, name="one", find=lambda: Undone.UNKNOWN) == "a"
    assert called == [["a"]]


def test_after_commit_is_not_called_when_nothing_was_committed() -> None:
    called = []

    def work() -> None:
        after_commit(lambda: called.append(1))
        raise NotFound

    with pytest.raises(NotFound):
        run(work, name="one")

    assert called == []


@pytest.mark.parametrize("error", [TOO_MANY, InterfaceError(0, "closed")])
def test_answer_that_cannot_be_read_after_the_commit_is_unknown(error: Exception) -> None:
    with pytest.raises(OutcomeUnknown) as caught, reading_the_answer():
        raise error

    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [NotFound(), IntegrityError("no"), DatabaseError("no")])
def test_other_errors_of_reading_an_answer_are_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, reading_the_answer():
        raise error

    assert caught.value is error
