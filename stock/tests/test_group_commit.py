"""Who commits for whom. What every strategy promises is in test_strategy_contract.py.

No sleeps: a participant that waits in the middle of a batch says what queues up meanwhile.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext

from charites.common.errors import OutcomeUnknown
from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import TIMEOUT_SECONDS, Background, LostCommit, plain
from lab.kit.participants import POISON, NoteParticipant, Poison, stored_notes
from lab.kit.shop import wait_until
from stock.errors import StockBusy
from stock.models import StockRecord
from stock.moves import REPEATED, Move, Outcome, Status, confirm, reserve, roll_back
from stock.records import RecordParticipant
from stock.strategies import get_strategy, group_commit
from stock.strategies.group_commit import GroupCommit, Turn
from stock.strategies.strategy import Strategy

pytestmark = pytest.mark.django_db(transaction=True)

GONE = OperationalError(2013, "Lost connection to server during query")


class GatedParticipant(NoteParticipant):
    """Waits in `settle`, before the transaction begins, for each order that was named to it."""

    def __init__(self, *order_ids: int) -> None:
        super().__init__()
        self._arrived = {order_id: threading.Event() for order_id in order_ids}
        self._open = {order_id: threading.Event() for order_id in order_ids}

    def settle(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        for order_id in [move.order_id for move in moves if move.order_id in self._open]:
            self._arrived[order_id].set()
            assert self._open[order_id].wait(TIMEOUT_SECONDS)
        return super().settle(moves)

    def await_arrival(self, order_id: int) -> None:
        assert self._arrived[order_id].wait(TIMEOUT_SECONDS), f"the batch of {order_id} did not begin"

    def open(self, *order_ids: int) -> None:
        for order_id in order_ids or self._open:
            self._open[order_id].set()


class Callers:
    """Callers of one coalescer, each in a thread of its own, in the order in which they came."""

    def __init__(self, group: GroupCommit, participant: NoteParticipant) -> None:
        self.group, self.participant = group, participant
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Callers":
        return self

    def __exit__(self, *failure: Any) -> None:
        if isinstance(self.participant, GatedParticipant):
            self.participant.open()
        self._stack.close()

    def call(self, *moves: Move, participant: NoteParticipant | None = None) -> Background:
        """Starts a caller, and returns when its moves are queued, or under way."""
        came, group = threading.Event(), self.group

        def run() -> list[Outcome]:
            came.set()
            return group.move(moves, RecordParticipant(participant or self.participant))

        before = len(group._queue)
        caller = self._stack.enter_context(Background(run))
        came.wait(TIMEOUT_SECONDS)
        if group._turn is not Turn.NOBODY:
            wait_until(
                lambda: not caller.is_running or len(group._queue) > before, seconds=TIMEOUT_SECONDS, what="a place"
            )
        return caller

    def lead(self, order_id: int) -> Background:
        """Starts the caller who finds nobody at work, and returns when its batch has begun."""
        caller = self._stack.enter_context(
            Background(lambda: self.group.move([reserve(order_id, {1: 1})], RecordParticipant(self.participant)))
        )
        self.participant.await_arrival(order_id)
        return caller


@pytest.fixture
def group() -> Iterator[GroupCommit]:
    made = GroupCommit()
    yield made
    wait_until(lambda: made._committer is None, seconds=TIMEOUT_SECONDS, what="the committer ends")


@pytest.fixture(autouse=True)
def _short_idleness(monkeypatch) -> None:
    monkeypatch.setattr(group_commit, "IDLE_SECONDS", 0.05)


def one(order_id: int, pieces: int = 1, **changes: Any) -> Move:
    return reserve(order_id, {1: pieces}, **changes)


def statuses(caller: Background) -> list[Status]:
    return [outcome.status for outcome in caller.result()]


# Who leads


def statements_of(strategy: Strategy, order_id: int) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        outcomes = strategy.move([one(order_id)], RecordParticipant(NoteParticipant()))
    assert [outcome.status for outcome in outcomes] == [Status.OK]
    return [plain(query["sql"]).split(" ")[0] for query in captured]


def test_lone_caller_commits_by_itself_with_the_statements_of_atomic_update(group):
    make_stock(1, 5)

    assert statements_of(group, 10) == statements_of(get_strategy("atomic_update"), 11)
    assert group._committer is None
    assert counts(1) == (3, 2, 0)


def test_lone_caller_with_more_moves_than_the_cap_commits_all_of_them_by_itself(group, settings):
    settings.STOCK_GROUP_CAP = 2
    make_stock(1, 10)
    participant = NoteParticipant()

    outcomes = group.move([one(10 + n) for n in range(5)], RecordParticipant(participant))

    assert [outcome.status for outcome in outcomes] == [Status.OK] * 5
    assert participant.batches == [[10, 11], [12, 13], [14]]
    assert group._committer is None


def test_call_without_moves_leaves_nobody_leading(group):
    assert group.move([], RecordParticipant(NoteParticipant())) == []

    assert group._turn is Turn.NOBODY


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


# The committer thread


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
            committer = group._committer
            wait_until(lambda: group._committer is None, seconds=TIMEOUT_SECONDS, what="the committer ends")
            if committer:
                committer.join(TIMEOUT_SECONDS)
            assert participant.used.connection is None
            assert group._turn is Turn.NOBODY

    assert counts(1) == (5, 4, 0)


def test_idle_committer_is_woken_and_does_not_sleep_on(monkeypatch):
    monkeypatch.setattr(group_commit, "IDLE_SECONDS", 10.0 * TIMEOUT_SECONDS)
    make_stock(1, 9)
    group = GroupCommit()

    with Callers(group, GatedParticipant(10, 20)) as callers:
        for leader in (10, 20):
            callers.lead(leader)
            waiting = callers.call(one(leader + 1))
            committer = group._committer
            callers.participant.open(leader)
            assert statuses(waiting) == [Status.OK]
            wait_until(lambda: group._work._waiters, seconds=TIMEOUT_SECONDS, what="the committer sleeps")

    assert committer is group._committer is not None


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


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(1)])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_strategy_that_raises_leaves_nobody_waiting_and_the_next_are_served(error):
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
            patch.setattr(group_commit.threading.Thread, "start", refuse)
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
from stock.tests.test_group_commit import GatedParticipant

participant, parents = GatedParticipant(10), current_strategy()
leader = threading.Thread(
    target=lambda: (move([reserve(10, {1: 1})], participant=participant), connections.close_all())
)
leader.start()
participant.await_arrival(10)
queued = threading.Thread(target=lambda: move([reserve(11, {1: 1})], participant=participant))
queued.start()
while not parents._queue:
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


# Who shares a batch


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


# Giving up


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


# asyncio


def test_asyncio_callers_share_batches_and_use_no_thread_each(group):
    make_stock(1, 100)
    participant = NoteParticipant()

    async def buy_all() -> list[list[Outcome]]:
        return await asyncio.gather(*(group.amove([one(10 + n)], RecordParticipant(participant)) for n in range(64)))

    outcomes = asyncio.run(buy_all())

    assert [outcome.status for one_call in outcomes for outcome in one_call] == [Status.OK] * 64
    assert len(participant.batches) <= 8
    assert counts(1) == (36, 64, 0)


def test_asyncio_caller_without_moves_is_answered(group):
    assert asyncio.run(group.amove([], RecordParticipant(NoteParticipant()))) == []


async def arrival(participant: GatedParticipant, order_id: int) -> None:
    await asyncio.to_thread(participant.await_arrival, order_id)


def test_asyncio_caller_cancelled_while_queued_has_no_effect_and_harms_nobody(group):
    make_stock(1, 9)
    participant = GatedParticipant(10)

    async def scenario() -> list[Outcome]:
        first = asyncio.create_task(group.amove([one(10)], RecordParticipant(participant)))
        await arrival(participant, 10)
        cancelled = asyncio.create_task(group.amove([one(11), one(12)], RecordParticipant(participant)))
        behind = asyncio.create_task(group.amove([one(13)], RecordParticipant(participant)))
        await asyncio.sleep(0)
        cancelled.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cancelled
        assert cancelled.cancelled()
        participant.open()
        return [*await first, *await behind]

    outcomes = asyncio.run(scenario())

    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.OK]
    assert participant.batches == [[10], [13]]
    assert stored_notes() == ["10", "13"]


def test_asyncio_caller_cancelled_while_its_batch_runs_harms_no_neighbour(group):
    make_stock(1, 9)
    participant = GatedParticipant(10, 11)

    async def scenario() -> list[Outcome]:
        first = asyncio.create_task(group.amove([one(10)], RecordParticipant(participant)))
        await arrival(participant, 10)
        cancelled = asyncio.create_task(group.amove([one(11)], RecordParticipant(participant)))
        neighbour = asyncio.create_task(group.amove([one(12)], RecordParticipant(participant)))
        await asyncio.sleep(0)
        participant.open(10)
        await arrival(participant, 11)
        cancelled.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cancelled
        participant.open(11)
        return [*await first, *await neighbour]

    outcomes = asyncio.run(scenario())

    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.OK]
    assert participant.batches == [[10], [11, 12]]
    assert counts(1) == (6, 3, 0)


def test_asyncio_caller_whose_time_is_up_while_queued_is_busy_without_effect(group, settings):
    make_stock(1, 9)
    participant = GatedParticipant(10)

    async def scenario() -> tuple[list[Outcome], list[Outcome]]:
        first = asyncio.create_task(group.amove([one(10)], RecordParticipant(participant)))
        await arrival(participant, 10)
        settings.STOCK_GROUP_WAIT_SECONDS = 0.01
        late = await group.amove([one(11)], RecordParticipant(participant))
        participant.open()
        return await first, late

    first, late = asyncio.run(scenario())

    assert [first[0].status, late[0].status] == [Status.OK, Status.BUSY]
    assert stored_notes() == ["10"]


# Everything at once


def mixed_orders(threads: int, each: int) -> list[list[Move]]:
    """Of every ten moves: one duplicate of the same round, one reused key, one poisoned, the rest plain, of two
    goods."""
    hands = []
    for thread in range(threads):
        hand = []
        for n in range(each):
            order_id = 1 + thread * each + n
            quantities = [{1: 1}, {2: 1}, {1: 1, 2: 2}][(thread + n) % 3]
            kind = (thread + n) % 10
            key = {0: f"duplicate-{n}-{thread // 20}", 1: f"again-{n % 3}"}.get(kind)
            hand.append(reserve(order_id, quantities, key=key, payload=POISON if kind == 2 else None))
        hands.append(hand)
    return hands


@pytest.mark.servers
@pytest.mark.parametrize("callers", ["threads", "asyncio"])
def test_sixty_four_callers_with_duplicates_reused_keys_and_poison_are_counted_exactly(group, callers):
    make_stock(1, 150)
    make_stock(2, 250)
    participant, hands = RecordParticipant(NoteParticipant()), mixed_orders(64, 10)
    answers: dict[int, Outcome] = {}

    def buy(hand: list[Move]) -> None:
        for move in hand:
            answers[move.order_id] = group.move([move], participant)[0]

    async def abuy(hand: list[Move]) -> None:
        for move in hand:
            answers[move.order_id] = (await group.amove([move], participant))[0]

    async def abuy_all() -> None:
        await asyncio.gather(*map(abuy, hands))

    if callers == "asyncio":
        asyncio.run(abuy_all())
    else:
        with contextlib.ExitStack() as stack:
            buyers = [stack.enter_context(Background(lambda hand=hand: buy(hand))) for hand in hands]
            for buyer in buyers:
                buyer.result()

    moves = {move.order_id: move for hand in hands for move in hand}
    told = Counter(outcome.status for outcome in answers.values())
    accepted = {order_id for order_id, outcome in answers.items() if outcome.status is Status.OK}
    assert set(told) == {Status.OK, Status.REPEATED, Status.NOT_ENOUGH, Status.FAILED}
    failed = {order_id for order_id, outcome in answers.items() if outcome.status is Status.FAILED}
    assert failed <= {order_id for order_id, move in moves.items() if move.payload == POISON}
    assert {answers[order_id].error for order_id in failed} == {Poison}
    assert stored_notes() == sorted(str(moves[order_id].key) for order_id in accepted)
    for goods_id, stock in ((1, 150), (2, 250)):
        sold = sum(line.reserved for o in accepted for line in moves[o].lines if line.goods_id == goods_id)
        assert counts(goods_id) == (stock - sold, sold, 0)
        assert sold <= stock
    rows = {(o, line.goods_id, line.reserved) for o in accepted for line in moves[o].lines}
    assert set(StockRecord.objects.values_list("order_id", "goods_id", "num")) == rows
    assert json.dumps(sorted(answers)) == json.dumps(sorted(moves))
