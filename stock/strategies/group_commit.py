"""Many buyers, one commit: a coalescer in front of the guarded update.

How it works: it is no other way to lock. What queued up while the last transaction was committing goes into the next
one, up to `STOCK_GROUP_CAP` moves; the batch is then one `atomic_update`: one multi-row INSERT per table, one guarded
UPDATE per product, one COMMIT for all of them. There is no timer: a batch is as large as the load makes it, and shrinks
to one when there is none. PolarDB and AliSQL do the same inside the database, TigerBeetle makes the batch its unit.

Who commits: a caller who finds nobody at work leads: it commits the batches with its own moves by itself, without a
hand-over. What is queued then goes to one committer thread, so that nobody keeps committing for others. The thread
starts when it is needed and ends when the queue has been empty for a moment. asyncio callers always use the thread.

Guarantees: exact, and what `atomic_update` guarantees, for each move by itself: one that fails is bisected out of its
batch, and two moves with one key never share one. Served in order of arrival within a process. A caller who gives up
while queued has no effect; one whose batch is under way is told that the outcome is unknown.

Costs: a lone caller pays a queue operation. The queue is bounded (`STOCK_GROUP_QUEUE`): past it, busy at once.

Use it: it is the default. On one hot row with a synced log it is what lets a thousand orders share one sync. The
classic mistakes: a timer; a leader that keeps committing for others and is never answered itself; waiting for others
with locks held; duplicates in one batch; no bound.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, TimeoutError
from enum import Enum
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import connection

from charites.common.transactions import refuse_nested
from stock.moves import BUSY, UNKNOWN, Move, Outcome, Participant
from stock.strategies.atomic_update import AtomicUpdate
from stock.strategies.strategy import Strategy

log = structlog.get_logger(__name__)

IDLE_SECONDS = 2.0  # how long the committer keeps its thread and its connection for the next burst


class Waiting(NamedTuple):
    """A move in the queue; `outcome` wakes its caller."""

    move: Move
    participant: Participant
    outcome: "Future[Outcome]"


class Turn(Enum):
    """Whose turn it is to commit.

    NOBODY ── a caller comes ──> CALLER ── its own moves are done ──┬─ the queue is empty ──> NOBODY
                                   ^                                └─ others wait ──> COMMITTER
    COMMITTER ── a batch, and the queue is empty ──> NOBODY          (no thread to be had: NOBODY)
    """

    NOBODY = "nobody"
    CALLER = "caller"  # whoever found nobody at work commits until its own moves are done
    COMMITTER = "committer"  # the one thread that commits for all who came meanwhile


class GroupCommit(Strategy):
    """One instance per process: its queue is where the process's orders meet."""

    name = "group_commit"

    def __init__(self, inner: Strategy | None = None) -> None:
        self._inner = inner or AtomicUpdate()
        self._mutex = threading.Lock()
        self._work = threading.Condition(self._mutex)
        self._queue: deque[Waiting] = deque()
        self._turn = Turn.NOBODY
        self._committer: threading.Thread | None = None

    def move(self, moves: Sequence[Move], participant: Participant) -> list[Outcome]:
        refuse_nested()  # waiting for others with locks held is a deadlock that no database sees
        entries, leads = self._enter(moves, participant)
        if leads:
            self._lead(entries)
        deadline = time.monotonic() + settings.STOCK_GROUP_WAIT_SECONDS
        return [self._await(entry, deadline) for entry in entries]

    async def amove(self, moves: Sequence[Move], participant: Participant) -> list[Outcome]:
        """The same for asyncio: no thread per caller. A caller that is cancelled while queued has no effect."""
        entries, leads = self._enter(moves, participant)
        if leads:
            self._hand_over()
        try:
            waiting = [asyncio.wrap_future(entry.outcome) for entry in entries]
            await asyncio.wait(waiting, timeout=settings.STOCK_GROUP_WAIT_SECONDS) if waiting else None
            return [self._given_up(entry) for entry in entries]
        except asyncio.CancelledError:
            for entry in entries:
                entry.outcome.cancel()
            raise

    def _enter(self, moves: Sequence[Move], participant: Participant) -> tuple[list[Waiting], bool]:
        """Queues the moves; True when the caller finds nobody at work."""
        entries = [Waiting(move, participant, Future()) for move in moves]
        with self._mutex:
            if self._queue and len(self._queue) + len(entries) > settings.STOCK_GROUP_QUEUE:
                for entry in entries:
                    entry.outcome.set_result(BUSY)
                return entries, False
            self._queue.extend(entries)
            leads = self._turn is Turn.NOBODY and bool(entries)
            if leads:
                self._turn = Turn.CALLER
        return entries, leads

    def _lead(self, entries: Sequence[Waiting]) -> None:
        """Commits until the caller's own moves are done; who came meanwhile is left to the committer."""
        try:
            while not all(entry.outcome.done() for entry in entries):
                self._commit_batch()
        finally:
            self._hand_over()

    def _hand_over(self) -> None:
        """Leaves what is queued to the committer, or nobody at work when nothing is."""
        with self._mutex:
            self._pass_on()
            if self._turn is Turn.COMMITTER and self._committer is None:
                self._start_committer()
            self._work.notify()

    def _start_committer(self) -> None:
        """Where no thread can be started, the next caller leads, and commits what is queued before its own."""
        committer = threading.Thread(target=self._commit_for_others, name="group-commit", daemon=True)
        try:
            committer.start()
            self._committer = committer
        except RuntimeError:
            log.exception("group_commit_without_thread")
            self._turn = Turn.NOBODY

    def _commit_for_others(self) -> None:
        """The committer: batches while there are any, then waits a moment for more, then ends."""
        try:
            while self._is_my_turn():
                self._commit_batch()
                with self._mutex:
                    self._pass_on()
        except BaseException:
            with self._mutex:
                self._committer = None
            self._hand_over()  # to another one
            raise
        finally:
            connection.close()

    def _is_my_turn(self) -> bool:
        """Waits until moves are handed over; False when none were for a while, and the thread may end."""
        with self._work:
            if self._work.wait_for(lambda: self._turn is Turn.COMMITTER, IDLE_SECONDS):
                return True
            self._committer = None
            return False

    def _pass_on(self) -> None:
        """Whoever has committed a batch says whose turn it is next. Needs the mutex."""
        self._turn = Turn.COMMITTER if self._queue else Turn.NOBODY

    def _commit_batch(self) -> None:
        """One batch: what queued up while the last one was committing."""
        batch = [entry for entry in self._take() if entry.outcome.set_running_or_notify_cancel()]
        if not batch:
            return
        outcomes = [UNKNOWN] * len(batch)
        try:
            outcomes = self._inner.move([entry.move for entry in batch], batch[0].participant)
        except Exception:  # (it promises to raise nothing; what it did before is not known)
            log.exception("group_commit_failed")
        finally:  # whatever happens, nobody waits in vain
            for entry, outcome in zip(batch, outcomes, strict=True):
                entry.outcome.set_result(outcome)

    def _take(self) -> list[Waiting]:
        """Takes from the front of the queue: one participant's moves, at most `STOCK_GROUP_CAP`. Duplicates among them
        are told apart by the strategy inside, which puts the later one into a transaction of its own."""
        batch: list[Waiting] = []
        with self._mutex:
            while self._queue and len(batch) < max(1, settings.STOCK_GROUP_CAP):
                if batch and self._queue[0].participant != batch[0].participant:
                    break
                batch.append(self._queue.popleft())
        return batch

    def _await(self, entry: Waiting, deadline: float) -> Outcome:
        """Waits for an outcome; a move that is still queued when time is up is taken back."""
        try:
            return entry.outcome.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            return self._given_up(entry)

    @staticmethod
    def _given_up(entry: Waiting) -> Outcome:
        if entry.outcome.cancel():
            return BUSY
        return entry.outcome.result() if entry.outcome.done() else UNKNOWN
