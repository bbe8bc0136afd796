"""Reads that may be a second old: they go to a replica while it keeps up, where DATABASE_REPLICA_URL names one.

Lists for staff are such reads. What decides anything, what a buyer sees of an order of their own, and what people look
at again because a hint told them to, is read from the writer. Why, and what a second means: docs/adr/0039-replicas.md.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

log = structlog.get_logger(__name__)

REPLICA = "replica"
OLDEST_SECONDS = 1.0  # what is read there was true at the writer at most so long ago
LOOK_SECONDS = 0.25
IDLE_SECONDS = 30.0  # after which nobody looks any longer
WATCH_TIMEOUT_SECONDS = 1
FRESH_COOKIE, FRESH_SECONDS = "fresh", 3
TOO_LONG = {1317, 1969, 3024}
PAGES = "/admin/"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
Positions = Mapping[str, int]  # of each domain of the binary log: the last transaction

_reads_from: ContextVar[str] = ContextVar("reads_from", default=DEFAULT_DB_ALIAS)


class Router:
    """Reads go where the block that they stand in says; all else goes to the writer."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return _reads_from.get()

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == DEFAULT_DB_ALIAS


def may_be_old(read: Callable[Given, Answer], *, unless: bool = False) -> Callable[Given, Answer]:
    """A function that only reads, and whose answer may be a second old, `unless` this time it may not. What the replica
    refuses, or is not there for, is asked of the writer: only what took too long is not begun once more."""

    @wraps(read)
    def call(*arguments: Given.args, **named: Given.kwargs) -> Answer:
        if unless or not watch.keeps_up():
            return read(*arguments, **named)
        try:
            with reading_from(REPLICA):
                return read(*arguments, **named)
        except (DatabaseError, InterfaceError) as error:
            if took_too_long(error):
                raise
            watch.leave_out(error)
            return read(*arguments, **named)

    return call


def took_too_long(error: Exception) -> bool:
    """Whether the server has ended a statement because of its time, or because somebody said so."""
    return not TOO_LONG.isdisjoint(error.args[:1])


@contextmanager
def reading_from(alias: str) -> Iterator[None]:
    before = _reads_from.set(alias)
    try:
        yield
    finally:
        _reads_from.reset(before)


class Watch:
    """Whether the replica has by now what the writer had a moment ago, and nothing else. A thread looks, while anybody
    asks."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """As new: in the child of a fork there is no thread."""
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asked_at = 0.0
        self._good_until = 0.0
        self._is_good: bool | None = None

    def keeps_up(self) -> bool:
        """Whether what is read from the replica now is at most a second old. Who asks first after a while is told no,
        and has somebody look."""
        if not is_there():
            return False
        self._asked_at = time.monotonic()
        if self._thread is None or not self._thread.is_alive():
            self._begin()
        return time.monotonic() < self._good_until

    def leave_out(self, error: Exception) -> None:
        """Somebody has found it gone."""
        self._good_until = 0.0
        self._tell(is_good=False, reason=repr(error))

    def _begin(self) -> None:
        with self._mutex:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look_on, name="replica-watch", daemon=True)
                self._thread.start()

    def _look_on(self) -> None:
        writer, replica = connection_to(DEFAULT_DB_ALIAS), connection_to(REPLICA)
        known: deque[tuple[float, Positions]] = deque()  # when, and where the writer was
        try:
            while time.monotonic() - self._asked_at < IDLE_SECONDS:
                began = time.monotonic()
                try:
                    self._look(writer, replica, known)
                except Exception as error:  # a server may answer anything: one of which nothing is known is left out
                    writer.close()
                    replica.close()
                    self.leave_out(error)
                time.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - began)))
        finally:
            writer.close()
            replica.close()

    def _look(
        self, writer: BaseDatabaseWrapper, replica: BaseDatabaseWrapper, known: deque[tuple[float, Positions]]
    ) -> None:
        asked_at = time.monotonic()
        known.append((asked_at, position(writer, "gtid_binlog_pos")))
        while known[0][0] < asked_at - OLDEST_SECONDS:
            known.popleft()
        there = position(replica, "gtid_slave_pos")
        now = position(writer, "gtid_binlog_pos")
        passed = [at for at, wanted in known if wanted and is_past(there, wanted)]  # without a log nobody knows
        if passed and not is_ahead(there, now):
            self._good_until = passed[-1] + OLDEST_SECONDS
            self._tell(is_good=True)
        else:
            self._good_until = 0.0
            self._tell(is_good=False, reason=f"it is at {there}, the writer at {now}")

    def _tell(self, *, is_good: bool, reason: str = "") -> None:
        if is_good is not self._is_good:
            self._is_good = is_good
            if is_good:
                log.info("replica_keeps_up")
            else:
                log.warning("replica_left_out", reason=reason)


watch = Watch()
os.register_at_fork(after_in_child=watch.forget)


def is_there() -> bool:
    return REPLICA in settings.DATABASES


def connection_to(alias: str) -> BaseDatabaseWrapper:
    """A connection of the caller's own, on which nobody waits for long."""
    connection = connections.create_connection(alias)
    short = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), WATCH_TIMEOUT_SECONDS)
    connection.settings_dict = {
        **connection.settings_dict,
        "OPTIONS": {**connection.settings_dict["OPTIONS"], **short},
    }
    return connection


def position(connection: BaseDatabaseWrapper, variable: str) -> dict[str, int]:
    """Where a server is in the binary log: domain -> number of its last transaction, out of `0-1-4711,5-1-8`. One that
    has none of our tables says an error."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT @@GLOBAL.{variable} FROM django_migrations LIMIT 1")
        (text,) = cursor.fetchone()
    return {part.split("-")[0]: int(part.split("-")[2]) for part in str(text or "").split(",") if part.strip()}


def is_past(there: Positions, wanted: Positions) -> bool:
    return all(there.get(domain, 0) >= number for domain, number in wanted.items())


def is_ahead(there: Positions, writer: Positions) -> bool:
    """Whether a replica has what its writer has not: it follows another one, or has kept what the writer never got."""
    return any(number > writer[domain] for domain, number in there.items() if domain in writer)


class FreshAfterWriteMiddleware(MiddlewareMixin):
    """Whoever has just changed something in the admin sees it in its lists: for a moment theirs are the writer's."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_change = request.method not in SAFE_METHODS and request.path.startswith(PAGES)
        if is_change and is_there():
            secure = settings.SESSION_COOKIE_SECURE
            response.set_cookie(
                FRESH_COOKIE, "1", FRESH_SECONDS, path=PAGES, secure=secure, httponly=True, samesite="Lax"
            )
        return response


def wants_fresh(request: HttpRequest) -> bool:
    return FRESH_COOKIE in request.COOKIES
