"""Many buyers, one commit: a queue in front of the guarded update.

How it works: it is no other way to lock. What queued up while the last transaction was committing goes into the next
one, up to `STOCK_GROUP_CAP` moves (charites/common/batches.py); the batch is then one `atomic_update`: one INSERT per
table, one guarded UPDATE of the stock rows, one COMMIT for all of them. No timer makes it: a batch is as large as the
load makes it. PolarDB and AliSQL do the same inside the database, TigerBeetle makes the batch its unit.

Guarantees: exact, and what `atomic_update` guarantees, for each move by itself: one that fails is bisected out of its
batch, and two moves with one key never share one. Served in order of arrival within a process. A caller who gives up
while queued has no effect; one whose batch is under way is told that the outcome is unknown.

Orders arrive here in batches already (orders/queue.py); payments, cancellations and reservations of others meet here.

Costs: a lone caller pays a queue operation. The queue is bounded (`STOCK_GROUP_QUEUE`): past it, busy at once.

Use it: it is the default. On one hot row with a synced log it is what lets a thousand orders share one sync. The
classic mistakes: a timer; a leader that keeps committing for others and is never answered itself; waiting for others
with locks held; duplicates in one batch; no bound.
"""

from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings

from charites.common.batches import Batches, Bounds
from charites.common.callers import Unserved
from stock.moves import BUSY, UNKNOWN, Move, Outcome, Participant
from stock.strategies.atomic_update import AtomicUpdate
from stock.strategies.strategy import Strategy

UNSERVED = {Unserved.FULL: BUSY, Unserved.LATE: BUSY, Unserved.UNKNOWN: UNKNOWN}


class Queued(NamedTuple):
    """A move in the queue, and whose rows go with it."""

    move: Move
    participant: Participant


class GroupCommit(Strategy):
    """One instance per process: its queue is where the process's moves meet."""

    name = "group_commit"

    def __init__(self, inner: Strategy | None = None) -> None:
        self._inner = inner or AtomicUpdate()
        self.batches: Batches[Queued, Outcome] = Batches(self.name, self._commit, bounds, have_one_participant)

    def move(self, moves: Sequence[Move], participant: Participant) -> list[Outcome]:
        queued = [Queued(move, participant) for move in moves]
        outcomes = self.batches.call(queued, seconds=settings.STOCK_GROUP_WAIT_SECONDS)
        return [UNSERVED[outcome] if isinstance(outcome, Unserved) else outcome for outcome in outcomes]

    def _commit(self, batch: Sequence[Queued]) -> list[Outcome]:
        """Duplicates among them are told apart by the strategy inside, which puts the later one into a transaction of
        its own."""
        return self._inner.move([queued.move for queued in batch], batch[0].participant)


def bounds() -> Bounds:
    return Bounds(settings.STOCK_GROUP_CAP, settings.STOCK_GROUP_QUEUE)


def have_one_participant(first: Queued, other: Queued) -> bool:
    return first.participant == other.participant
