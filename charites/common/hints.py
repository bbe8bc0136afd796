"""Hints for those who look on: which products and rooms have changed.

A hint is told after the commit, best effort, once a batch. It says what to look at again and nothing else, so it may be
lost, come twice or in any order, and nothing is decided by it. A thread with bounded work sends what has gathered
through Redis: whoever tells a hint waits for nobody, and without Redis it is counted and forgotten.
Why: docs/adr/0032-hints-and-streams.md.
"""

import atexit
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

import structlog
from django.conf import settings
from prometheus_client import Counter
from redis import Redis

from charites.common.redis_client import redis_client
from charites.common.shop import key_of_shop

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.05  # what changes meanwhile goes in one message
MOST = 1_000  # ids in a message; more are "anything"
TIMEOUT_SECONDS = 0.5
AWAY_SECONDS = 1.0  # before a Redis that did not answer is tried again

HINTS = Counter("charites_hints", "Messages that say what has changed, by what became of them.", ["outcome"])


class Changed(NamedTuple):
    """What may have changed; None stands for any."""

    goods: frozenset[int] | None = frozenset()
    rooms: frozenset[int] | None = frozenset()


ANYTHING = Changed(None, None)


class Hints:
    """Gathers and sends. One instance a process; the thread starts with the first hint."""

    def __init__(self, publish: Callable[[str], object]) -> None:
        self._publish = publish
        self.forget()

    def forget(self) -> None:
        """Starts from nothing. A forked child does: it has no thread, and nobody there would open the lock."""
        self._mutex = threading.Lock()
        self._told = threading.Event()
        self._goods: set[int] = set()
        self._rooms: set[int] = set()
        self._is_running = False

    def tell(self, *, goods: Iterable[int] = (), rooms: Iterable[int] = ()) -> None:
        """Says that these have changed. Call it after the commit. Returns at once and never raises."""
        with self._mutex:
            if len(self._goods) <= MOST:
                self._goods.update(goods)
            if len(self._rooms) <= MOST:
                self._rooms.update(rooms)
            if not (self._goods or self._rooms) or self._told.is_set():
                return
            self._told.set()
            if not self._is_running:
                try:
                    threading.Thread(target=self._run, name="hints", daemon=True).start()
                    self._is_running = True
                except RuntimeError:  # this machine has no thread left
                    self._told.clear()

    def _run(self) -> None:
        has_failed = False
        while True:
            self._told.wait()
            time.sleep(GATHER_SECONDS)
            try:
                self._publish(written(self._take()))
                HINTS.labels("sent").inc()
                has_failed = False
            except Exception as error:  # noqa: BLE001 (a hint is never worth more than a count)
                with suppress(Exception):  # a folder of metrics that is full
                    HINTS.labels("failed").inc()
                if not has_failed:  # a Redis that is away is told once
                    log.warning("hint_failed", error=repr(error))
                has_failed = True
                time.sleep(AWAY_SECONDS)

    def end(self) -> None:
        """Sends what has gathered, at once. A command ends before the thread has looked."""
        if self._told.is_set():
            with suppress(Exception):
                self._publish(written(self._take()))

    def _take(self) -> Changed:
        with self._mutex:
            goods, rooms = self._goods, self._rooms
            self._goods, self._rooms = set(), set()
            self._told.clear()
        return Changed(
            None if len(goods) > MOST else frozenset(goods),
            None if len(rooms) > MOST else frozenset(rooms),
        )


def written(changed: Changed) -> str:
    """A message: `{"goods": ["1", "2"], "rooms": null}`."""
    return json.dumps({name: None if ids is None else list(map(str, ids)) for name, ids in changed._asdict().items()})


def read(message: bytes | str) -> Changed:
    """What a message says; one that is none says that anything may have changed."""
    try:
        said = json.loads(message)
        return Changed(*(None if said[name] is None else frozenset(map(int, said[name])) for name in Changed._fields))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return ANYTHING


def channel() -> str:
    """Where a shop's hints are to be heard."""
    return key_of_shop("hints")


@lru_cache(1)
def connection(url: str) -> Redis:
    """For the one thread that sends."""
    return redis_client(url, connect_seconds=TIMEOUT_SECONDS, answer_seconds=TIMEOUT_SECONDS)


def publish(message: str) -> None:
    """Raises RedisError."""
    connection(settings.REDIS_URL).publish(channel(), message)


_hints = Hints(publish)
os.register_at_fork(after_in_child=_hints.forget)
atexit.register(_hints.end)
tell = _hints.tell
