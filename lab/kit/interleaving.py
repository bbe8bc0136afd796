"""Deterministic races: a function stopped between two of its statements while another one runs.

A parked function runs in a thread with a database connection of its own, so its test needs
`django_db(transaction=True)`, and MariaDB where both sides write (SQLite lets one writer in at a time).
"""

import re
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from django.conf import settings
from django.db import OperationalError, connection, connections
from django.test import override_settings

from charites.common.models import Node
from stock.strategies import get_strategy

TIMEOUT_SECONDS = 120  # a bound for busy machines, no measurement
DEADLINES = ("TRANSACTION_DEADLINE_SECONDS", "STOCK_OPTIMISTIC_DEADLINE_SECONDS")


def plain(sql: str) -> str:
    """Returns a statement without the quotes of names, which differ between databases."""
    return re.sub(r'[`"]', "", sql)


class Background:
    """A function in a thread of its own; leaving the block waits for it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._result: Any = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join(TIMEOUT_SECONDS)
        assert not self._thread.is_alive(), "the thread did not end"

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 (handed to the test by `result`)
            self._error = error
        finally:
            connections.close_all()

    def _call(self) -> Any:
        return self._function()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> Any:
        """Waits for the end; returns what the function returned, or raises what it raised."""
        self._thread.join(TIMEOUT_SECONDS)
        assert not self._thread.is_alive(), "the thread did not end"
        if self._error:
            raise self._error
        return self._result


class Parked(Background):
    """A function that stops before (or right after) its first statement that matches the pattern `at`.

    It stands for another process: who moves stock while it is parked gets a strategy of its own, as after a fork, and
    does not queue behind it. The time for which it is parked is not its own: it may try again however long that was,
    unless its test allows no second try at all.
    """

    def __init__(self, function: Callable[[], Any], *, at: str, after: bool = False) -> None:
        super().__init__(function)
        self._at, self._after = re.compile(at), after
        self._is_parked, self._may_go = threading.Event(), threading.Event()
        is_patient = settings.TRANSACTION_DEADLINE_SECONDS > 0
        self._patience = override_settings(**dict.fromkeys(DEADLINES, TIMEOUT_SECONDS) if is_patient else {})

    def __enter__(self) -> Self:
        self._patience.enable()
        super().__enter__()
        try:
            self._await_stop()
        except BaseException:
            self._patience.disable()
            raise
        get_strategy.cache_clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._may_go.set()
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._patience.disable()

    def _await_stop(self) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not self._is_parked.wait(0.02):
            assert self.is_running, f"the function ended without a statement like {self._at.pattern}: {self._error!r}"
            assert time.monotonic() < deadline, "the function did not get there"

    def _call(self) -> Any:
        with connection.execute_wrapper(self._park):
            return self._function()

    def _park(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        is_here = not self._is_parked.is_set() and self._at.search(plain(sql))
        if is_here and not self._after:
            self._stop()
        result = execute(sql, params, many, context)
        if is_here and self._after:
            self._stop()
        return result

    def _stop(self) -> None:
        self._is_parked.set()
        self._may_go.wait(TIMEOUT_SECONDS)

    def go(self) -> Any:
        """Lets the function go on, and returns its result."""
        self._may_go.set()
        return self.result()


def await_lock_wait(others: int = 1) -> None:
    """Waits until that many transactions on MariaDB wait for a row lock."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if row_lock_waits() >= others:
            return
        time.sleep(0.02)
    raise AssertionError("nobody waits for a lock")


def row_lock_waits() -> int:
    """How many transactions on MariaDB wait for a row lock now."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")
        return int(cursor.fetchone()[1])


class Interruption:
    """A wrapper for `connection.execute_wrapper` that raises `error` instead of the first `times` statements
    which match `at`, and counts them all."""

    def __init__(self, error: Exception, *, at: str, times: int = 1) -> None:
        self._error, self._at, self._times = error, re.compile(at), times
        self.seen = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self._at.search(plain(sql)):
            self.seen += 1
            if self.seen <= self._times:
                raise self._error
        return execute(sql, params, many, context)


class AwayAfter:
    """A wrapper for `connection.execute_wrapper`: once a statement that matches `at` was sent, and its transaction has
    ended, no database answers."""

    def __init__(self, at: str) -> None:
        self._at, self._is_over = re.compile(at), False

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self._is_over and not connection.in_atomic_block:
            raise OperationalError(2003, "Can't connect to server")
        result = execute(sql, params, many, context)
        self._is_over |= bool(self._at.search(plain(sql)))
        return result


class LostCommit:
    """The reply to COMMIT is lost, after (or before) the database has carried it out; `times` in a row.

    That of a node's lease is not: when one is renewed the clock decides.
    """

    def __init__(self, *, carried_out: bool, error: Exception, times: int = 1) -> None:
        self._carried_out, self._error, self._times = carried_out, error, times
        self._is_of_lease = False

    def __enter__(self) -> Self:
        wrapper: Any = connection
        self._connection, self._commit = wrapper, wrapper._commit
        wrapper._commit = self._lose
        connection.execute_wrappers.append(self._look)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._connection._commit
        self._connection.execute_wrappers.remove(self._look)

    def _look(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self._is_of_lease |= Node._meta.db_table in sql
        return execute(sql, params, many, context)

    def _lose(self) -> None:
        is_of_lease, self._is_of_lease = self._is_of_lease, False
        if self._times <= 0 or is_of_lease:
            return self._commit()
        self._times -= 1
        if self._carried_out:
            self._commit()
        raise self._error
