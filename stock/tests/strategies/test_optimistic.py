"""The version in the WHERE, and what happens when it keeps changing."""

import itertools
from types import SimpleNamespace

import pytest
from django.db import connection

from charites.common import transactions
from charites.common.transactions import Stale
from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import Interruption, plain
from lab.kit.participants import NoteParticipant, stored_notes
from lab.kit.stock_steps import confirm_stock, reserve_stock, roll_back_stock
from stock.errors import StockContended
from stock.models import Stock
from stock.moves import Status, reserve
from stock.services import move
from stock.strategies import get_strategy

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _optimistic(settings) -> None:
    settings.STOCK_STRATEGY = "optimistic"


class OvertakingBuyer:
    """Somebody else's committed change right before each of the first `times` versioned UPDATEs.

    It is shown to the strategy as another version in the WHERE, for what shares its transaction is undone with it.
    """

    def __init__(self, times: int) -> None:
        self._times = times
        self.reads: list[str] = []
        self.writes = 0

    def __call__(self, execute, sql, params, many, context):
        if plain(sql).startswith("SELECT") and " FROM shopping_stock " in plain(sql):
            self.reads.append(plain(sql))
        if plain(sql).startswith("UPDATE shopping_stock "):
            self.writes += 1
            if self.writes <= self._times:
                params = (*params[:-1], params[-1] - 1)
        return execute(sql, params, many, context)


def test_update_carries_the_version_that_was_read():
    make_stock(1, 5)
    seen = []

    def note(execute, sql, params, many, context):
        seen.append((plain(sql), params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        reserve_stock(order_id=10, quantities={1: 2})

    update, params = next(item for item in seen if item[0].startswith("UPDATE shopping_stock "))
    assert update.removesuffix(" RETURNING num").endswith("WHERE goods_id = %s AND version = %s")
    assert tuple(params[-2:]) == (1, 1)


def test_each_try_begins_with_a_fresh_read_in_a_fresh_transaction():
    make_stock(1, 5)
    participant, others = NoteParticipant(), OvertakingBuyer(times=3)

    with connection.execute_wrapper(others):
        outcomes = move([reserve(10, {1: 2})], participant=participant)

    assert [outcome.status for outcome in outcomes] == [Status.OK]
    assert participant.batches == [[10]] * 4
    assert len(others.reads) == others.writes == 4
    assert counts(1) == (3, 2, 0)


def test_stock_that_changes_until_the_deadline_is_busy_with_its_own_code_and_nothing_is_taken(settings, monkeypatch):
    settings.STOCK_OPTIMISTIC_DEADLINE_SECONDS = 5
    seconds = itertools.count()  # each look at the clock takes one
    monkeypatch.setattr(transactions, "time", SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None))
    make_stock(1, 5)
    others = OvertakingBuyer(times=100_000)

    with connection.execute_wrapper(others):
        outcome = move([reserve(10, {1: 2})], participant=NoteParticipant())[0]

    assert outcome.status is Status.BUSY
    assert outcome.error is StockContended
    assert outcome.error.code == 40010009
    assert others.writes == 6
    assert (counts(1), stored_notes()) == ((5, 0, 0), [])


def test_tries_are_not_counted(settings):
    settings.TRANSACTION_TRIES = 1
    make_stock(1, 5)

    with connection.execute_wrapper(OvertakingBuyer(times=5)):
        reserve_stock(order_id=10, quantities={1: 2})

    assert counts(1) == (3, 2, 0)


def test_error_of_the_database_is_not_called_contention(settings):
    from django.db import OperationalError  # noqa: PLC0415

    make_stock(1, 5)
    full = Interruption(OperationalError(1040, "Too many connections"), at="auth_group", times=1000)

    with connection.execute_wrapper(full):
        outcome = move([reserve(10, {1: 2})], participant=NoteParticipant())[0]

    assert outcome.error.code == 40010001


@pytest.mark.unguarded_stock_sql
@pytest.mark.parametrize("last", [32_766, 65_534])
def test_version_goes_on_past_what_small_columns_hold(last):
    make_stock(1, 10)
    Stock.objects.filter(goods_id=1).update(version=last)

    for order_id in (10, 11, 12):
        reserve_stock(order_id=order_id, quantities={1: 1})

    assert counts(1) == (7, 3, 0)
    assert Stock.objects.get(goods_id=1).version == last + 3


@pytest.mark.parametrize(
    "end", [lambda: confirm_stock(order_id=10), lambda: roll_back_stock(order_id=10, goods_ids=[1])]
)
def test_end_of_a_reservation_raises_the_version_so_that_a_reader_notices(end):
    make_stock(1, 10)
    reserve_stock(order_id=10, quantities={1: 1})
    before = Stock.objects.get(goods_id=1).version

    end()

    assert Stock.objects.get(goods_id=1).version == before + 1


def test_strategy_gives_its_own_error_for_stale_readings_only():
    assert get_strategy("optimistic").gave_up.error.code == 40010009
    assert transactions.reason_to_retry(Stale(1)) == "stale"
