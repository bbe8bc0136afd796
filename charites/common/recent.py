"""What was read a moment ago, kept in the process: bounded in time and number, forgotten when it is changed here."""

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(slots=True)
class Noted(Generic[Value]):
    """A value, when it was read, by the monotonic clock, and whether somebody was asked to read it anew."""

    value: Value
    read_at: float
    is_renewed: bool = False


class Recent(Generic[Key, Value]):
    """Values that are at most so many seconds old. They decide nothing that has to be right. Safe for threads.

    Whoever notes one says when it began to read: what was forgotten since then is not noted again. What another process
    changes is seen when the time is up.
    """

    def __init__(self, seconds: float, most: int = 10_000) -> None:
        self._seconds, self._most = seconds, most
        self.clear()
        os.register_at_fork(after_in_child=self.clear)  # nobody there would open the lock

    def clear(self) -> None:
        """Starts from nothing."""
        self._mutex = threading.Lock()
        self._noted: dict[Key, Noted[Value]] = {}
        self._forgotten_at = time.monotonic()

    def note(self, key: Key, value: Value, *, read_at: float) -> None:
        """Keeps a value that was read at `read_at` or later, unless something was forgotten meanwhile."""
        with self._mutex:
            if read_at <= self._forgotten_at:
                return
            self._noted.pop(key, None)
            self._drop_old()
            self._noted[key] = Noted(value, read_at)

    def _drop_old(self) -> None:
        """The oldest stand in front. Needs the mutex."""
        oldest = time.monotonic() - self._seconds
        while self._noted:
            key = next(iter(self._noted))
            if len(self._noted) < self._most and self._noted[key].read_at >= oldest:
                return
            del self._noted[key]

    def get(self, key: Key) -> Value | None:
        """Returns the value, if it is fresh."""
        noted = self._noted.get(key)
        return noted.value if noted and time.monotonic() - noted.read_at <= self._seconds else None

    def get_fresh(self, key: Key) -> Value | None:
        """Returns the value in the first half of its time."""
        noted = self._noted.get(key)
        return noted.value if noted and time.monotonic() - noted.read_at <= self._seconds / 2 else None

    def recall(self, key: Key) -> Value | None:
        """Returns the value if it is fresh, but not to one caller in the second half of its time, who reads it anew
        while the others go on with it. Else all would read it in the moment when it is over."""
        value = self.get(key)
        return None if value is not None and self.get_fresh(key) is None and self._is_first(key) else value

    def _is_first(self, key: Key) -> bool:
        """Whether nobody else was asked to read the value anew."""
        with self._mutex:
            noted = self._noted.get(key)
            is_first = noted is not None and not noted.is_renewed
            if noted:
                noted.is_renewed = True
            return is_first

    def forget(self, keys: Iterable[Key] | None = None) -> None:
        """For whoever has changed these (None: any of them); call it after the commit."""
        with self._mutex:
            self._forgotten_at = time.monotonic()
            for key in list(self._noted) if keys is None else keys:
                self._noted.pop(key, None)
