"""Two sides of a race, one statement at a time: every COMMIT and every statement runs when the schedule says so.

Each side is a thread with a database connection of its own, so its test needs `django_db(transaction=True)` and
MariaDB. A side that waits for a row lock of the other one stays where it is until the lock is free, as it would.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from itertools import product
from typing import Any

from django.db import connection, connections

from lab.kit.interleaving import TIMEOUT_SECONDS, row_lock_waits

LOOK_SECONDS = 0.004  # a statement that takes longer may be waiting for a lock: then the database is asked


class At(Enum):
    REST = auto()  # without a function, or at its end
    GATE = auto()  # before a statement
    WORK = auto()  # inside one, or waiting for a lock


class Side:
    """One side of a race. `statements`: how many it has come to in its present function, COMMITs included."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.statements = 0
        self.at = At.REST
        self._changed = threading.Condition()
        self._function: Callable[[], Any] | None = None
        self._over = False
        self._error: BaseException | None = None
        self._result: Any = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def begin(self, function: Callable[[], Any]) -> None:
        """Hands over a function; returns when it stands before its first statement."""
        assert self.at is At.REST, f"{self.name} is still at work"
        with self._changed:
            self.statements, self._error, self._result = 0, None, None
            self._function, self.at = function, At.WORK
            self._changed.notify_all()
        self.await_stop()

    def step(self, *, others: Sequence["Side"] = ()) -> None:
        """Runs the statement before which it stands; returns when it stands again, has ended, or waits for a lock."""
        with self._changed:
            assert self.at is At.GATE, f"{self.name} does not stand before a statement"
            self.at = At.WORK
            self._changed.notify_all()
        self.await_stop(others=others)

    def await_stop(self, *, others: Sequence["Side"] = (), look_seconds: float = LOOK_SECONDS) -> None:
        """Waits until it stands, has ended, or (still in its statement) waits for a lock. `others`: who may wait for
        one, too."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not self._has_stopped(look_seconds):
            others_waiting = sum(side.at is At.WORK for side in others)  # now: one may just have got its lock
            if row_lock_waits() > others_waiting and not self._has_stopped(0):
                return
            look_seconds = LOOK_SECONDS
            assert time.monotonic() < deadline, f"{self.name} does not come back"

    def _has_stopped(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.at is not At.WORK, seconds)

    def result(self) -> Any:
        """What the function returned; raises what it raised."""
        assert self.at is At.REST
        if self._error:
            raise self._error
        return self._result

    def close(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.join(TIMEOUT_SECONDS)
        assert not self._thread.is_alive(), f"{self.name} did not end"

    # In the thread

    def _run(self) -> None:
        connection.execute_wrappers.append(self._execute)
        wrapper: Any = connection
        commit = wrapper._commit

        def gated() -> None:
            self._stop_at_gate()
            commit()

        wrapper._commit = gated
        try:
            while function := self._next_function():
                self._call(function)
        finally:
            del wrapper._commit
            connections.close_all()

    def _next_function(self) -> Callable[[], Any] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._function or self._over)
            function, self._function = self._function, None
            return function

    def _call(self, function: Callable[[], Any]) -> None:
        try:
            self._result = function()
        except BaseException as error:  # noqa: BLE001 (handed to the test by `result`)
            self._error = error
        with self._changed:
            self.at = At.REST
            self._changed.notify_all()

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self._stop_at_gate()
        return execute(sql, params, many, context)

    def _stop_at_gate(self) -> None:
        with self._changed:
            if self._over:
                return
            self.statements += 1
            self.at = At.GATE
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.at is At.WORK or self._over)


@contextmanager
def two_sides() -> Iterator[tuple[Side, Side]]:
    """Two sides, and their end."""
    first, second = Side("first"), Side("second")
    database: Any = connection
    try:
        for side in (first, second):
            alone(side, lambda: database.mysql_version)  # what a new connection asks first is no part of anything
        yield first, second
    finally:
        first.close()
        second.close()


def alone(side: Side, function: Callable[[], Any]) -> int:
    """Runs a function to its end; returns how many statements and COMMITs it has."""
    side.begin(function)
    drive([side], lambda ready: ready[0])
    side.result()
    return side.statements


def drive(sides: Sequence[Side], choose: Callable[[Sequence[Side]], Side]) -> None:
    """Steps until all sides have ended; `choose` says whose statement is next, among those that can go on."""
    while any(side.at is not At.REST for side in sides):
        ready = [side for side in sides if side.at is At.GATE]
        waiting = [side for side in sides if side.at is At.WORK]
        if ready:
            choose(ready).step(others=waiting)
        for side in waiting:  # is its lock free now?
            side.await_stop(look_seconds=0 if ready else LOOK_SECONDS)


def in_order(ready: Sequence[Side]) -> Side:
    """The first side as far as it gets, then the other one."""
    return ready[0]


def run_up_to(side: Side, function: Callable[[], Any], stop: int) -> None:
    """Runs a function until it stands before its statement number `stop`, waits for a lock, or has ended."""
    side.begin(function)
    while side.at is At.GATE and side.statements < stop:
        side.step()


Functions = tuple[Callable[[], Any], Callable[[], Any]]


def meet(sides: tuple[Side, Side], functions: Functions, stops: tuple[int, int]) -> None:
    """One pair of stopping points: the first side runs to its own and stops, the second one to its own (or until it
    waits for a lock, or ends), then the first one goes on to its end, then the second. Raises what they raise."""
    for side, function, stop in zip(sides, functions, stops, strict=True):
        run_up_to(side, function, stop)
    drive(sides, in_order)
    for side in sides:
        side.result()


def meet_at_random(sides: tuple[Side, Side], functions: Functions, lots: random.Random) -> None:
    """Draws lots, statement by statement, whose turn it is. Raises what the sides raise."""
    for side, function in zip(sides, functions, strict=True):
        side.begin(function)
    drive(sides, lots.choice)
    for side in sides:
        side.result()


def pairs_of_stops(counts: tuple[int, int]) -> list[tuple[bool, int, int]]:
    """All pairs of stopping points: (whether the second side is the one that goes first, its stop, the other's)."""
    return [
        (turned, i, j)
        for turned in (False, True)
        for i, j in product(range(1, counts[turned] + 1), range(1, counts[not turned] + 1))
    ]
