"""The one place where a transaction begins. Its intents by name, and the runner that knows how each one ended.

`outermost`: BEGIN to COMMIT here, never inside another. `required`: inside the caller's. `joined`: there, or
in one of its own. `after_commit`: once it has.

`run` (one thing) and `run_set` (many) begin an outermost transaction and see it to its end:

    before ──> BEGIN ── work ── COMMIT ──> done
                 │       │        └─ no reply ── a locking read ──> done, busy, or unknown
                 │       └─ any other error ── in halves, until the one item that raised stands alone ──> refused
                 └─ deadlock, lock wait, stale reading, cut connection ── all of it again, bounded ──> busy

Busy is said only where no COMMIT was sent, or where a locking read found nothing.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from typing import Generic, NamedTuple, NoReturn, TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from prometheus_client import Counter

from charites.common import tracing
from charites.common.errors import OutcomeUnknown, Why, busy, is_outage

log = structlog.get_logger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

# Deadlock, lock wait, changed since the snapshot; connection cut before COMMIT was sent.
RETRYABLE = {1213: "deadlock", 1205: "lock_wait", 1020: "stale", 1927: "cut", 2006: "cut", 2013: "cut"}
PAUSE_SECONDS, MOST_DOUBLINGS = 0.002, 6
RETRIES = Counter("charites_transaction_retries", "Transactions that had to be run again.", ["work", "reason"])


class Undone(Enum):
    """How a transaction ended that is not known to be done."""

    REFUSED = "refused"  # its work raised: nothing of it was written
    BUSY = "busy"  # nothing was written; the same call may be made again
    UNKNOWN = "unknown"  # COMMIT was sent, its reply is missing, and no read could tell


class Stale(Exception):
    """What was read is no longer true. Work raises it to have all of it run again."""


class NestedTransaction(RuntimeError):
    """An outermost transaction was begun inside another one, whose locks and retries are then nobody's."""


class NoTransaction(RuntimeError):
    """Something was written outside of the transaction that it belongs to."""


class Limits(NamedTuple):
    """How long a transaction is run again and again."""

    tries: int
    seconds: float


class Budget(NamedTuple):
    """What is left of them to one call, its parts and halves included."""

    limits: Limits
    deadline: float  # of the monotonic clock

    def is_spent(self, attempts: int) -> bool:
        return attempts >= self.limits.tries or time.monotonic() > self.deadline


@contextmanager
def outermost() -> Iterator[None]:
    """BEGIN ... COMMIT. Raises NestedTransaction inside another one, but for a test case's own."""
    refuse_nested()
    with transaction.atomic(durable=True):
        yield


@contextmanager
def joined(*, savepoint: bool = True) -> Iterator[None]:
    """A part of the caller's transaction or, where none is open, one of its own. Without a `savepoint`, which is two
    more statements, all of the transaction is undone where this fails."""
    with transaction.atomic(savepoint=savepoint) if is_open() else outermost():
        yield


def required() -> None:
    """Raises NoTransaction unless a transaction is open."""
    if not is_open():
        raise NoTransaction("This belongs inside the transaction of its caller.")


def after_commit(call: Callable[[], object]) -> None:
    """Calls something once the open transaction has committed. Its errors are logged: they undo nothing. Raises
    NoTransaction outside of one."""
    required()
    transaction.on_commit(call, robust=True)


def is_open() -> bool:
    """Whether a transaction is open, one that a test case has put around itself not counted."""
    blocks = connection.atomic_blocks
    return connection.in_atomic_block and not getattr(blocks[-1] if blocks else None, "_from_testcase", False)


def refuse_nested() -> None:
    """Raises NestedTransaction inside a transaction."""
    if is_open():
        raise NestedTransaction("A transaction that may be run again is the outermost one: call this outside of any.")


def refuse_silent_rollback() -> None:
    """Raises where work went on after an error of the database: Django then rolls back at the end, without a word."""
    if connection.needs_rollback:
        raise transaction.TransactionManagementError("Work went on after an error: let it out, or raise another.")


def expect_rows(changed: int, expected: int) -> None:
    """Raises Stale unless an UPDATE met all of the locked rows, whose old state stands in its WHERE."""
    if changed != expected:
        raise Stale(f"{changed} of {expected} rows")


class Unit(Generic[Item, Result]):
    """What `run_set` runs: one instance per call, also for its parts, one after the other. `attempt` counts from 0."""

    name: str  # in metrics and logs
    can_find = False  # whether `find` can tell anything
    begin: Callable[[], AbstractContextManager[None]] = staticmethod(outermost)

    def before(self, items: Sequence[Item], attempt: int) -> Mapping[Item, Result]:
        """Answers, outside of any transaction, what needs none. Called before every try."""
        return {}

    def work(self, items: Sequence[Item], attempt: int) -> Mapping[Item, Result]:
        """Runs between BEGIN and COMMIT, maybe more than once. Raising undoes it for all of the items."""
        raise NotImplementedError

    def find(self, items: Sequence[Item]) -> Mapping[Item, Result] | None:
        """Returns, by locking reads, those of the items that were committed; None when that cannot be told."""
        raise NotImplementedError

    def undone(self, item: Item, how: Undone, error: Exception) -> Result:
        """Returns what to answer for an item that is not done (and keeps nothing of the error but words), or raises."""
        raise NotImplementedError

    def apart(self, items: Sequence[Item]) -> list[Sequence[Item]]:
        """Which of the items must not share a transaction when they are run again."""
        return [items]


def run_set(items: Sequence[Item], unit: Unit[Item, Result], limits: Limits | None = None) -> dict[Item, Result]:
    """Runs the items in one transaction, with retries and bisection. Returns a result for each; see the module."""
    refuse_nested()
    limits = limits or Limits(settings.TRANSACTION_TRIES, settings.TRANSACTION_DEADLINE_SECONDS)
    return run_from(0, items, unit, Budget(limits, time.monotonic() + limits.seconds))


def run_from(attempt: int, items: Sequence[Item], unit: Unit[Item, Result], budget: Budget) -> dict[Item, Result]:
    """Goes on with an attempt: parts and halves of a set share its tries and its time, and have one try at least."""
    while True:
        answered: dict[Item, Result] = {}
        todo, is_sent = items, False
        try:
            answered = dict(unit.before(items, attempt))
            todo = [item for item in items if item not in answered]
            if not todo:
                return answered
            parts = unit.apart(todo) if attempt else [todo]
            if len(parts) > 1:
                return answered | run_parts(attempt, parts, unit, budget)
            with tracing.span(f"transaction {unit.name}", items=len(todo), attempt=attempt), unit.begin():
                done = unit.work(todo, attempt)
                refuse_silent_rollback()
                is_sent = True  # from here on an error may be one of COMMIT
            return answered | dict(done)
        except Exception as error:  # noqa: BLE001 (each kind has its answer)
            drop_broken_connection()
            if is_sent:
                return answered | resolve(todo, unit, budget.limits, error)
            if is_wrong := not is_outage(error) and not isinstance(error, Stale):
                if len(todo) == 1:
                    return answered | refuse(todo, unit, error)
            elif not (reason := reason_to_retry(error)) or budget.is_spent(attempt + 1):
                log.warning("transaction_given_up", work=unit.name, tries=attempt + 1, error=repr(error))
                return answered | {item: unit.undone(item, Undone.BUSY, error) for item in todo}
            else:
                RETRIES.labels(unit.name, reason).inc()
        if is_wrong:  # outside of the block above, or what a half raises would drag this error along
            half = len(todo) // 2
            return answered | run_parts(attempt, [todo[:half], todo[half:]], unit, budget)
        pause(attempt)
        attempt += 1


def run_parts(
    attempt: int, parts: Sequence[Sequence[Item]], unit: Unit[Item, Result], budget: Budget
) -> dict[Item, Result]:
    """Runs the parts one after the other, each in a transaction of its own."""
    results: dict[Item, Result] = {}
    for part in parts:
        results |= run_from(attempt, part, unit, budget)
    return results


def refuse(items: Sequence[Item], unit: Unit[Item, Result], error: Exception) -> dict[Item, Result]:
    """Answers for the one item whose work raised. It may be the late one of two duplicates."""
    try:
        answered = unit.before(items, 1)
    except Exception as unanswered:  # noqa: BLE001 (as above)
        drop_broken_connection()
        how = Undone.BUSY if is_outage(unanswered) else Undone.REFUSED
        return {item: unit.undone(item, how, unanswered) for item in items}
    return {item: answered[item] if item in answered else unit.undone(item, Undone.REFUSED, error) for item in items}


def resolve(items: Sequence[Item], unit: Unit[Item, Result], limits: Limits, error: Exception) -> dict[Item, Result]:
    """Asks, by locking reads, for which of the items a COMMIT without a reply was carried out."""
    deadline = time.monotonic() + limits.seconds
    for attempt in range(limits.tries if unit.can_find else 0):
        try:
            with outermost():
                found = unit.find(items)
        except Exception as problem:  # noqa: BLE001 (it may have been committed: no error may claim that it was not)
            drop_broken_connection()
            log.warning("commit_unresolved", work=unit.name, items=len(items), attempt=attempt, error=repr(problem))
            if time.monotonic() > deadline:
                break
            pause(attempt)
        else:
            if found is None:
                break
            return {item: found[item] if item in found else unit.undone(item, Undone.BUSY, error) for item in items}
    return {item: unit.undone(item, Undone.UNKNOWN, error) for item in items}


class Single(Unit[None, Result]):
    """One thing: what its work raises is raised."""

    def __init__(self, name: str, work: Callable[[], Result], find: Callable[[], Result | Undone]) -> None:
        self.name, self._work, self._find = name, work, find
        self.can_find = find is not nobody_can_tell

    def work(self, items: Sequence[None], attempt: int) -> Mapping[None, Result]:
        return {None: self._work()}

    def find(self, items: Sequence[None]) -> Mapping[None, Result] | None:
        found = self._find()
        if isinstance(found, Undone):
            return None if found is Undone.UNKNOWN else {}
        return {None: found}

    def undone(self, item: None, how: Undone, error: Exception) -> NoReturn:
        match how:
            case Undone.REFUSED:
                raise error
            case Undone.BUSY:
                raise busy(Why.DATABASE) from error
        raise OutcomeUnknown from error


def nobody_can_tell() -> Undone:
    return Undone.UNKNOWN


def run(work: Callable[[], Result], *, name: str, find: Callable[[], Result | Undone] = nobody_can_tell) -> Result:
    """Runs one thing in an outermost transaction, maybe more than once, and returns what it returns.

    `find` is asked when the reply to COMMIT is missing; by a locking read it returns the result, or BUSY when it is
    certain that nothing was done, or UNKNOWN. Raises what `work` raises, Busy (nothing was done), OutcomeUnknown.
    """
    return run_set([None], Single(name, work, find))[None]


@contextmanager
def reading() -> Iterator[None]:
    """For what is read outside of any transaction. Raises Busy where the database is away."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if not is_outage(error):
            raise
        drop_broken_connection()
        raise busy(Why.DATABASE) from error


@contextmanager
def reading_the_answer() -> Iterator[None]:
    """For what is read after a commit, to answer with: should the database go away now, "busy" would be untrue."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if not is_outage(error):
            raise
        raise OutcomeUnknown from error


def reason_to_retry(error: Exception) -> str:
    """Why all of it may simply be run again, in a word; empty when it may not."""
    if isinstance(error, Stale):
        return "stale"
    return RETRYABLE.get(error.args[0] if error.args else 0, "")


def drop_broken_connection() -> None:
    """Lets the next statement open a new connection where this one is cut. A test case's transaction stays open."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def pause(attempt: int) -> None:
    """Exponential back-off with full jitter: 0-2 ms, 0-4 ms, 0-8 ms, ... 0-128 ms."""
    time.sleep(random.uniform(0, PAUSE_SECONDS * 2 ** min(attempt, MOST_DOUBLINGS)))
