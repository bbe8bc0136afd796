"""Who waits for a batch: callers with their items, in threads and in asyncio, and how they are answered."""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any, Generic, TypeVar

from charites.common import tracing

Item = TypeVar("Item")
Result = TypeVar("Result")


class Unserved(Enum):
    """Why an item has no result."""

    FULL = "full"  # so is the queue; nothing was done
    LATE = "late"  # its time was up before its turn came, or would be before its answer; nothing was done
    UNKNOWN = "unknown"  # its batch is under way, or broke


class Entry(Generic[Item, Result]):
    """An item in the queue."""

    __slots__ = ("call", "is_open", "item", "outcome")

    def __init__(self, item: Item, call: "Call[Item, Result]") -> None:
        self.item, self.call = item, call
        self.is_open = True  # neither taken nor given up, which the mutex of the queue decides
        self.outcome: Result | Unserved = Unserved.UNKNOWN


class Call(Generic[Item, Result]):
    """A caller and its items. It waits in a thread or, with a future, in asyncio."""

    __slots__ = ("deadline", "entries", "future", "is_answered", "is_trial", "left", "taken_at", "trace")

    def __init__(self, items: Sequence[Item], seconds: float, future: "asyncio.Future[None] | None" = None) -> None:
        self.deadline = time.monotonic() + seconds
        self.taken_at = 0.0
        self.is_trial = False  # taken though an answer was thought to take longer than it has
        self.trace = tracing.here()
        self.entries: list[Entry[Item, Result]] = [Entry(item, self) for item in items]
        self.left, self.future = len(items), future
        self.is_answered = threading.Event() if future is None else None

    def outcomes(self) -> list[Result | Unserved]:
        """What became of the items. After that nothing is kept: a call and its entries would keep each other."""
        entries, self.entries = self.entries, []
        return [entry.outcome for entry in entries]


def close_entries(entries: Iterable[Entry[Any, Any]]) -> None:
    """Nothing will become of these."""
    for entry in entries:
        entry.is_open, entry.outcome = False, Unserved.LATE


def count_down(entries: Sequence[Entry[Any, Any]]) -> None:
    """Wakes the callers all of whose items have an outcome now: each event loop once."""
    futures: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = defaultdict(list)
    for entry in entries:
        call = entry.call
        call.left -= 1
        if call.is_answered and not call.left:
            call.is_answered.set()
        if call.future and not call.left:
            futures[call.future.get_loop()].append(call.future)
    for loop, waiting in futures.items():
        with suppress(RuntimeError):  # a loop that has ended waits for nobody
            loop.call_soon_threadsafe(wake_all, waiting)


def wake_all(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
