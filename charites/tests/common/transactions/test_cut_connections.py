"""Connections that are cut for real: by an operator, between two statements."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection

from charites.common import transactions
from charites.common.errors import NotFound
from charites.common.transactions import run_set
from charites.tests.common.transactions.names import CUT, TOO_MANY, Names, Time, stored
from lab.kit.interleaving import Interruption, LostCommit

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]


def cut_connection() -> None:
    with connection.cursor() as cursor, suppress(OperationalError):
        cursor.execute("KILL CONNECTION CONNECTION_ID()")


def test_a_connection_that_is_cut_during_the_search_is_left_behind() -> None:
    class Cut(Names):
        def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            if attempt:
                cut_connection()
                stored()
            return {}

    (answer,) = run_set(["a"], Cut(bad={"a": NotFound()})).values()

    assert answer.startswith("a busy: (20")
    assert stored() == []


def test_a_connection_that_is_cut_before_the_first_statement_is_opened_again() -> None:
    class Cut(Names):
        def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            if not attempt:
                cut_connection()
            stored()
            return super().before(items, attempt)

    names = Cut()

    assert run_set(["a"], names) == {"a": "done"}
    assert names.tried == [(["a"], 1)]


def test_a_connection_that_is_cut_between_two_looks_after_a_lost_commit_is_opened_again(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names()
    away = Interruption(TOO_MANY, at="SELECT .*auth_group", times=1)

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if len(time.pauses) == 1:
            cut_connection()

    monkeypatch.setattr(transactions.time, "sleep", sleep)

    with LostCommit(carried_out=True, error=CUT), connection.execute_wrapper(away):
        assert run_set(["a"], names) == {"a": "found"}

    assert len(names.asked_after) == 2
    assert len(time.pauses) == 2  # the look between could not even begin


def test_a_connection_that_is_cut_before_commit_is_opened_again() -> None:
    class Cut(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            if not attempt:
                Group.objects.create(name="of the first try")
                cut_connection()
            return super().work(items, attempt)

    names = Cut()

    assert run_set(["a"], names) == {"a": "done"}
    assert ([attempt for _, attempt in names.tried], stored()) == ([0, 1], ["a"])
