"""The time that decides: the database's. A process whose own clock is wrong closes no order early and opens no sale.

The database's clock is read every few seconds; in between the monotonic clock, which nobody sets, carries it on.
Adapters and loops ask here and hand `now` down: no service asks a clock, and rows are stamped by the database itself.
"""

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
    """One instance a process; safe for threads, and good after a fork."""

    def __init__(
        self,
        read: Callable[[], datetime | None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._monotonic = read, monotonic
        self._reading: Reading | None = None
        self._read_next = 0.0

    def now(self) -> datetime:
        """The database's time, in UTC. While it cannot be read, the last reading is carried on; before the first one,
        this machine's time has to do."""
        if self._monotonic() >= self._read_next:
            self._read_next = self._monotonic() + READ_EVERY_SECONDS  # first, so that other threads go on meanwhile
            self._reading = self._measure() or self._reading
        if self._reading is None:
            return datetime.now(UTC)
        return self._reading.time + timedelta(seconds=self._monotonic() - self._reading.monotonic)

    def _measure(self) -> Reading | None:
        """Reads the database's clock: it said so half way between question and answer."""
        asked = self._monotonic()
        told = self._read()
        return Reading(told, (asked + self._monotonic()) / 2) if told else None


def read_database_time() -> datetime | None:
    """Asks the database for its time; None where it does not answer, or is this machine's own (SQLite).

    Past Django's cursor: a look at the clock is no statement of whoever asks for the time.
    """
    if connection.vendor != "mysql" or connection.in_atomic_block:
        return None
    try:
        connection.ensure_connection()
        with connection.connection.cursor() as cursor:
            cursor.execute("SELECT UTC_TIMESTAMP(6)")
            told: datetime = cursor.fetchone()[0]
    except Exception as error:  # noqa: BLE001 (whoever asks for the time will hear of it soon enough)
        log.warning("database_time_unread", error=repr(error))
        return None
    return told.replace(tzinfo=UTC)


_clock = DatabaseClock(read_database_time)


def now() -> datetime:
    """Returns the database's time, in UTC."""
    return _clock.now()
