"""The negative control: what is wrong oversells here. A suite in which it did not would prove nothing of the others."""

from collections import Counter

import pytest
from django.db.models import Sum

from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import Parked
from lab.kit.participants import NoteParticipant, stored_notes
from lab.kit.racing import order, race
from lab.kit.stock_steps import confirm_stock, reserve_stock, roll_back_stock
from stock.models import StockRecord
from stock.moves import Status, reserve
from stock.services import move

pytestmark = pytest.mark.django_db(transaction=True)

# BEGIN IMMEDIATE lets one writer in at a time, so `transaction` happens to be exact on SQLite.
UNSAFE = ["naive", pytest.param("transaction", marks=pytest.mark.servers)]


def taken() -> int:
    """Pieces that accepted orders hold."""
    return StockRecord.objects.aggregate(sum=Sum("num"))["sum"] or 0


@pytest.mark.long
@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_strategy_raced_by_processes_oversells(worker_environment, name):
    make_stock(1, 40)
    orders = [order(1000 + n, {1: 1}) for n in range(200)]

    answers = Counter(race(worker_environment, [name], orders).values())

    assert answers["ok"] > 40
    assert taken() == answers["ok"]
    assert counts(1)[0] >= 0  # the column shows nothing


@pytest.mark.unguarded_stock_sql
@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_strategy_between_its_read_and_its_write_sells_the_last_piece_twice(settings, name):
    settings.STOCK_STRATEGY = name
    make_stock(1, 1)

    def buy(order_id: int) -> Status:
        return move([reserve(order_id, {1: 1})], participant=NoteParticipant())[0].status

    with Parked(lambda: buy(10), at="UPDATE shopping_stock ") as slow:
        fast = buy(11)
        assert slow.go() is Status.OK

    assert fast is Status.OK
    assert taken() == 2
    assert counts(1) == (0, 1, 0)
    assert stored_notes() == ["10", "11"]


@pytest.mark.unguarded_stock_sql
@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_strategy_alone_counts_right(settings, name):
    settings.STOCK_STRATEGY = name
    make_stock(1, 5)

    reserve_stock(order_id=10, quantities={1: 2})
    reserve_stock(order_id=11, quantities={1: 1})
    confirm_stock(order_id=10)
    roll_back_stock(order_id=11, goods_ids=[1])

    assert counts(1) == (3, 0, 2)
