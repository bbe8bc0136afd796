"""The transaction that every set-based strategy shares: read, write the rows, then the guarded update.

How it goes, for a batch of moves:

1. `writer.settle` answers what was done before; no transaction for those.
2. BEGIN. Read what is available of each goods, in one SELECT (locked or not, here or just before: the strategies
   differ in it).
3. First fit, in order of arrival, whole orders: one that does not fit is refused and blocks nobody behind it.
4. `writer.write` stores the caller's rows and the stock records.
5. One guarded UPDATE a goods, in goods_id order: it moves the counts only where none falls below zero.
6. COMMIT.

A guard that did not match (the hint was stale), a deadlock or a lock wait undoes all of it; the next try reads the
stock rows under lock. An error of one move bisects the batch. A COMMIT whose reply was lost is settled by
locking reads.
"""

import math
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone
from prometheus_client import Counter

from charites.common.errors import OutcomeUnknown
from stock.errors import NotEnoughStock, StockBusy, StockNotFound
from stock.models import Stock
from stock.strategies.contract import OK, REPEATED, Line, Move, Outcome, Status, Strategy, Writer

log = structlog.get_logger(__name__)

BUSY = Outcome(Status.BUSY, StockBusy())
UNKNOWN = Outcome(Status.UNKNOWN, OutcomeUnknown())
# Deadlock, lock wait, changed since the snapshot; connection cut before COMMIT was sent.
RETRYABLE = {1213, 1205, 1020, 2006, 2013}
PAUSE_SECONDS, MOST_DOUBLINGS = 0.002, 6

RETRIES = Counter("charites_stock_retries", "Batches of moves that had to be tried again.", ["strategy", "reason"])


class Stale(Exception):
    """A guarded update matched no row: what was read is no longer true."""


class NestedTransaction(RuntimeError):
    """Stock was moved inside somebody's transaction, whose locks and retries are then nobody's."""


class Reading(NamedTuple):
    """A stock row as it was read."""

    goods_id: int
    available: int
    reserved: int
    sold: int
    version: int


class Guarded(Strategy):
    """A batch in one transaction. Subclasses choose how stock is read and written, and what surrounds that."""

    reads_ahead = False  # the first reading comes before the transaction: a refusal then needs none
    locks_first_read = False
    locks_next_reads = True
    gave_up = BUSY  # what callers are told when every try met a stale reading

    @property
    def tries(self) -> int:
        """How often a batch is tried before its callers are told that the stock is busy."""
        return int(settings.STOCK_TRIES)

    @property
    def deadline_seconds(self) -> float:
        """After this long no further try is begun."""
        return float(settings.STOCK_DEADLINE_SECONDS)

    def read(self, goods_ids: Sequence[int], *, lock: bool) -> dict[int, Reading]:
        """Reads the goods that moves of the batch take from, before anything is written."""
        return read_stock(goods_ids, lock=lock)

    def change(self, change: Line, reading: Reading | None) -> bool:
        """Moves the counts of one goods; False when what was read is no longer true. Without a reading (nobody takes
        from the goods: pay and close) every strategy writes as `atomic_update` does."""
        return add(change)

    def transaction(self) -> AbstractContextManager[None]:
        """What holds rows and stock together: the outermost transaction."""
        return transaction.atomic(durable=True)

    def move(self, moves: Sequence[Move], writer: Writer) -> list[Outcome]:
        refuse_nested()
        outcomes: dict[Move, Outcome] = {}
        for batch in without_twins(moves):
            outcomes |= self._round(batch, writer)
        return [outcomes[move] for move in moves]

    def _round(self, moves: list[Move], writer: Writer) -> dict[Move, Outcome]:
        """One batch without twins, with whatever a strategy puts around all of its tries."""
        return self._batch(moves, writer)

    def _batch(self, moves: list[Move], writer: Writer) -> dict[Move, Outcome]:
        """Settles, then tries until done, out of tries, or out of time."""
        settled: dict[Move, Outcome] | None = None
        gave_up = BUSY
        deadline = time.monotonic() + self.deadline_seconds
        for attempt in range(self.tries):
            committing = False
            try:
                if settled is None:
                    settled = writer.settle(moves)
                todo = [move for move in moves if move not in settled]
                if not todo:
                    return settled
                if attempt and is_mixed(todo):
                    return settled | self._apart(todo, writer)
                ahead = self._read_for(todo, lock=False) if self.reads_ahead and not attempt else None
                if ahead is not None and not (hinted := first_fit(todo, ahead))[0]:
                    return settled | hinted[1]
                with self.transaction():
                    readings = self._read_for(todo, lock=self._locks(attempt)) if ahead is None else ahead
                    outcomes = self.apply(todo, writer, readings)
                    committing = True
                return settled | outcomes
            except (Stale, OperationalError, InterfaceError) as error:
                drop_broken_connection()
                if committing:
                    return (settled or {}) | settle_commits(todo, writer)
                count_retry(self.name, error)
                gave_up = self.gave_up if isinstance(error, Stale) else BUSY
                if not is_retryable(error) or time.monotonic() > deadline:
                    break
                pause(attempt)
            except Exception as error:  # noqa: BLE001 (whatever the writer raises is one move's, never its neighbours')
                return (settled or {}) | self._bisect([m for m in moves if m not in (settled or {})], writer, error)
        return {move: (settled or {}).get(move, gave_up) for move in moves}

    def _locks(self, attempt: int) -> bool:
        return self.locks_next_reads if attempt else self.locks_first_read

    def _read_for(self, moves: Sequence[Move], *, lock: bool) -> dict[int, Reading]:
        """Reads what the moves take from. Those that take nothing lock their order and records before stock rows, so
        for them nothing is read."""
        goods_ids = sorted({line.goods_id for move in moves if move.step.takes for line in move.lines})
        return self.read(goods_ids, lock=lock) if goods_ids else {}

    def apply(self, moves: list[Move], writer: Writer, readings: dict[int, Reading]) -> dict[Move, Outcome]:
        """The inside of the transaction: rows first, stock rows last."""
        fitting, outcomes = first_fit(moves, readings)
        if fitting:
            applied = writer.write(fitting)
            for goods_id, change in sorted(totals(applied).items()):
                if not self.change(change, readings.get(goods_id)):
                    raise Stale(goods_id)
            effective = {move.order_id for move in applied}
            outcomes |= {move: OK if move.order_id in effective else REPEATED for move in fitting}
        return outcomes

    def _apart(self, moves: list[Move], writer: Writer) -> dict[Move, Outcome]:
        """Moves that take stock, and the others, each by themselves: they lock in different orders."""
        takers = [move for move in moves if move.step.takes]
        others = [move for move in moves if not move.step.takes]
        return self._batch(takers, writer) | self._batch(others, writer)

    def _bisect(self, moves: list[Move], writer: Writer, error: Exception) -> dict[Move, Outcome]:
        """Halves the batch until the move that raised stands alone. It may be the late one of two twins."""
        if len(moves) > 1:
            half = len(moves) // 2
            return self._batch(moves[:half], writer) | self._batch(moves[half:], writer)
        try:
            return {move: writer.settle([move]).get(move, Outcome(Status.FAILED, error)) for move in moves}
        except (OperationalError, InterfaceError):
            return dict.fromkeys(moves, BUSY)
        except Exception as unsettled:  # noqa: BLE001 (as above)
            return dict.fromkeys(moves, Outcome(Status.FAILED, unsettled))


def refuse_nested() -> None:
    """Raises NestedTransaction inside a transaction that is not a test case's own."""
    blocks = connection.atomic_blocks
    if connection.in_atomic_block and not getattr(blocks[-1] if blocks else None, "_from_testcase", False):
        raise NestedTransaction("Stock is moved outside of transactions: the strategy owns the outermost one.")


def without_twins(moves: Sequence[Move]) -> list[list[Move]]:
    """Splits the moves, in order, into batches in which every key and every order occurs once."""
    batches: list[list[Move]] = []
    seen: set[object] = set()
    for move in moves:
        names = {("key", move.key), ("order", move.order_id)}
        if not batches or names & seen:
            batches.append([])
            seen = set()
        batches[-1].append(move)
        seen |= names
    return batches


def first_fit(moves: Sequence[Move], readings: Mapping[int, Reading]) -> tuple[list[Move], dict[Move, Outcome]]:
    """Grants stock in order of arrival, whole orders only; returns the moves that fit and the refusals."""
    left, fitting, refused = {goods_id: reading.available for goods_id, reading in readings.items()}, [], {}
    for move in moves:
        short = next((line for line in move.lines if -line.available > left.get(line.goods_id, 0)), None)
        if short is not None:
            refused[move] = refusal(short, left)
            continue
        for line in move.lines:
            if line.available < 0:
                left[line.goods_id] += line.available
        fitting.append(move)
    return fitting, refused


def refusal(line: Line, left: dict[int, int]) -> Outcome:
    """Says why a line does not fit."""
    if line.goods_id not in left:
        return Outcome(Status.FAILED, StockNotFound(goods_id=line.goods_id))
    error = NotEnoughStock(goods_id=line.goods_id, requested=-line.available, available=left[line.goods_id])
    return Outcome(Status.NOT_ENOUGH, error)


def read_stock(goods_ids: Sequence[int], *, lock: bool) -> dict[int, Reading]:
    """Returns the stock rows by goods_id, in one SELECT, locked in goods_id order if asked."""
    rows = Stock.objects.filter(goods_id__in=goods_ids).order_by("goods_id")
    if lock:
        rows = rows.select_for_update()
    return {row[0]: Reading(*row) for row in rows.values_list(*Reading._fields)}


def totals(moves: Iterable[Move]) -> dict[int, Line]:
    """Adds up the changes a goods."""
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for move in moves:
        for line in move.lines:
            change = sums[line.goods_id]
            change[0] += line.available
            change[1] += line.reserved
            change[2] += line.sold
    return {goods_id: Line(goods_id, *change) for goods_id, change in sums.items() if any(change)}


def add(change: Line) -> bool:
    """The guarded UPDATE: moves the counts where none falls below zero, and raises the version. True if it did.

    UPDATE shopping_stock SET num = num + ?, `lock` = `lock` + ?, sold = sold + ?, version = version + 1
    WHERE goods_id = ? AND num >= ? AND `lock` >= ?
    """
    changes = {"available": change.available, "reserved": change.reserved, "sold": change.sold}
    guards = {f"{column}__gte": -delta for column, delta in changes.items() if delta < 0}
    moved = {column: F(column) + delta for column, delta in changes.items() if delta}
    rows = Stock.objects.filter(goods_id=change.goods_id, **guards)
    return rows.update(**moved, version=F("version") + 1, updated_at=timezone.now()) == 1


def add_if_unchanged(change: Line, reading: Reading) -> bool:
    """The same relative UPDATE, where the row still has the version that was read. True if it did."""
    rows = Stock.objects.filter(goods_id=change.goods_id, version=reading.version)
    return (
        rows.update(
            available=F("available") + change.available,
            reserved=F("reserved") + change.reserved,
            sold=F("sold") + change.sold,
            version=F("version") + 1,
            updated_at=timezone.now(),
        )
        == 1
    )


def write_computed(change: Line, reading: Reading) -> bool:
    """The mistake of the unsafe strategies: the new counts are computed from what was read, some time ago."""
    Stock.objects.filter(goods_id=change.goods_id).update(
        available=reading.available + change.available,
        reserved=reading.reserved + change.reserved,
        sold=reading.sold + change.sold,
        version=F("version") + 1,
        updated_at=timezone.now(),
    )
    return True


def is_mixed(moves: Sequence[Move]) -> bool:
    """Whether some moves take stock and others do not."""
    return len({move.step.takes for move in moves}) > 1


def is_retryable(error: Exception) -> bool:
    """Whether the whole transaction may simply be run again."""
    return isinstance(error, Stale) or (bool(error.args) and error.args[0] in RETRYABLE)


def settle_commits(moves: Sequence[Move], writer: Writer) -> dict[Move, Outcome]:
    """Asks for each move by itself. A database that stays away is not asked again for every move of a batch."""
    deadline = time.monotonic() + settings.STOCK_DEADLINE_SECONDS
    return {move: settle_commit(move, writer, deadline=deadline) for move in moves}


def settle_commit(move: Move, writer: Writer, *, deadline: float = math.inf) -> Outcome:
    """Asks, by a locking read, whether a commit whose reply was lost happened. UNKNOWN when that cannot be read."""
    for attempt in range(settings.STOCK_TRIES):
        if time.monotonic() > deadline:
            break
        try:
            with transaction.atomic(durable=True):
                return writer.find(move)
        except Exception as error:  # noqa: BLE001 (it may have been committed: no error may claim that it was not)
            drop_broken_connection()
            log.warning("commit_unsettled", order_id=move.order_id, attempt=attempt, error=repr(error))
            pause(attempt)
    return UNKNOWN


def drop_broken_connection() -> None:
    """Lets the next statement open a new connection where this one is cut. A test case's transaction stays open."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def count_retry(strategy: str, error: Exception) -> None:
    """Counts why a batch has to be tried again."""
    reason = {1213: "deadlock", 1205: "lock_wait"}.get(error.args[0] if error.args else 0, "other")
    RETRIES.labels(strategy, "stale" if isinstance(error, Stale) else reason).inc()


def pause(attempt: int) -> None:
    """Exponential back-off with full jitter: 0-2 ms, 0-4 ms, 0-8 ms, ... 0-128 ms."""
    time.sleep(random.uniform(0, PAUSE_SECONDS * 2 ** min(attempt, MOST_DOUBLINGS)))
