"""Serialised replies to questions that everybody asks, kept in the process for a moment.

One caller makes a reply, the others wait for it; and before its second is over one of them makes it anew, so that a
thousand viewers cost two looks at the database a second, and nobody waits. Made from what is there now; what changes
here is forgotten at once, what changes elsewhere within a second.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from charites.common.errors import Why, busy
from charites.common.recent import Recent

Key = TypeVar("Key", bound=Hashable)

SECONDS = 1.0
WAIT_SECONDS = 2.0  # for whoever is making the same one; past it the shop is busy
LOCKS = 64  # two questions that share one wait for each other
MOST = 1_000  # replies that are kept; a room's list may be 100 KB


class Replies(Generic[Key]):
    """Replies by key. `maker` answers one question, and raises what the caller is to be told, which is not kept."""

    def __init__(self, maker: Callable[[Key], bytes], recent: Recent[Key, bytes]) -> None:
        self._maker, self._recent = maker, recent
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    def recall(self, key: Key) -> bytes | None:
        """Returns the reply if it is there, without waiting; to one caller in a while None, who makes it anew."""
        return self._recent.recall(key)

    def recall_fresh(self, key: Key) -> bytes | None:
        """Returns the reply if it was made just now, for those who leave it to others to make it anew."""
        return self._recent.get_fresh(key)

    def get(self, key: Key) -> bytes:
        """Returns the reply; makes it, or waits for whoever is making it. Raises what `make` raises, and Busy."""
        found = self.recall(key)
        return self.make(key) if found is None else found

    def make(self, key: Key) -> bytes:
        """Makes the reply, unless somebody has just done so. Raises what the maker raises, and Busy."""
        lock = self._locks[hash(key) % LOCKS]
        if not lock.acquire(timeout=WAIT_SECONDS):
            raise busy(Why.REPLIES)  # whoever is making it waits for a database that does not answer
        try:
            if (found := self._recent.get_fresh(key)) is not None:
                return found
            read_at = time.monotonic()
            made = self._maker(key)
            self._recent.note(key, made, read_at=read_at)
            return made
        finally:
            lock.release()
