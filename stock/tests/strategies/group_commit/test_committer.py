"""The committer thread: how it begins, sleeps and ends, and what happens without one."""

import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest
from django.db import connections

from charites.common import batches
from charites.common.batches import Turn
from charites.common.errors import OutcomeUnknown
from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import TIMEOUT_SECONDS
from lab.kit.processes.shop import wait_until
from stock.models import StockRecord
from stock.moves import Move, Status
from stock.records import RecordParticipant
from stock.strategies import get_strategy
from stock.strategies.group_commit import GroupCommit
from stock.strategies.strategy import Strategy
from stock.tests.strategies.group_commit.callers import Callers, GatedParticipant, one, statuses

pytestmark = pytest.mark.django_db(transaction=True)


class ConnectionParticipant(GatedParticipant):
    """Remembers which connection each batch was written on."""

    def write(self, moves: Sequence[Move]) -> list[Move]:
        self.used = connections["default"]
        return super().write(moves)


def test_committer_ends_when_idle_closes_its_connection_and_starts_again(group):
    make_stock(1, 9)
    participant = ConnectionParticipant(10, 20)

    with Callers(group, participant) as callers:
        for leader in (10, 20):
            callers.lead(leader)
            waiting = callers.call(one(leader + 1))
            participant.open(leader)
            assert statuses(waiting) == [Status.OK]
            assert participant.used is not connections["default"]
            committer = group.batches._committer
            wait_until(lambda: group.batches._committer is None, seconds=TIMEOUT_SECONDS, what="the committer ends")
            if committer:
                committer.join(TIMEOUT_SECONDS)
            assert participant.used.connection is None
            assert group.batches._turn is Turn.NOBODY

    assert counts(1) == (5, 4, 0)


def test_idle_committer_is_woken_and_does_not_sleep_on(monkeypatch):
    monkeypatch.setattr(batches, "IDLE_SECONDS", 10.0 * TIMEOUT_SECONDS)
    make_stock(1, 9)
    group = GroupCommit()

    with Callers(group, GatedParticipant(10, 20)) as callers:
        for leader in (10, 20):
            callers.lead(leader)
            waiting = callers.call(one(leader + 1))
            committer = group.batches._committer
            callers.participant.open(leader)
            assert statuses(waiting) == [Status.OK]
            wait_until(lambda: group.batches._work._waiters, seconds=TIMEOUT_SECONDS, what="the committer sleeps")

    assert committer is group.batches._committer is not None


class FailingStrategy(Strategy):
    """Breaks its promise, the first `times` times."""

    name = "failing"

    def __init__(self, error: BaseException, times: int) -> None:
        self._error, self._times, self._inner = error, times, get_strategy("atomic_update")

    def move(self, moves, participant):
        # Whoever leads waits here as well, so that others can queue up behind.
        participant.settle(moves)
        self._times -= 1
        if self._times >= 0:
            raise self._error
        return self._inner.move(moves, participant)


def committers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "group_commit"}


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(1)])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_strategy_that_raises_leaves_nobody_waiting_and_the_next_are_served(error):
    others = committers()
    make_stock(1, 9)
    group = GroupCommit(FailingStrategy(error, times=2))

    with Callers(group, GatedParticipant(10, 11)) as callers:
        leader = callers.lead(10)
        first = [callers.call(one(11)), callers.call(one(12))]
        callers.participant.open(10)
        callers.participant.await_arrival(11)
        second = [callers.call(one(13)), callers.call(one(14))]
        callers.participant.open(11)

        # What happened before it raised is anybody's guess.
        if isinstance(error, Exception):
            assert statuses(leader) == [Status.UNKNOWN]
        else:
            with pytest.raises(SystemExit):
                leader.result()
        assert [statuses(caller) for caller in first] == [[Status.UNKNOWN]] * 2
        assert first[0].result()[0].error is OutcomeUnknown
        assert [statuses(caller) for caller in second] == [[Status.OK]] * 2

    # One that died still has to say so, and that belongs to this test.
    wait_until(lambda: committers() <= others, seconds=TIMEOUT_SECONDS, what="the committers end")
    assert counts(1) == (7, 2, 0)


def test_process_that_may_start_no_thread_lets_the_next_caller_commit_for_those_in_front(group, monkeypatch):
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    make_stock(1, 9)
    participant = GatedParticipant(10)
    with Callers(group, participant) as callers:
        leader = callers.lead(10)
        waiting = callers.call(one(11))
        with monkeypatch.context() as patch:
            patch.setattr(batches.threading.Thread, "start", refuse)
            participant.open(10)
            assert statuses(leader) == [Status.OK]
            outcomes = group.move([one(12)], RecordParticipant(participant))

        assert [outcome.status for outcome in outcomes] == [Status.OK]
        assert statuses(waiting) == [Status.OK]

    assert participant.batches == [[10], [11, 12]]


FORK = """
import os, sys, threading, warnings, django
os.environ["DJANGO_SETTINGS_MODULE"] = "charites.settings"
django.setup()
from django.db import connections
from stock.records import RecordParticipant
from stock.services import move
from stock.strategies import current_strategy
from stock.moves import reserve
from stock.tests.strategies.group_commit.callers import GatedParticipant

participant, parents = GatedParticipant(10), current_strategy()
leader = threading.Thread(
    target=lambda: (move([reserve(10, {1: 1})], participant=participant), connections.close_all())
)
leader.start()
participant.await_arrival(10)
queued = threading.Thread(target=lambda: move([reserve(11, {1: 1})], participant=participant))
queued.start()
while not parents.batches._queue:
    pass
warnings.simplefilter("ignore")
child = os.fork()
if not child:
    # In the parent somebody leads and somebody waits; here it must be nobody.
    done = current_strategy() is not parents and move([reserve(12, {1: 1})])[0].done
    os._exit(0 if done else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
participant.open()
leader.join(); queued.join()
sys.exit(code)
"""


def test_forked_child_starts_with_nobody_leading_and_an_empty_queue(process_environment):
    make_stock(1, 5)

    environment = {**process_environment, "STOCK_STRATEGY": "group_commit"}
    done = subprocess.run(
        [sys.executable, "-c", FORK], env=environment, timeout=300, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert counts(1) == (2, 3, 0)
    assert sorted(StockRecord.objects.values_list("order_id", flat=True)) == [10, 11, 12]
