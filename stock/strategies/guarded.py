"""What every strategy but the coalescer shares: one batch of moves from BEGIN to COMMIT, read, written, guarded.

1. The participant answers what was done before; no transaction for those.
2. BEGIN. The participant reads what its own rules go by. Then what is available of each product, in one SELECT (locked
   or not, here or before step 1: the strategies differ in it).
3. First fit, in order of arrival, whole orders: one that does not fit, or may not be, is refused and blocks nobody
   behind it.
4. The participant stores the caller's rows and the stock records.
5. A guarded UPDATE of the stock rows, in goods_id order: it moves the counts only where none falls below zero. Where
   the strategy allows it, it is one statement for all of them; a second try has one a row, which tells them apart.
6. COMMIT.

A guard that did not match (the reading was stale), a deadlock or a lock wait undoes all of it; the next try reads the
stock rows under lock. Where nothing was read, the row is not what its records say, and no next try helps. That, the
search for the one bad move of a batch, and what a COMMIT without a reply means, is `charites/common/transactions.py`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from charites.common import hints
from charites.common.transactions import Limits, Stale, Undone, outermost
from stock import sold_out
from stock.announcements import Change, announce_changes
from stock.errors import NotEnoughStock, StockNotFound
from stock.moves import (
    BUSY,
    NO_RULES,
    OK,
    REPEATED,
    Line,
    Move,
    MoveUnit,
    Outcome,
    Participant,
    Rules,
    Status,
    run_moves,
)
from stock.strategies.statements import Reading, add, add_all, read_stock, totals
from stock.strategies.strategy import Strategy


class RecordsDisagree(RuntimeError):
    """A stock row does not hold what the records say is reserved of it: a defect, and no reason to try again."""


class Guarded(Strategy):
    """Subclasses choose how stock is read and written, and what surrounds that."""

    reads_ahead = False  # the first reading comes before the transaction: a refusal then needs none
    locks_first_read = False
    locks_next_reads = True
    limits: Limits | None = None  # None: as every transaction's
    gave_up = BUSY  # what callers are told when every try met a stale reading
    begin: Callable[[], AbstractContextManager[None]] = staticmethod(outermost)  # what holds rows and stock together

    def move(self, moves: Sequence[Move], participant: Participant) -> list[Outcome]:
        batch = Batch(self, participant)
        try:
            return run_moves(moves, batch, self.limits)
        finally:
            sold_out.forget(batch.returned)
            hints.tell(goods=batch.changed)

    def change(self, change: Line, reading: Reading | None) -> int | None:
        """Moves the counts of one product; returns what is available then, or None when what was read is no longer
        true. Without a reading (nobody takes from the goods: pay and close) every strategy writes as `atomic_update`
        does. Where it is not another one's, a first try changes all products by one statement instead."""
        return add(change)


class Batch(MoveUnit):
    """Moves under one strategy."""

    def __init__(self, strategy: Guarded, participant: Participant) -> None:
        super().__init__(strategy.name, participant)
        self.begin = strategy.begin
        self._strategy = strategy
        self._hint: dict[int, Reading] | None = None  # what was read before BEGIN
        self.returned: set[int] = set()  # goods of which some may be available again
        self.changed: set[int] = set()

    def work(self, moves: Sequence[Move], attempt: int) -> dict[Move, Outcome]:
        """The heart: between BEGIN and COMMIT, which `run_set` sends."""
        rules = self.participant.rules(moves)
        readings = self._hint if self._hint is not None else self._read(moves, lock=self._locks(attempt))
        fitting, outcomes = first_fit(moves, readings, rules)
        if outcomes and (self._hint is None or any_limited(outcomes)):
            outcomes |= self.participant.settle(
                list(outcomes)
            )  # see `before`: a key is looked up after what refused it
        if not fitting:
            return outcomes
        applied = self.participant.write(fitting)
        changes = totals(applied)
        self.changed |= {change.goods_id for change in changes}
        self.returned |= {change.goods_id for change in changes if change.available > 0}
        if len(changes) > 1 and not attempt and type(self._strategy).change is Guarded.change:
            announce_changes(self._change_all(changes, readings))
        else:
            announce_changes([self._change(change, readings.get(change.goods_id)) for change in changes])
        effective = {move.order_id for move in applied}
        return outcomes | {move: OK if move.order_id in effective else REPEATED for move in fitting}

    def _change_all(self, changes: Sequence[Line], readings: Mapping[int, Reading]) -> Iterator[Change]:
        """In one statement, which does not tell which row was another than expected."""
        if not add_all(changes):
            raise Stale([change.goods_id for change in changes]) if readings else RecordsDisagree(changes)
        return as_changed(changes)

    def _change(self, change: Line, reading: Reading | None) -> Change:
        available = self._strategy.change(change, reading)
        if available is None:
            raise Stale(change.goods_id) if reading else RecordsDisagree(change)
        return Change(change.goods_id, change.available, available)

    def before(self, moves: Sequence[Move], attempt: int) -> dict[Move, Outcome]:
        """Repeats, and (only as a hint, before the first try) what obviously does not fit.

        The stock first, then the keys: who is told "not enough" while another call with the same key takes the last
        piece would else believe that there is no order.
        """
        reads_ahead = self._strategy.reads_ahead and not attempt
        self._hint = self._read(moves, lock=False) if reads_ahead else None
        answered = super().before(moves, attempt)
        todo = [move for move in moves if move not in answered]
        if todo and self._hint is not None:
            fitting, refused = first_fit(todo, self._hint)
            if not fitting:
                return answered | refused
        return answered

    def undone(self, move: Move, how: Undone, error: Exception) -> Outcome:
        if how is Undone.BUSY and isinstance(error, Stale):
            return self._strategy.gave_up
        return super().undone(move, how, error)

    def _locks(self, attempt: int) -> bool:
        return self._strategy.locks_next_reads if attempt else self._strategy.locks_first_read

    @staticmethod
    def _read(moves: Sequence[Move], *, lock: bool) -> dict[int, Reading]:
        """Reads what the moves take from. Those that take nothing lock their order and records before stock rows, so
        for them nothing is read."""
        read_at = time.monotonic()
        readings = read_stock(goods_taken(moves), lock=lock)
        empty = [goods_id for goods_id, reading in readings.items() if reading.available <= 0]
        sold_out.note(empty, read_at=read_at)
        return readings


def as_changed(changes: Sequence[Line]) -> Iterator[Change]:
    """Rows that this transaction has changed, read when somebody asks what they hold now."""
    readings = read_stock([change.goods_id for change in changes], lock=False)
    for change in changes:
        yield Change(change.goods_id, change.available, readings[change.goods_id].available)


def goods_taken(moves: Sequence[Move]) -> list[int]:
    """The goods that moves take stock of, in order."""
    return sorted({line.goods_id for move in moves if move.step.takes for line in move.lines})


def any_limited(outcomes: Mapping[Move, Outcome]) -> bool:
    return any(outcome.status is Status.LIMITED for outcome in outcomes.values())


def first_fit(
    moves: Sequence[Move], readings: Mapping[int, Reading], rules: Rules = NO_RULES
) -> tuple[list[Move], dict[Move, Outcome]]:
    """Grants stock in order of arrival, whole orders only; returns the moves that fit and the refusals."""
    left, fitting, refused = {goods_id: reading.available for goods_id, reading in readings.items()}, [], {}
    for move in moves:
        if limited := rules.refusal(move):
            refused[move] = limited
            continue
        short = next((line for line in move.lines if -line.available > left.get(line.goods_id, 0)), None)
        if short is not None:
            refused[move] = refusal(short, left)
            continue
        for line in move.lines:
            if line.available < 0:
                left[line.goods_id] += line.available
        rules.grant(move)
        fitting.append(move)
    return fitting, refused


def refusal(line: Line, left: Mapping[int, int]) -> Outcome:
    """Says why a line does not fit."""
    if line.goods_id not in left:
        return Outcome(Status.FAILED, StockNotFound, {"goods_id": line.goods_id})
    words = {"goods_id": line.goods_id, "requested": -line.available, "available": left[line.goods_id]}
    return Outcome(Status.NOT_ENOUGH, NotEnoughStock, words)
