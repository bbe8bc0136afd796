"""Who shares a batch, and what a lost or poisoned one does to each."""

from collections.abc import Sequence

import pytest
from django.db import OperationalError

from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import LostCommit
from lab.kit.participants import POISON, NoteParticipant, Poison
from stock.moves import REPEATED, Move, Outcome, Status, confirm, roll_back
from stock.records import RecordParticipant
from stock.tests.strategies.group_commit.callers import Callers, GatedParticipant, one, statuses

pytestmark = pytest.mark.django_db(transaction=True)

GONE = OperationalError(2013, "Lost connection to server during query")


def test_duplicates_in_the_queue_never_share_a_batch_and_the_later_one_is_repeated(group):
    make_stock(1, 5)

    with Callers(group, GatedParticipant(10)) as callers:
        callers.lead(10)
        waiting = [callers.call(one(11, key="a")), callers.call(one(12)), callers.call(one(13, key="a"))]
        callers.participant.open()

        assert [statuses(caller) for caller in waiting] == [[Status.OK], [Status.OK], [Status.REPEATED]]

    # The later one was answered by the row of the earlier, without a transaction.
    assert callers.participant.batches == [[10], [11, 12]]
    assert counts(1) == (2, 3, 0)


def test_duplicate_of_a_move_that_is_being_committed_waits_and_is_repeated(group):
    make_stock(1, 5)

    with Callers(group, GatedParticipant(10)) as callers:
        callers.lead(10)
        duplicate = callers.call(one(11, key=10))
        callers.participant.open()

        assert duplicate.result() == [REPEATED]

    assert counts(1) == (4, 1, 0)


def test_two_moves_of_one_order_never_share_a_batch(group):
    make_stock(1, 5)

    with Callers(group, GatedParticipant(10)) as callers:
        callers.lead(10)
        waiting = [callers.call(one(11)), callers.call(roll_back(11, goods_ids=[1], payload=None))]
        callers.participant.open()

        assert [len(caller.result()) for caller in waiting] == [1, 1]

    assert [order_ids for order_ids in callers.participant.batches if order_ids.count(11) > 1] == []


def test_moves_with_different_participants_stay_apart_and_in_order(group):
    make_stock(1, 9)
    other = NoteParticipant()

    with Callers(group, GatedParticipant(10)) as callers:
        callers.lead(10)
        participants = [callers.participant, callers.participant, other, callers.participant]
        waiting = [callers.call(one(11 + n), participant=participant) for n, participant in enumerate(participants)]
        callers.participant.open()

        assert [statuses(caller) for caller in waiting] == [[Status.OK]] * 4

    assert (callers.participant.batches, other.batches) == ([[10], [11, 12], [14]], [[13]])


class StepParticipant(GatedParticipant):
    """Keeps no rows: the records say what was done."""

    def settle(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        super().settle(moves)
        return {}

    def write(self, moves: Sequence[Move]) -> list[Move]:
        self.batches.append([move.order_id for move in moves])
        return list(moves)


def test_confirm_and_roll_back_ride_in_the_same_batch_as_reservations(group):
    make_stock(1, 10)
    group.move([one(5, 2), one(6, 3)], RecordParticipant())

    with Callers(group, StepParticipant(10)) as callers:
        callers.lead(10)
        waiting = [callers.call(move) for move in (one(11), confirm(5), roll_back(6, goods_ids=[1]), one(12))]
        callers.participant.open()

        assert [statuses(caller) for caller in waiting] == [[Status.OK]] * 4

    assert callers.participant.batches == [[10], [11, 5, 6, 12]]
    assert counts(1) == (5, 3, 2)


def test_poison_among_fifty_callers_harms_no_neighbour(group):
    make_stock(1, 100)

    with Callers(group, GatedParticipant(10)) as callers:
        callers.lead(10)
        waiting = [callers.call(one(100 + n, payload=POISON if n == 33 else None)) for n in range(50)]
        callers.participant.open()
        outcomes = [caller.result()[0] for caller in waiting]

    assert [n for n, outcome in enumerate(outcomes) if outcome.status is not Status.OK] == [33]
    assert outcomes[33].error is Poison
    assert counts(1) == (50, 50, 0)


class LosingParticipant(GatedParticipant):
    """The reply to the COMMIT of the batch in which order 11 is written is lost."""

    def __init__(self, *order_ids: int, carried_out: bool) -> None:
        super().__init__(*order_ids)
        self._lost = LostCommit(carried_out=carried_out, error=GONE)
        self.found: list[int] = []

    def write(self, moves: Sequence[Move]) -> list[Move]:
        if any(move.order_id == 11 for move in moves):
            self._lost.__enter__()
        return super().write(moves)

    def find(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        self.found += [move.order_id for move in moves]
        return super().find(moves)


@pytest.mark.parametrize(("carried_out", "status"), [(True, Status.OK), (False, Status.BUSY)])
def test_lost_commit_of_a_batch_is_resolved_caller_by_caller(group, carried_out, status):
    make_stock(1, 9)

    with Callers(group, LosingParticipant(10, carried_out=carried_out)) as callers:
        callers.lead(10)
        waiting = [callers.call(one(order_id)) for order_id in (11, 12, 13)]
        callers.participant.open()

        assert [statuses(caller) for caller in waiting] == [[status]] * 3

    assert callers.participant.found == [11, 12, 13]
    assert counts(1) == ((5, 4, 0) if carried_out else (8, 1, 0))
