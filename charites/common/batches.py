"""Many callers, one batch: what queued up while the last batch was under way goes into the next one.

A batch is as large as the load makes it, and shrinks to one when there is none. A thread that finds nobody at work
leads: it carries out its own items by itself (and those that slip in with them), without a hand-over. What is queued
then goes to one thread, the committer, so that nobody keeps working for others; it starts when it is needed and ends
when the queue has been empty for a moment. Callers of asyncio always use the committer, and wait without a thread.

There is no timer, but a courtesy: after a batch of several callers the committer waits for as many to come back, for a
quarter of that batch's time at most. A batch costs much and one more item in it little, so all are answered sooner.

The queue is bounded: past it, refused at once. Whoever gives up while queued has no effect, nor has an item whose time
was up when its turn came; one whose batch is under way is told that nobody knows.

What is done should be heard of: an item that has less time than an answer takes is left out while others have more. It
keeps its caller until its time is up, since whoever is told at once comes back at once.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, Generic, NamedTuple

import structlog
from django.db import close_old_connections, connection
from prometheus_client import Gauge, Histogram

from charites.common import tracing
from charites.common.callers import Call, Entry, Item, Result, Unserved, close_entries, count_down, wake_all
from charites.common.transactions import refuse_nested

log = structlog.get_logger(__name__)

IDLE_SECONDS = 2.0  # how long the committer keeps its thread and its connection for the next burst
ANSWERS, MARGIN = 100, 1.25  # how long an answer takes: the mean of about so many, and so many times that
TRIALS = 10  # but of so many who are taken to see whether that is true: after a database that hung, it is not
RETURN_SHARE, RETURN_SECONDS = 0.25, 0.005  # of a batch's time, and never longer: the wait for those it has answered


WAITING = Gauge(
    "charites_queue_depth",
    "What waited in a queue when its last batch was answered.",
    ["queue"],
    multiprocess_mode="livesum",
)
SIZES = Histogram(
    "charites_batch_size", "How many were carried out as one.", ["queue"], buckets=[2**power for power in range(10)]
)
SECONDS = Histogram("charites_batch_seconds", "How long a batch took.", ["queue"])


class Turn(Enum):
    """Whose turn it is to carry out batches.

    NOBODY ── a caller comes ──> CALLER ── its own items are done ──┬─ the queue is empty ──> NOBODY
                                   ^                                └─ others wait ──> COMMITTER
    COMMITTER ── a batch, and the queue is empty ──> NOBODY          (no thread to be had: NOBODY)
    """

    NOBODY = "nobody"
    CALLER = "caller"  # whoever found nobody at work, until its own items are done
    COMMITTER = "committer"  # the one thread that works for all who came meanwhile


class Bounds(NamedTuple):
    """How many items go into one batch, and how many may wait for one."""

    batch: int
    queue: int


def calls_of(batch: Sequence[Entry[Item, Result]]) -> Iterator[Any]:
    """The spans that a batch works for, each once, those that came first in front."""
    return (call.trace for call in {id(entry.call): entry.call for entry in batch}.values())


class Batches(Generic[Item, Result]):
    """The queue in front of something that takes many.

    `carry_out` gives a result for each item of a batch, in order, and raises nothing; `bounds` are looked up for every
    batch; items share one only if they `fit` the first of it.
    """

    def __init__(
        self,
        name: str,
        carry_out: Callable[[list[Item]], Sequence[Result]],
        bounds: Callable[[], Bounds],
        fit: Callable[[Item, Item], bool] = lambda first, other: True,
    ) -> None:
        self._name, self._carry_out, self._bounds, self._fit = name, carry_out, bounds, fit
        self._waiting, self._sizes, self._seconds = WAITING.labels(name), SIZES.labels(name), SECONDS.labels(name)
        self.forget()

    def forget(self) -> None:
        """Starts from nothing. A forked child does: it has no thread, and nobody there would open the lock."""
        self._mutex = threading.Lock()
        self._work = threading.Condition(self._mutex)
        self._queue: deque[Entry[Item, Result]] = deque()
        self._turn = Turn.NOBODY
        self._shown = 0  # as what waits
        self._awaited = 0  # how many the committer waits for to come back
        self._answer_seconds = 0.0  # from the turn to the answer
        self._committer: threading.Thread | None = None

    def call(self, items: Sequence[Item], *, seconds: float) -> list[Result | Unserved]:
        """Has the items carried out, and waits for at most so long; one outcome each, in order.

        Raises NestedTransaction: to wait for others with locks held is a deadlock that no database sees.
        """
        refuse_nested()
        call: Call[Item, Result] = Call(items, seconds)
        if self._enter(call):
            self._lead(call)
        if call.is_answered and call.left and not call.is_answered.wait(call.deadline - time.monotonic()):
            self._give_up(call)
        self._note_answer(call)
        return call.outcomes()

    async def acall(self, items: Sequence[Item], *, seconds: float) -> list[Result | Unserved]:
        """The same for asyncio: no thread per caller. A caller that is cancelled while queued has no effect."""
        loop = asyncio.get_running_loop()
        call: Call[Item, Result] = Call(items, seconds, loop.create_future())
        if self._enter(call):
            self._hand_over()
        if call.future and call.left:
            timer = loop.call_later(seconds, wake_all, [call.future])
            try:
                await call.future
            finally:
                timer.cancel()
                self._give_up(call)
            self._note_answer(call)
        return call.outcomes()

    def _enter(self, call: Call[Item, Result]) -> bool:
        """Queues the items; True when the caller finds nobody at work."""
        with self._mutex:
            if self._is_full_for(call):
                call.left = 0
                for entry in call.entries:
                    entry.outcome = Unserved.FULL
                return False
            self._queue.extend(call.entries)
            leads = self._turn is Turn.NOBODY and bool(call.entries)
            if leads:
                self._turn = Turn.CALLER
            elif 0 < self._awaited <= len(self._queue):
                self._work.notify()
        return leads

    def _is_full_for(self, call: Call[Item, Result]) -> bool:
        """Whether the queue takes no more; those who have gone are put out before it says so. Needs the mutex."""
        most = self._bounds().queue - len(call.entries)
        if len(self._queue) > max(0, most):
            self._queue = deque(entry for entry in self._queue if entry.is_open)
        return len(self._queue) > max(0, most)

    def _give_up(self, call: Call[Item, Result]) -> None:
        """Takes back what is still queued. It stays in its place, and is passed over there."""
        with self._mutex:
            close_entries(entry for entry in call.entries if entry.is_open)

    def _note_answer(self, call: Call[Item, Result]) -> None:
        """Learns how long an answer takes from its turn, through a busy event loop, too."""
        if call.taken_at:
            took, answers = time.monotonic() - call.taken_at, TRIALS if call.is_trial else ANSWERS
            self._answer_seconds += (took - self._answer_seconds) / answers

    def _lead(self, call: Call[Item, Result]) -> None:
        """Carries out batches until none of the caller's own items is queued: they are done, or were left out and wait
        for the end of their time. Who came meanwhile is left to the committer."""
        try:
            while any(entry.is_open for entry in call.entries):
                self._carry_out_batch()
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
        """Where no thread can be started, the next caller leads, and works for those in front of it, too."""
        committer = threading.Thread(target=self._work_for_others, name=self._name, daemon=True)
        try:
            committer.start()
            self._committer = committer
        except RuntimeError:
            log.exception("batches_without_thread", queue=self._name)
            self._turn = Turn.NOBODY

    def _work_for_others(self) -> None:
        """The committer: batches while there are any, then waits a moment for more, then ends."""
        try:
            while self._await_turn():
                close_old_connections()
                started = time.monotonic()
                callers = self._carry_out_batch()
                with self._work:
                    self._await_return(callers, time.monotonic() - started)
                    self._pass_on()
        except BaseException:
            with self._mutex:
                self._committer = None
            self._hand_over()  # to another one
            raise
        finally:
            connection.close()

    def _await_turn(self) -> bool:
        """Waits until items are handed over; False when none were for a while, and the thread may end."""
        with self._work:
            if self._work.wait_for(lambda: self._turn is Turn.COMMITTER, IDLE_SECONDS):
                return True
            self._committer = None
            return False

    def _await_return(self, callers: int, seconds: float) -> None:
        """Keeps the turn for a moment after a batch of several. Needs the mutex, and lets go of it meanwhile."""
        if callers > 1:
            self._awaited = callers
            self._work.wait_for(lambda: len(self._queue) >= callers, min(RETURN_SHARE * seconds, RETURN_SECONDS))
            self._awaited = 0

    def _pass_on(self) -> None:
        """Whoever has carried out a batch says whose turn it is next. Needs the mutex."""
        self._turn = Turn.COMMITTER if self._queue else Turn.NOBODY

    def _carry_out_batch(self) -> int:
        """One batch: what queued up while the last one was under way. Returns how many callers it had."""
        batch, started = self._take(), time.monotonic()
        outcomes: Sequence[Result | Unserved] = [Unserved.UNKNOWN] * len(batch)
        try:
            if batch:
                with tracing.span(f"batch {self._name}", links=calls_of(batch), items=len(batch)):
                    answers = self._carry_out([entry.item for entry in batch])
                if len(answers) != len(batch):
                    raise RuntimeError(f"{len(answers)} answers for a batch of {len(batch)}")
                outcomes = answers
        except Exception:  # (it promises to raise nothing; what it did before is not known)
            log.exception("batch_failed", queue=self._name)
        finally:  # whatever happens, nobody waits in vain
            for entry, outcome in zip(batch, outcomes, strict=True):
                entry.outcome = outcome
            count_down(batch)
            self._count(len(batch), time.monotonic() - started)
        return len({id(entry.call) for entry in batch})

    def _count(self, size: int, seconds: float) -> None:
        """Counts a batch that has been answered, and what waits for the next one."""
        if (waiting := len(self._queue)) != self._shown:
            self._waiting.set(waiting)
            self._shown = waiting
        if size:
            self._sizes.observe(size)
            self._seconds.observe(seconds)

    def _take(self) -> list[Entry[Item, Result]]:
        """Takes what fits together from the front of the queue, and answers those who came too late.

        Where nobody has the time that an answer takes, the last one is taken, on trial: it may be faster than thought.
        """
        batch: list[Entry[Item, Result]] = []
        late: list[Entry[Item, Result]] = []
        now, most = time.monotonic(), max(1, self._bounds().batch)
        answered = now + MARGIN * self._answer_seconds
        with self._mutex:
            while self._queue and len(batch) < most:
                if batch and not self._fit(batch[0].item, self._queue[0].item):
                    break
                entry = self._queue.popleft()
                if entry.is_open:
                    (batch if answered < entry.call.deadline else late).append(entry)
            if not batch and late and now < late[-1].call.deadline:
                batch.append(late.pop())
                batch[0].call.is_trial = True
            close_entries(late)
            for entry in batch:
                entry.is_open, entry.call.taken_at = False, now
        count_down([entry for entry in late if entry.call.deadline <= now])
        return batch
