"""The contract between stock, its strategies and whoever moves stock.

A strategy owns the outermost transaction of a batch of moves. Inside it calls the writer, which stores the caller's
rows, and then changes the stock rows: rows first, stock rows last, once each, in goods_id order. The reason is in
docs/adr/0002-stock-owns-the-transaction.md.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, NamedTuple, Protocol


class Step(Enum):
    """What a move does to the stock records of its order."""

    RESERVE = "reserved"
    CONFIRM = "confirmed"
    ROLL_BACK = "rolled back"
    DEDUCT = "deducted"  # without an order

    @property
    def takes(self) -> bool:
        """Whether the step needs available stock."""
        return self in (Step.RESERVE, Step.DEDUCT)


class Line(NamedTuple):
    """Changes to one goods, in pieces."""

    goods_id: int
    available: int = 0
    reserved: int = 0
    sold: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """One order's change of stock.

    `lines` are merged and sorted by goods_id. A step that ends a reservation (confirm, roll back) carries no
    quantities: the records know them. `key` names twins: two moves with one key never share a batch. `payload` is
    the caller's; stock does not look into it.
    """

    order_id: int
    step: Step
    lines: tuple[Line, ...]
    key: Hashable
    payload: Any = None


def reserve(order_id: int, quantities: Mapping[int, int], *, key: Hashable = None, payload: Any = None) -> Move:
    """Available stock becomes reserved. `quantities`: goods_id -> pieces."""
    lines = (Line(goods_id, -number, number, 0) for goods_id, number in sorted(quantities.items()))
    return Move(order_id, Step.RESERVE, tuple(lines), order_id if key is None else key, payload)


def confirm(order_id: int, *, payload: Any = None) -> Move:
    """What the order reserved becomes sold."""
    return Move(order_id, Step.CONFIRM, (), order_id, payload)


def roll_back(order_id: int, *, goods_ids: Iterable[int] = (), payload: Any = None) -> Move:
    """What the order reserved becomes available again. For each of `goods_ids` without a record a tombstone is
    left, so that a reservation that arrives later is refused."""
    return Move(order_id, Step.ROLL_BACK, tuple(map(Line, sorted(set(goods_ids)))), order_id, payload)


def deduct(receipt_id: int, quantities: Mapping[int, int]) -> Move:
    """Available stock becomes sold at once, under a receipt instead of an order."""
    lines = (Line(goods_id, -number, 0, number) for goods_id, number in sorted(quantities.items()))
    return Move(receipt_id, Step.DEDUCT, tuple(lines), receipt_id)


class Status(Enum):
    OK = "ok"
    REPEATED = (
        "repeated"  # nothing to do: it was done before, or its order has left the state that the move starts from
    )
    NOT_ENOUGH = "not enough"
    BUSY = "busy"  # without effect; may be tried again
    FAILED = "failed"
    UNKNOWN = "unknown"  # the reply to COMMIT was lost and no read could settle it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a move. `error` says why for everything but OK and REPEATED."""

    status: Status
    error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.status in (Status.OK, Status.REPEATED)


OK = Outcome(Status.OK)
REPEATED = Outcome(Status.REPEATED)


class Writer(Protocol):
    """The caller's part of a move. Stateless: one batch may hold moves of many callers, as long as their writers are
    equal. So make one and keep it."""

    def settle(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        """Answers repeats of stored keys, before any transaction. Moves that it does not know are left out."""

    def write(self, moves: Sequence[Move]) -> list[Move]:
        """Stores the rows of the moves with set-based SQL: inside the transaction, no network, safe to run again.

        Returns the moves that take effect; one that is left out is answered as REPEATED. Raises for a move that is
        wrong: the batch is then bisected, and only that move fails.
        """

    def find(self, move: Move) -> Outcome:
        """Settles an unknown commit by a locking read: OK or REPEATED when it is there, BUSY when it is not."""


class Strategy(ABC):
    """A way to take stock. Safe for threads; one instance a process."""

    name: ClassVar[str]
    safe: ClassVar[bool] = True

    @abstractmethod
    def move(self, moves: Sequence[Move], writer: Writer) -> list[Outcome]:
        """Applies the moves and returns one outcome each, in order; never raises for one of them.

        Call it outside any transaction: it owns the outermost one, and may run all of it again.
        """
