"""The contract between stock, its strategies and whoever moves stock.

A strategy owns the outermost transaction of a batch of moves. Inside it calls the participant, which stores the
caller's rows, and then changes the stock rows: rows first, stock rows last, once each, in goods_id order. The reason is
in docs/adr/0002-stock-owns-the-transaction.md.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol

import structlog
from django.db import Error

from charites.common.errors import InternalError, Invalid, OutcomeUnknown, ServiceError
from charites.common.transactions import Limits, Undone, Unit, run_set
from stock.errors import StockBusy
from stock.models import SHOP

log = structlog.get_logger(__name__)


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
    """Changes to one product, in pieces."""

    goods_id: int
    available: int = 0
    reserved: int = 0
    sold: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """One order's change of stock.

    `lines` are merged and sorted by goods_id. A step that ends a reservation (confirm, roll back) carries no
    quantities: the records know them. `key` names duplicates: two moves with one key never share a batch. `payload` is
    the caller's; stock does not look into it. `owner`: who asks for it; only who reserved ends a reservation.
    """

    order_id: int
    step: Step
    lines: tuple[Line, ...]
    key: Hashable
    payload: Any = None
    owner: str = SHOP


def reserve(
    order_id: int, quantities: Mapping[int, int], *, key: Hashable = None, payload: Any = None, owner: str = SHOP
) -> Move:
    """Available stock becomes reserved. `quantities`: goods_id -> pieces."""
    lines = (Line(goods_id, -number, number, 0) for goods_id, number in sorted(quantities.items()))
    return Move(order_id, Step.RESERVE, tuple(lines), order_id if key is None else key, payload, owner)


def confirm(order_id: int, *, payload: Any = None, owner: str = SHOP) -> Move:
    """What the order reserved becomes sold."""
    return Move(order_id, Step.CONFIRM, (), order_id, payload, owner)


def roll_back(order_id: int, *, goods_ids: Iterable[int] = (), payload: Any = None, owner: str = SHOP) -> Move:
    """What the order reserved becomes available again. For each of `goods_ids` without a record a tombstone is
    left, so that a reservation that arrives later is refused."""
    return Move(order_id, Step.ROLL_BACK, tuple(map(Line, sorted(set(goods_ids)))), order_id, payload, owner)


def deduct(receipt_id: int, quantities: Mapping[int, int], *, owner: str = SHOP) -> Move:
    """Available stock becomes sold at once, under a receipt instead of an order."""
    lines = (Line(goods_id, -number, 0, number) for goods_id, number in sorted(quantities.items()))
    return Move(receipt_id, Step.DEDUCT, tuple(lines), receipt_id, owner=owner)


class Status(Enum):
    OK = "ok"
    REPEATED = (
        "repeated"  # nothing to do: it was done before, or its order has left the state that the move starts from
    )
    NOT_ENOUGH = "not enough"
    LIMITED = "limited"  # stock is left, but the caller's own rules say no
    BUSY = "busy"  # without effect; may be tried again
    FAILED = "failed"
    UNKNOWN = "unknown"  # the reply to COMMIT was lost and no read could tell


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a move. `error` and `details` say why for everything but OK and REPEATED.

    A class and its data, not an exception: those hold the stack they were raised on, and with it a whole request.
    """

    status: Status
    error: type[Exception] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return self.status in (Status.OK, Status.REPEATED)

    @property
    def words(self) -> str:
        """The error for people who look at this program, in a line; empty without one."""
        return f"{self.error.__name__}({dict(self.details) or ''})" if self.error else ""

    def as_error(self) -> Exception | None:
        """Makes the error, for whoever raises it; one that nobody foresaw stays inside."""
        if self.error is None or issubclass(self.error, ServiceError):
            return self.error(**self.details) if self.error else None
        return InternalError()


OK = Outcome(Status.OK)
REPEATED = Outcome(Status.REPEATED)
BUSY = Outcome(Status.BUSY, StockBusy)
UNKNOWN = Outcome(Status.UNKNOWN, OutcomeUnknown)


def failed(error: Exception) -> Outcome:
    """A move that cannot be carried out. What nobody foresaw is logged here, where its stack is known."""
    if isinstance(error, Invalid):
        return Outcome(Status.FAILED, Invalid, {"reason": error.text, **error.details})
    if isinstance(error, ServiceError):
        return Outcome(Status.FAILED, type(error), error.details)
    log.error("move_failed", exc_info=error)
    return Outcome(Status.FAILED, type(error))


class Rules:
    """The caller's own rules about the moves of one batch, asked for one after the other; these let all of them pass.
    Whoever is refused takes nothing, neither of the stock nor of what the rules grant."""

    def refusal(self, move: Move) -> Outcome | None:
        """Why a move may not be; None if it may, by what was granted so far."""
        return None

    def grant(self, move: Move) -> None:
        """Notes a move that will be."""


NO_RULES = Rules()


class Participant(Protocol):
    """The caller's part of a move. Stateless: one batch may hold moves of many callers, as long as their participants
    are equal. So make one and keep it."""

    def rules(self, moves: Sequence[Move]) -> Rules:
        """Inside the transaction, before stock is looked at: reads, and locks, what decides over these moves."""

    def settle(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        """Answers repeats of stored keys, before any transaction. Moves that it does not know are left out."""

    def write(self, moves: Sequence[Move]) -> list[Move]:
        """Stores the rows of the moves with set-based SQL: inside the transaction, no network, safe to run again.

        Returns the moves that take effect; one that is left out is answered as REPEATED. Raises for a move that is
        wrong: the batch is then bisected, and only that move fails.
        """

    def find(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        """Tells, by locking reads, which of the moves are there after a COMMIT without a reply. The others are not."""


class MoveUnit(Unit[Move, Outcome]):
    """Moves and their participant as the runner of transactions takes them; `work` is left to those who use it."""

    can_find = True

    def __init__(self, name: str, participant: Participant) -> None:
        self.name, self.participant = name, participant

    def before(self, moves: Sequence[Move], attempt: int) -> dict[Move, Outcome]:
        return self.participant.settle(moves)

    def find(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        return self.participant.find(moves)

    def undone(self, move: Move, how: Undone, error: Exception) -> Outcome:
        match how:
            case Undone.REFUSED:
                return failed(error)
            case Undone.BUSY:
                return BUSY
        return UNKNOWN

    def apart(self, moves: Sequence[Move]) -> list[Sequence[Move]]:
        """Moves that take stock, and the others: when they are run again, they lock in different orders."""
        takers = [move for move in moves if move.step.takes]
        others = [move for move in moves if not move.step.takes]
        return [part for part in (takers, others) if part]


def run_moves(moves: Sequence[Move], unit: MoveUnit, limits: Limits | None = None) -> list[Outcome]:
    """Runs moves in one transaction; duplicates come after it, each in its turn. One outcome per move, in order."""
    outcomes: dict[Move, Outcome] = {}
    todo = list(moves)
    while todo:
        batch, later = without_duplicates(todo)
        outcomes |= run_set(batch, unit, limits)
        if later:
            outcomes |= settle_again(later, unit)
        todo = [move for move in later if move not in outcomes]
    return [outcomes[move] for move in moves]


def without_duplicates(moves: Sequence[Move]) -> tuple[list[Move], list[Move]]:
    """The moves whose key and order come for the first time, and the others, both in order of arrival."""
    first: list[Move] = []
    later: list[Move] = []
    seen: set[object] = set()
    for move in moves:
        names = {("key", move.key), ("order", move.order_id)}
        (later if names & seen else first).append(move)
        seen |= names
    return first, later


def settle_again(moves: Sequence[Move], unit: MoveUnit) -> dict[Move, Outcome]:
    """Answers the repeats of what has just been done, all at once: a hundred calls with one key are one transaction."""
    try:
        return unit.participant.settle(moves)
    except Error as error:
        log.warning("repeats_unsettled", moves=len(moves), error=repr(error))
        return {}  # each will hear of it in a transaction of its own
