"""What every strategy promises, whatever it is called: one suite, run for each safe entry of STRATEGIES.

Races with real processes are in test_strategy_races.py, lost replies of a real server in test_lost_replies.py.
"""

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from charites.common.errors import OutcomeUnknown
from charites.common.transactions import NestedTransaction
from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import Interruption, LostCommit, plain
from lab.kit.participants import LEFT_OUT, POISON, NoteParticipant, Poison, stored_notes
from stock.errors import NotEnoughStock, StockNotFound
from stock.models import StockRecord
from stock.moves import REPEATED, Move, Outcome, Status, confirm, deduct, reserve, roll_back
from stock.services import move

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("strategy")]

STOCK_UPDATE = r"^UPDATE shopping_stock "
GONE = OperationalError(2013, "Lost connection to server during query")


def statuses(outcomes: list[Outcome]) -> list[Status]:
    return [outcome.status for outcome in outcomes]


def records() -> list[tuple[int, int, int, int]]:
    """Returns (order_id, goods_id, num, status) of every record."""
    return list(
        StockRecord.objects.order_by("order_id", "goods_id").values_list("order_id", "goods_id", "num", "status")
    )


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


# Many moves


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


# How it is written


def test_move_writes_rows_first_and_then_each_stock_row_once_in_order_of_goods():
    for goods_id in (1, 2, 3):
        make_stock(goods_id, 10)
    moves = [reserve(10, {3: 1, 2: 1}), reserve(11, {2: 1, 1: 1}), reserve(12, {3: 1, 1: 1})]

    with CaptureQueriesContext(connection) as captured:
        move(moves, participant=NoteParticipant())

    statements = [plain(query["sql"]) for query in captured if "SAVEPOINT" not in query["sql"]]
    writes = [sql for sql in statements if sql.startswith(("INSERT", "UPDATE", "DELETE"))]
    tables = [sql.split(" ")[2 if sql.startswith("INSERT") else 1] for sql in writes]
    assert tables == ["auth_group", "shopping_stock_record", *["shopping_stock"] * 3]
    goods = [sql.split("goods_id = ")[1].split(" ")[0].rstrip(")") for sql in writes[2:]]
    assert goods == ["1", "2", "3"]


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
        if plain(sql).startswith("UPDATE shopping_stock "):
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
