"""Callers whose time is up, and a queue that is full."""

import pytest

from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import TIMEOUT_SECONDS
from lab.kit.processes.shop import wait_until
from stock.errors import StockBusy
from stock.moves import Status
from stock.records import RecordParticipant
from stock.tests.strategies.group_commit.callers import Callers, GatedParticipant, one, statuses

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.slow
def test_caller_whose_time_is_up_while_queued_is_busy_without_effect(group, settings):
    make_stock(1, 5)

    with Callers(group, GatedParticipant(10)) as callers:
        callers.lead(10)
        settings.STOCK_GROUP_WAIT_SECONDS = 0.0
        outcome = group.move([one(11)], RecordParticipant(callers.participant))[0]
        settings.STOCK_GROUP_WAIT_SECONDS = float(TIMEOUT_SECONDS)
        behind = callers.call(one(12))
        callers.participant.open()
        assert statuses(behind) == [Status.OK]

    assert outcome.status is Status.BUSY
    assert outcome.error is StockBusy
    assert callers.participant.batches == [[10], [12]]
    assert counts(1) == (3, 2, 0)


@pytest.mark.long
@pytest.mark.slow
def test_caller_whose_time_is_up_while_its_batch_runs_is_told_that_nobody_knows(group, settings):
    make_stock(1, 5)
    settings.STOCK_GROUP_WAIT_SECONDS = 5.0  # longer than a busy machine takes to begin the batch

    with Callers(group, GatedParticipant(10, 11)) as callers:
        leader = callers.lead(10)
        waiting = callers.call(one(11))
        callers.participant.open(10)
        callers.participant.await_arrival(11)
        assert statuses(leader) == [Status.OK]

        assert statuses(waiting) == [Status.UNKNOWN]

    wait_until(lambda: counts(1) == (3, 2, 0), seconds=TIMEOUT_SECONDS, what="it takes effect all the same")


def test_queue_that_is_full_answers_busy_at_once_and_takes_a_call_whole_or_not_at_all(group, settings):
    make_stock(1, 9)
    settings.STOCK_GROUP_QUEUE = 2

    with Callers(group, GatedParticipant(10)) as callers:
        callers.lead(10)
        first = callers.call(one(11))
        refused = group.move([one(12), one(13)], RecordParticipant(callers.participant))
        last = callers.call(one(14))
        callers.participant.open()
        assert (statuses(first), statuses(last)) == ([Status.OK], [Status.OK])

    assert [outcome.status for outcome in refused] == [Status.BUSY, Status.BUSY]
    assert callers.participant.batches == [[10], [11, 14]]
    assert counts(1) == (6, 3, 0)
