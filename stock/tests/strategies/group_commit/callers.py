"""Callers of one coalescer, and a participant that stops its batch for as long as a test wants."""

import contextlib
import threading
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from charites.common.batches import Turn
from charites.common.callers import Unserved
from lab.kit.interleaving import TIMEOUT_SECONDS, Background
from lab.kit.participants import NoteParticipant
from lab.kit.processes.shop import wait_until
from stock.moves import Move, Outcome, Status, reserve
from stock.records import RecordParticipant
from stock.strategies.group_commit import UNSERVED, GroupCommit, Queued


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

        before = len(group.batches._queue)
        caller = self._stack.enter_context(Background(run))
        came.wait(TIMEOUT_SECONDS)
        if group.batches._turn is not Turn.NOBODY:
            wait_until(
                lambda: not caller.is_running or len(group.batches._queue) > before,
                seconds=TIMEOUT_SECONDS,
                what="a place",
            )
        return caller

    def lead(self, order_id: int) -> Background:
        """Starts the caller who finds nobody at work, and returns when its batch has begun."""
        caller = self._stack.enter_context(
            Background(lambda: self.group.move([reserve(order_id, {1: 1})], RecordParticipant(self.participant)))
        )
        self.participant.await_arrival(order_id)
        return caller


def one(order_id: int, pieces: int = 1, **changes: Any) -> Move:
    return reserve(order_id, {1: pieces}, **changes)


def statuses(caller: Background) -> list[Status]:
    return [outcome.status for outcome in caller.result()]


async def amove(group: GroupCommit, moves: Sequence[Move], participant: NoteParticipant) -> list[Outcome]:
    """Moves from asyncio, through the same queue."""
    queued = [Queued(move, RecordParticipant(participant)) for move in moves]
    outcomes = await group.batches.acall(queued, seconds=settings.STOCK_GROUP_WAIT_SECONDS)
    return [UNSERVED[outcome] if isinstance(outcome, Unserved) else outcome for outcome in outcomes]
