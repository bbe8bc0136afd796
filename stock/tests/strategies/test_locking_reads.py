"""Who reads stock with a lock, and when; SQLite has no such reads."""

import pytest
from django.db import OperationalError, connection

from lab.kit.factories import make_stock
from lab.kit.interleaving import Interruption, plain
from lab.kit.participants import NoteParticipant
from stock.moves import confirm, reserve, roll_back
from stock.services import move

pytestmark = [pytest.mark.servers, pytest.mark.django_db]


class Reads:
    """Notes for each SELECT of stock rows whether it locks them."""

    def __init__(self) -> None:
        self.locked: list[bool] = []

    def __call__(self, execute, sql, params, many, context):
        if plain(sql).startswith("SELECT") and " FROM shopping_stock " in plain(sql):
            self.locked.append(sql.endswith("FOR UPDATE"))
        return execute(sql, params, many, context)


def reads_of(moves, *, failures: int = 0) -> list[bool]:
    reads = Reads()
    deadlock = Interruption(OperationalError(1213, "Deadlock"), at="^UPDATE shopping_stock ", times=failures)
    with connection.execute_wrapper(reads), connection.execute_wrapper(deadlock):
        assert all(outcome.done for outcome in move(moves, participant=None))
    return reads.locked


def test_pessimistic_reads_stock_under_lock(settings):
    settings.STOCK_STRATEGY = "pessimistic"
    make_stock(1, 5)

    assert reads_of([reserve(10, {1: 1})]) == [True]


def test_atomic_update_reads_stock_without_a_lock(settings):
    settings.STOCK_STRATEGY = "atomic_update"
    make_stock(1, 5)

    assert reads_of([reserve(10, {1: 1})]) == [False]


def test_atomic_update_reads_stock_under_lock_when_it_is_run_again(settings):
    settings.STOCK_STRATEGY = "atomic_update"
    make_stock(1, 5)

    assert reads_of([reserve(10, {1: 1})], failures=2) == [False, True, True]


@pytest.mark.usefixtures("strategy")
def test_moves_that_take_nothing_read_no_stock_before_their_records():
    make_stock(1, 5)
    move([reserve(10, {1: 1}), reserve(11, {1: 1})], participant=NoteParticipant())

    assert reads_of([confirm(10), roll_back(11)], failures=1) == []
