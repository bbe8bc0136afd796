"""Who commits for whom: the caller who leads, and those who queue meanwhile."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from charites.common.batches import Turn
from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import Background, plain
from lab.kit.participants import NoteParticipant
from stock.moves import Status
from stock.records import RecordParticipant
from stock.strategies import get_strategy
from stock.strategies.strategy import Strategy
from stock.tests.strategies.group_commit.callers import Callers, GatedParticipant, one, statuses

pytestmark = pytest.mark.django_db(transaction=True)


def statements_of(strategy: Strategy, order_id: int) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        outcomes = strategy.move([one(order_id)], RecordParticipant(NoteParticipant()))
    assert [outcome.status for outcome in outcomes] == [Status.OK]
    return [plain(query["sql"]).split(" ")[0] for query in captured]


def test_lone_caller_commits_by_itself_with_the_statements_of_atomic_update(group):
    make_stock(1, 5)

    assert statements_of(group, 10) == statements_of(get_strategy("atomic_update"), 11)
    assert group.batches._committer is None
    assert counts(1) == (3, 2, 0)


def test_lone_caller_with_more_moves_than_the_cap_commits_all_of_them_by_itself(group, settings):
    settings.STOCK_GROUP_CAP = 2
    make_stock(1, 10)
    participant = NoteParticipant()

    outcomes = group.move([one(10 + n) for n in range(5)], RecordParticipant(participant))

    assert [outcome.status for outcome in outcomes] == [Status.OK] * 5
    assert participant.batches == [[10, 11], [12, 13], [14]]
    assert group.batches._committer is None


def test_call_without_moves_leaves_nobody_leading(group):
    assert group.move([], RecordParticipant(NoteParticipant())) == []

    assert group.batches._turn is Turn.NOBODY


def test_what_queues_while_a_batch_commits_goes_into_the_next_one_in_order_of_arrival(group):
    make_stock(1, 3)

    with Callers(group, GatedParticipant(10)) as callers:
        leader = callers.lead(10)
        waiting = [callers.call(one(order_id)) for order_id in (13, 11, 12)]
        callers.participant.open()

        assert statuses(leader) == [Status.OK]
        # First come, first served: of the two pieces that are left the last in line gets none.
        assert [statuses(caller) for caller in waiting] == [[Status.OK], [Status.OK], [Status.NOT_ENOUGH]]

    assert callers.participant.batches == [[10], [13, 11]]
    assert counts(1) == (0, 3, 0)


def test_leader_is_answered_when_its_own_batch_is_done_and_serves_nobody_else(group):
    make_stock(1, 5)

    with Callers(group, GatedParticipant(10, 11)) as callers:
        leader = callers.lead(10)
        waiting = callers.call(one(11))
        callers.participant.open(10)
        callers.participant.await_arrival(11)

        assert statuses(leader) == [Status.OK]
        assert waiting.is_running
        callers.participant.open(11)
        assert statuses(waiting) == [Status.OK]


def test_cap_below_one_is_taken_as_one(group, settings):
    settings.STOCK_GROUP_CAP = 0
    make_stock(1, 5)

    outcomes = group.move([one(10), one(11)], RecordParticipant(NoteParticipant()))

    assert [outcome.status for outcome in outcomes] == [Status.OK] * 2


def test_cap_cuts_what_is_queued_into_batches(group, settings):
    settings.STOCK_GROUP_CAP = 2
    make_stock(1, 10)

    with Callers(group, GatedParticipant(10)) as callers:
        callers.lead(10)
        waiting = [callers.call(one(order_id)) for order_id in range(11, 16)]
        callers.participant.open()

        assert [statuses(caller) for caller in waiting] == [[Status.OK]] * 5

    assert callers.participant.batches == [[10], [11, 12], [13, 14], [15]]


def test_sixty_four_callers_in_a_closed_loop_share_their_commits(group):
    make_stock(1, 1000)
    participant = NoteParticipant()

    with Callers(group, participant) as callers:

        def buy(first: int) -> Callable[[], list[Status]]:
            return lambda: [group.move([one(first + n)], RecordParticipant(participant))[0].status for n in range(10)]

        buyers = [callers._stack.enter_context(Background(buy(1000 * number))) for number in range(1, 65)]
        answers = [status for buyer in buyers for status in buyer.result()]

    assert answers == [Status.OK] * 640
    assert sum(map(len, participant.batches)) == 640
    assert len(participant.batches) <= 160  # commits
    assert counts(1) == (360, 640, 0)
