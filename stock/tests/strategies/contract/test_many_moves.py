"""Many moves in one call: who is served, and who harms nobody."""

import pytest

from lab.kit.factories import counts, make_stock
from lab.kit.participants import POISON, NoteParticipant, Poison, stored_notes
from stock.models import StockRecord
from stock.moves import Move, Outcome, Status, confirm, deduct, reserve, roll_back
from stock.services import move
from stock.tests.strategies.contract.answers import records, statuses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("strategy")]


def test_move_of_a_batch_larger_than_the_stock_serves_the_first_that_fit():
    make_stock(1, 5)

    outcomes = move(
        [reserve(10 + n, {1: pieces}) for n, pieces in enumerate((3, 3, 2, 1))], participant=NoteParticipant()
    )

    assert statuses(outcomes) == [Status.OK, Status.NOT_ENOUGH, Status.OK, Status.NOT_ENOUGH]
    assert counts(1) == (0, 5, 0)
    assert stored_notes() == ["10", "12"]


def test_move_refused_for_one_product_leaves_its_other_goods_to_those_behind():
    make_stock(1, 1)
    make_stock(2, 0)

    outcomes = move([reserve(10, {1: 1, 2: 1}), reserve(11, {1: 1})], participant=NoteParticipant())

    assert statuses(outcomes) == [Status.NOT_ENOUGH, Status.OK]
    assert counts(1) == (0, 1, 0)


def test_move_returns_outcomes_in_the_order_of_the_moves():
    make_stock(1, 10)
    move([reserve(5, {1: 1})], participant=NoteParticipant())
    moves = [
        reserve(30, {1: 1}),
        reserve(20, {1: 99}),
        reserve(5, {1: 1}),
        reserve(40, {9: 1}),
        reserve(15, {1: 1}, payload=POISON),
        reserve(10, {1: 1}),
    ]

    outcomes = move(moves, participant=NoteParticipant())

    assert statuses(outcomes) == [
        Status.OK,
        Status.NOT_ENOUGH,
        Status.REPEATED,
        Status.FAILED,
        Status.FAILED,
        Status.OK,
    ]
    assert counts(1) == (7, 3, 0)


def test_move_of_duplicates_in_one_call_takes_stock_once():
    make_stock(1, 5)
    participant = NoteParticipant()

    outcomes = move([reserve(10, {1: 1}, key=(7, "a")), reserve(11, {1: 1}, key=(7, "a"))], participant=participant)

    assert statuses(outcomes) == [Status.OK, Status.REPEATED]
    assert participant.batches == [[10]]
    assert counts(1) == (4, 1, 0)


def test_move_of_one_order_twice_in_one_call_takes_stock_once():
    make_stock(1, 5)

    outcomes = move([reserve(10, {1: 1}), reserve(10, {1: 1})])

    assert statuses(outcomes) == [Status.OK, Status.REPEATED]
    assert counts(1) == (4, 1, 0)


def test_move_of_a_poisoned_order_among_fifty_harms_no_neighbour():
    make_stock(1, 100)
    moves = [reserve(10 + n, {1: 1}, payload=POISON if n == 33 else None) for n in range(50)]

    outcomes = move(moves, participant=NoteParticipant())

    assert [n for n, outcome in enumerate(outcomes) if outcome.status is not Status.OK] == [33]
    assert outcomes[33].status is Status.FAILED
    assert outcomes[33].error is Poison
    assert counts(1) == (51, 49, 0)
    assert len(records()) == len(stored_notes()) == 49


def test_move_beside_a_poisoned_order_gets_the_piece_that_the_poisoned_one_would_have_had():
    make_stock(1, 1)

    outcomes = move([reserve(10, {1: 1}, payload=POISON), reserve(11, {1: 1})], participant=NoteParticipant())

    assert outcomes[0].status is Status.FAILED
    assert outcomes[1].status in (Status.OK, Status.NOT_ENOUGH)
    assert counts(1)[0] + counts(1)[1] == 1


def test_move_that_violates_a_constraint_fails_alone():
    make_stock(1, 100)
    moves = [reserve(10 + n, {1: 1}) for n in range(8)]
    # Its record is there already, but the participant knows nothing of it.
    StockRecord.objects.create(order_id=13, goods_id=1, num=1, status=StockRecord.Status.ROLLED_BACK)

    outcomes = move(moves, participant=NoteParticipant())

    assert [n for n, outcome in enumerate(outcomes) if outcome.status is Status.FAILED] == [3]
    assert counts(1) == (93, 7, 0)
    assert stored_notes() == ["10", "11", "12", "14", "15", "16", "17"]


class UnsettledParticipant(NoteParticipant):
    """Raises while it answers repeats, for one order."""

    def settle(self, moves: list[Move]) -> dict[Move, Outcome]:
        if any(move.order_id == 11 for move in moves):
            raise Poison
        return super().settle(moves)


def test_move_whose_participant_raises_while_settling_fails_alone():
    make_stock(1, 5)

    outcomes = move([reserve(10 + n, {1: 1}) for n in range(3)], participant=UnsettledParticipant())

    assert statuses(outcomes) == [Status.OK, Status.FAILED, Status.OK]
    assert outcomes[1].error is Poison
    assert counts(1) == (3, 2, 0)


def test_move_of_every_step_in_one_call_does_each():
    make_stock(1, 10)
    move([reserve(10, {1: 1}), reserve(11, {1: 2})], participant=NoteParticipant())
    batch = [confirm(10), roll_back(11), reserve(12, {1: 3}), deduct(13, {1: 4})]

    outcomes = move(batch)

    assert statuses(outcomes) == [Status.OK] * 4
    assert counts(1) == (2, 3, 5)
    assert records() == [(10, 1, 1, 3), (11, 1, 2, 2), (12, 1, 3, 1), (13, 1, 4, 3)]
