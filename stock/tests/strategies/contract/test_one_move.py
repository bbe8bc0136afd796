"""One move: enough stock, too little, no row, a repeated key; and the statements that it is written with."""

import re

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from charites.common.transactions import NestedTransaction
from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import Parked, plain
from lab.kit.participants import LEFT_OUT, NoteParticipant, stored_notes
from stock.errors import NotEnoughStock, StockNotFound
from stock.moves import OK, REPEATED, Outcome, Status, confirm, reserve
from stock.services import move
from stock.strategies import get_strategy
from stock.tests.strategies.contract.answers import records, statuses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("strategy")]


# One move


def test_move_with_enough_stock_takes_it_and_stores_the_participants_row():
    make_stock(1, 5)

    outcomes = move([reserve(10, {1: 2})], participant=NoteParticipant())

    assert outcomes == [Outcome(Status.OK)]
    assert counts(1) == (3, 2, 0)
    assert records() == [(10, 1, 2, 1)]
    assert stored_notes() == ["10"]


def test_move_of_the_last_pieces_leaves_zero():
    make_stock(1, 2)

    assert statuses(move([reserve(10, {1: 2})], participant=NoteParticipant())) == [Status.OK]

    assert counts(1) == (0, 2, 0)


def test_move_with_too_little_stock_is_refused_and_writes_nothing():
    make_stock(1, 1)

    outcome = move([reserve(10, {1: 2})], participant=NoteParticipant())[0]

    assert outcome.status is Status.NOT_ENOUGH
    assert outcome.error is NotEnoughStock
    assert outcome.details == {"goods_id": 1, "requested": 2, "available": 1}
    assert (counts(1), records(), stored_notes()) == ((1, 0, 0), [], [])


def test_move_of_goods_without_a_stock_row_fails_with_stock_not_found():
    outcome = move([reserve(10, {1: 2})], participant=NoteParticipant())[0]

    assert outcome.status is Status.FAILED
    assert outcome.error is StockNotFound
    assert (records(), stored_notes()) == ([], [])


def test_move_of_several_goods_takes_all_of_them():
    make_stock(1, 5)
    make_stock(2, 5)

    move([reserve(10, {2: 1, 1: 2})], participant=NoteParticipant())

    assert (counts(1), counts(2)) == ((3, 2, 0), (4, 1, 0))
    assert records() == [(10, 1, 2, 1), (10, 2, 1, 1)]


def test_move_with_one_product_short_takes_none_of_them():
    make_stock(1, 5)
    make_stock(2, 0)

    outcomes = move([reserve(10, {1: 1, 2: 1})], participant=NoteParticipant())

    assert statuses(outcomes) == [Status.NOT_ENOUGH]
    assert (counts(1), counts(2)) == ((5, 0, 0), (0, 0, 0))
    assert (records(), stored_notes()) == ([], [])


def test_move_of_a_repeated_key_is_answered_without_any_effect():
    make_stock(1, 5)
    move([reserve(10, {1: 2}, key=(7, "a"))], participant=NoteParticipant())
    participant = NoteParticipant()

    outcomes = move([reserve(11, {1: 2}, key=(7, "a"))], participant=participant)

    assert outcomes == [REPEATED]
    assert participant.batches == []
    assert counts(1) == (3, 2, 0)


@pytest.mark.django_db(transaction=True)
def test_move_whose_key_took_the_last_piece_since_it_was_looked_up_is_a_repeat(strategy):
    """ "Not enough" would be untrue for a caller who asks again: the call before has the piece."""
    make_stock(1, 1)
    ours, again = (reserve(order_id, {1: 1}, key="k") for order_id in (10, 11))
    if strategy.name == "redis_lock":
        strategy = get_strategy("atomic_update")  # two that want the same goods stand in line before they look

    with Parked(lambda: strategy.move([again], NoteParticipant()), at="FROM auth_group", after=True) as parked:
        assert move([ours], participant=NoteParticipant()) == [OK]
        assert parked.go() == [REPEATED]

    assert (counts(1), stored_notes()) == ((0, 1, 0), ["k"])


def test_move_inside_a_transaction_is_refused_and_does_nothing():
    make_stock(1, 5)

    with transaction.atomic(), pytest.raises(NestedTransaction):
        move([reserve(10, {1: 2})], participant=NoteParticipant())

    assert (counts(1), records(), stored_notes()) == ((5, 0, 0), [], [])


@pytest.mark.django_db(transaction=True)
def test_move_inside_the_outermost_transaction_is_refused_too():
    make_stock(1, 5)

    with transaction.atomic(), pytest.raises(NestedTransaction):
        move([reserve(10, {1: 2})], participant=NoteParticipant())

    assert counts(1) == (5, 0, 0)


def test_move_of_nothing_returns_nothing():
    assert move([], participant=NoteParticipant()) == []


def test_move_that_the_participant_leaves_out_is_answered_as_repeated_and_moves_no_stock():
    make_stock(1, 5)

    outcomes = move([reserve(10, {1: 2}, payload=LEFT_OUT), reserve(11, {1: 1})], participant=NoteParticipant())

    assert outcomes == [REPEATED, Outcome(Status.OK)]
    assert counts(1) == (4, 1, 0)
    assert records() == [(11, 1, 1, 1)]


# How it is written


def test_move_writes_rows_first_and_then_each_stock_row_once_in_order_of_goods(strategy):
    for goods_id in (1, 2, 3):
        make_stock(goods_id, 10)
    moves = [reserve(10, {3: 1, 2: 1}), reserve(11, {2: 1, 1: 1}), reserve(12, {3: 1, 1: 1})]

    with CaptureQueriesContext(connection) as captured:
        move(moves, participant=NoteParticipant())

    statements = [plain(query["sql"]) for query in captured if "SAVEPOINT" not in query["sql"]]
    writes = [sql for sql in statements if sql.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert [sql.split(" ")[2] for sql in writes[:2]] == ["auth_group", "shopping_stock_record"]
    goods = [re.findall(r"goods_id = (\d+)|\[(\d+),-?\d+,-?\d+,-?\d+\]", sql) for sql in writes[2:]]
    assert [int(one or other) for of_statement in goods for one, other in of_statement] == [1, 2, 3]
    assert all(" SET num = " in sql for sql in writes[2:])
    assert len(writes[2:]) == (3 if strategy.name in ("optimistic", "redis_lock") else 1)
    assert [counts(goods_id) for goods_id in (1, 2, 3)] == [(8, 2, 0)] * 3


def test_move_raises_the_version_of_every_row_that_it_changes(django_assert_num_queries):
    from stock.models import Stock  # noqa: PLC0415

    make_stock(1, 10)
    make_stock(2, 10)
    before = dict(Stock.objects.values_list("goods_id", "version"))

    move([reserve(10, {1: 1})])
    move([confirm(10)])

    after = dict(Stock.objects.values_list("goods_id", "version"))
    assert after == {1: before[1] + 2, 2: before[2]}


def test_move_of_fifty_orders_sends_no_more_statements_than_of_two():
    make_stock(1, 1000)

    def statements(first: int, number: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            move([reserve(first + n, {1: 1}) for n in range(number)], participant=NoteParticipant())
        return len(captured)

    assert statements(100, 50) == statements(200, 2)
