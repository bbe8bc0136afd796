"""Moves that the database interrupts, and COMMITs without a reply."""

import re

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection
from django.db.models import F

from charites.common.errors import OutcomeUnknown
from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import Interruption, LostCommit, plain
from lab.kit.participants import NoteParticipant, stored_notes
from stock.models import Stock
from stock.moves import Status, confirm, deduct, reserve, roll_back
from stock.services import move
from stock.tests.strategies.contract.answers import records, statuses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("strategy")]

STOCK_UPDATE = r"^UPDATE .*\bshopping_stock\b"
GONE = OperationalError(2013, "Lost connection to server during query")


# Run again


@pytest.mark.parametrize("number", [1213, 1205, 1020, 2006, 2013])
def test_move_interrupted_by_the_database_is_run_again_as_a_whole(number):
    make_stock(1, 5)
    participant = NoteParticipant()
    interruption = Interruption(OperationalError(number, "try again"), at=STOCK_UPDATE, times=2)

    with connection.execute_wrapper(interruption):
        outcomes = move([reserve(10, {1: 2}), reserve(11, {1: 1})], participant=participant)

    assert statuses(outcomes) == [Status.OK, Status.OK]
    assert participant.batches == [[10, 11]] * 3
    assert counts(1) == (2, 3, 0)
    assert records() == [(10, 1, 2, 1), (11, 1, 1, 1)]


def test_move_interrupted_for_ever_gives_up_as_busy_and_leaves_nothing(settings, strategy):
    make_stock(1, 5)
    # optimistic counts seconds instead of tries.
    settings.TRANSACTION_TRIES, settings.STOCK_OPTIMISTIC_DEADLINE_SECONDS = 3, -1.0
    tries = 1 if strategy.name == "optimistic" else 3
    interruption = Interruption(OperationalError(1213, "Deadlock found"), at=STOCK_UPDATE, times=1000)

    with connection.execute_wrapper(interruption):
        outcomes = move([reserve(10, {1: 2})], participant=NoteParticipant())

    assert statuses(outcomes) == [Status.BUSY]
    assert interruption.seen == tries
    assert (counts(1), records(), stored_notes()) == ((5, 0, 0), [], [])


def test_move_past_its_deadline_is_not_tried_again(settings):
    make_stock(1, 5)
    settings.TRANSACTION_DEADLINE_SECONDS = settings.STOCK_OPTIMISTIC_DEADLINE_SECONDS = -1.0
    interruption = Interruption(OperationalError(1213, "Deadlock found"), at=STOCK_UPDATE)

    with connection.execute_wrapper(interruption):
        outcomes = move([reserve(10, {1: 2})], participant=NoteParticipant())

    assert statuses(outcomes) == [Status.BUSY]
    assert interruption.seen == 1
    assert counts(1) == (5, 0, 0)


def test_move_refused_by_an_overloaded_database_is_busy_at_once():
    make_stock(1, 5)
    interruption = Interruption(OperationalError(1040, "Too many connections"), at="auth_group", times=1000)

    with connection.execute_wrapper(interruption):
        outcomes = move([reserve(10, {1: 2})], participant=NoteParticipant())

    assert statuses(outcomes) == [Status.BUSY]
    assert interruption.seen == 1
    assert counts(1) == (5, 0, 0)


def test_move_of_mixed_steps_after_a_deadlock_does_each_of_them_once():
    make_stock(1, 10)
    move([reserve(10, {1: 1}), reserve(11, {1: 2})], participant=NoteParticipant())
    interruption = Interruption(OperationalError(1213, "Deadlock found"), at=STOCK_UPDATE)

    with connection.execute_wrapper(interruption):
        outcomes = move([confirm(10), reserve(12, {1: 3}), roll_back(11)])

    assert statuses(outcomes) == [Status.OK] * 3
    assert counts(1) == (6, 3, 1)


class TakingMeanwhile:
    """Takes pieces away right before the first guarded update, as another buyer would."""

    def __init__(self, pieces: int) -> None:
        self._pieces, self.seen = pieces, 0

    def __call__(self, execute, sql, params, many, context):
        if re.search(STOCK_UPDATE, plain(sql)):
            self.seen += 1
            if self.seen == 1:
                taking = (
                    "UPDATE shopping_stock SET num = num - %s, version = version + 1 WHERE goods_id = 1 AND num >= %s"
                )
                execute(taking, (self._pieces, self._pieces), False, context)
        return execute(sql, params, many, context)


def test_move_on_a_stale_reading_is_undone_and_run_again():
    make_stock(1, 2)
    participant, others = NoteParticipant(), TakingMeanwhile(1)

    with connection.execute_wrapper(others):
        outcomes = move([reserve(10, {1: 2})], participant=participant)

    # What the other one took is undone with the first try, as it shared its transaction.
    assert statuses(outcomes) == [Status.OK]
    assert (participant.batches, others.seen) == ([[10], [10]], 2)
    assert counts(1) == (0, 2, 0)
    assert stored_notes() == ["10"]


def test_moves_of_many_products_of_which_one_was_taken_meanwhile_are_all_run_again():
    for goods_id in (1, 2, 3):
        make_stock(goods_id, 2)
    participant, others = NoteParticipant(), TakingMeanwhile(1)

    with connection.execute_wrapper(others):
        outcomes = move([reserve(10, {2: 1}), reserve(11, {1: 2, 3: 1}), reserve(12, {3: 1})], participant=participant)

    assert statuses(outcomes) == [Status.OK] * 3
    assert participant.batches == [[10, 11, 12]] * 2
    assert [counts(goods_id) for goods_id in (1, 2, 3)] == [(0, 2, 0), (1, 1, 0), (0, 2, 0)]


@pytest.mark.parametrize("number", [1213, 1205])
def test_moves_of_many_products_interrupted_by_the_database_are_run_again_as_a_whole(number):
    make_stock(1, 5)
    make_stock(2, 5)
    participant = NoteParticipant()

    with connection.execute_wrapper(Interruption(OperationalError(number, "try again"), at=STOCK_UPDATE, times=2)):
        outcomes = move([reserve(10, {1: 2, 2: 1}), reserve(11, {2: 1})], participant=participant)

    assert statuses(outcomes) == [Status.OK, Status.OK]
    assert participant.batches == [[10, 11]] * 3
    assert [counts(1), counts(2)] == [(3, 2, 0), (3, 2, 0)]


@pytest.mark.unguarded_stock_sql
@pytest.mark.parametrize("tries", [1, 6])
def test_move_whose_stock_row_disagrees_with_its_records_fails_alone_among_many_products(settings, tries):
    settings.TRANSACTION_TRIES = tries  # more than one would only meet it again
    for goods_id in (1, 2, 3):
        make_stock(goods_id, 5)
    move([reserve(10 + goods_id, {goods_id: 1}) for goods_id in (1, 2, 3)])
    Stock.objects.filter(goods_id=2).update(reserved=0, version=F("version") + 1)

    outcomes = move([confirm(11), confirm(12), confirm(13)])

    assert statuses(outcomes) == [Status.OK, Status.FAILED, Status.OK]
    assert [counts(goods_id) for goods_id in (1, 2, 3)] == [(4, 0, 1), (4, 0, 0), (4, 0, 1)]


# A lost reply to COMMIT


@pytest.mark.django_db(transaction=True)
def test_move_whose_commit_happened_unheard_is_ok_and_taken_once():
    make_stock(1, 5)
    participant = NoteParticipant()

    with LostCommit(carried_out=True, error=GONE):
        outcomes = move([reserve(10, {1: 2}), reserve(11, {1: 1})], participant=participant)

    assert statuses(outcomes) == [Status.OK, Status.OK]
    assert participant.batches == [[10, 11]]
    assert counts(1) == (2, 3, 0)


@pytest.mark.django_db(transaction=True)
def test_move_whose_commit_did_not_happen_is_busy_without_effect():
    make_stock(1, 5)

    with LostCommit(carried_out=False, error=GONE):
        outcomes = move([reserve(10, {1: 2})], participant=NoteParticipant())

    assert statuses(outcomes) == [Status.BUSY]
    assert (counts(1), records(), stored_notes()) == ((5, 0, 0), [], [])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("carried_out", [True, False])
def test_move_whose_commit_nothing_can_resolve_is_unknown(settings, carried_out):
    make_stock(1, 5)
    settings.TRANSACTION_TRIES = 2
    settings.STOCK_OPTIMISTIC_DEADLINE_SECONDS = 0.1

    with LostCommit(carried_out=carried_out, error=GONE, times=1000):
        outcomes = move([reserve(10, {1: 2})], participant=NoteParticipant())

    assert statuses(outcomes) == [Status.UNKNOWN]
    assert outcomes[0].error is OutcomeUnknown
    assert counts(1) == ((3, 2, 0) if carried_out else (5, 0, 0))
    assert Group.objects.exists() is carried_out


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize(
    ("before", "step"),
    [
        ([], reserve(10, {1: 2})),
        ([reserve(10, {1: 2})], confirm(10)),
        ([reserve(10, {1: 2})], roll_back(10)),
        ([], roll_back(10, goods_ids=[1])),
        ([], deduct(10, {1: 2})),
    ],
    ids=["reserve", "confirm", "roll back", "tombstone", "deduct"],
)
def test_move_of_stock_alone_is_resolved_by_its_records(before, step, carried_out):
    make_stock(1, 5)
    move(before)

    with LostCommit(carried_out=carried_out, error=GONE):
        outcome = move([step])[0]

    assert outcome.status is (Status.OK if carried_out else Status.BUSY)
