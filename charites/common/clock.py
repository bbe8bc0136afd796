"""The time that decides: the database's. A process whose own clock is wrong closes no order early and opens no sale.

The database's clock is read every few seconds; in between the monotonic clock, which nobody sets, carries it on.
Adapters and loops ask here and hand `now` down: no service asks a clock. New rows are stamped by this clock, changed
ones by the `now` of their change, or by the database itself.
"""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from django.db import connection

log = structlog.get_logger(__name__)

READ_EVERY_SECONDS = 5.0


class Reading(NamedTuple):
    """What the database's clock said at a moment of the monotonic clock."""

    time: datetime
    monotonic: float


class DatabaseClock:
    """One instance per process; safe for threads.

    `read` returns the database's time, or None where that is this machine's own; it raises where it does not answer.
    `connect` does before what `read` would else have to: it may take long, and is no part of the answer's way.
    """

    def __init__(
        self,
        read: Callable[[], datetime | None],
        monotonic: Callable[[], float] = time.monotonic,
        may_read: Callable[[], bool] = lambda: True,
        connect: Callable[[], object] = lambda: None,
    ) -> None:
        self._read, self._monotonic, self._may_read, self._connect = read, monotonic, may_read, connect
        self.forget()

    def forget(self) -> None:
        """Starts anew. A forked child does: nobody there would open the lock."""
        self._first_look = threading.Lock()
        self._reading: Reading | None = None
        self._is_ours = False  # the database's time is this machine's
        self._read_next = 0.0

    def now(self) -> datetime:
        """The database's time, in UTC. While it cannot be read, the last reading is carried on.

        The first one is waited for, and raises what reading raises: until then nothing tells a right clock of this
        machine from a wrong one.
        """
        if not self._may_read():
            pass  # another time
        elif self._reading is None:
            with self._first_look:
                if self._reading is None:
                    self._reading = self._measure()
                    self._read_next = self._monotonic() + READ_EVERY_SECONDS
        elif self._monotonic() >= self._read_next:
            self._read_next = self._monotonic() + READ_EVERY_SECONDS  # first, so that other threads go on meanwhile
            self._reading = self._measure_again() or self._reading
        return self.carried() or datetime.now(UTC)

    def carried(self) -> datetime | None:
        """The time without a look at the database; None before the first one."""
        reading = self._reading  # once: another thread may be putting the next one in its place
        if reading is None:
            return datetime.now(UTC) if self._is_ours else None
        return reading.time + timedelta(seconds=self._monotonic() - reading.monotonic)

    def _measure_again(self) -> Reading | None:
        try:
            return self._measure()
        except Exception as error:  # noqa: BLE001 (whoever asks for the time will hear of it soon enough)
            log.warning("database_time_unread", error=repr(error))
            return None

    def _measure(self) -> Reading | None:
        """Reads the database's clock: it said so half way between question and answer."""
        self._connect()
        asked = self._monotonic()
        told = self._read()
        self._is_ours = told is None
        return Reading(told, (asked + self._monotonic()) / 2) if told else None


def connect_to_database() -> None:
    """Raises Django's errors."""
    if connection.vendor == "mysql":
        connection.ensure_connection()


def read_database_time() -> datetime | None:
    """Asks the database that we are connected to for its time; None where it is this machine's own (SQLite).

    Past Django's cursor: a look at the clock is no statement of whoever asks for the time. Raises Django's errors.
    """
    if connection.vendor != "mysql":
        return None
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute("SELECT UTC_TIMESTAMP(6)")
        told: datetime = cursor.fetchone()[0]
    return told.replace(tzinfo=UTC)


def unread() -> DatabaseClock:
    """Returns the clock of a process that has not looked at it yet."""
    return DatabaseClock(
        read_database_time, may_read=lambda: not connection.in_atomic_block, connect=connect_to_database
    )


_clock = unread()
os.register_at_fork(after_in_child=_clock.forget)


def now() -> datetime:
    """Returns the database's time, in UTC."""
    return _clock.now()


def carried() -> datetime | None:
    """Returns the database's time as far as it is known without asking, for those who may not wait; else None."""
    return _clock.carried()
