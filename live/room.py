"""A room that is watched from this process, and those who watch it."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

from live.events import State, changes, told, told_all

KEPT = 16  # messages, for a viewer who is slow to take them; one who has missed more gets the state
LIFE_SECONDS = 300.0  # of a stream; then the browser opens the next one, which costs little: see Viewer
RETRY_MS = (1_000, 4_000)  # after which a browser comes back: not all at once after a process has ended
BEAT = b": so that nobody in between takes the line for dead\n\n"


class Room:
    """Its state as it was read last, the last messages, and when it is to be read next, by the monotonic clock."""

    def __init__(self, state: State) -> None:
        self.state, self.look_at = state, 0.0  # at once: what changed since it was read, nobody here has heard
        self.viewers: set[Viewer] = set()
        self.count, self.beats = 0, 0
        self.is_over = False
        self._messages: deque[bytes] = deque(maxlen=KEPT)
        self._whole: bytes | None = None

    def renew(self, state: State) -> bool:
        """Takes a newer state; returns whether there is something to tell."""
        before, self.state = self.state, state
        if state.version == before.version:
            return False
        self._whole = None
        self._messages.append(told(changes(before, state), state.version))
        self.count += 1
        return True

    def whole(self) -> bytes:
        """The state as a message, written once for all."""
        if self._whole is None:
            self._whole = told_all(self.state)
        return self._whole

    def since(self, count: int) -> bytes:
        """What was told since there were so many messages."""
        missed = self.count - count
        return self.whole() if missed > KEPT else b"".join(list(self._messages)[-missed:])


class Viewer:
    """The stream of one viewer, as bytes. Whoever comes back with the version of the state as it is gets nothing twice.

    It waits for a future and holds no thread, timer or queue: what it has not taken stands in the room. Close it.
    """

    def __init__(self, room: Room, seen: str, leave: Callable[["Viewer"], None]) -> None:
        self._room, self._leave = room, leave
        self._count, self._beats = room.count, room.beats
        self._ends_at = time.monotonic() + LIFE_SECONDS * random.uniform(0.75, 1.0)  # noqa: S311 (no secret)
        greeting = b"retry: %d\n\n" % random.randint(*RETRY_MS)  # noqa: S311
        self._first: bytes | None = greeting + (b"" if seen == room.state.version else room.whole())
        self._waiting: asyncio.Future[None] | None = None
        room.viewers.add(self)

    def __aiter__(self) -> "Viewer":
        return self

    async def __anext__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        room = self._room
        while not room.is_over and time.monotonic() < self._ends_at:
            if self._count != room.count:
                count, self._count = self._count, room.count
                return room.since(count)
            if self._beats != room.beats:
                self._beats = room.beats
                return BEAT
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        raise StopAsyncIteration

    def wake(self) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)

    def close(self) -> None:
        if self in self._room.viewers:
            self._room.viewers.discard(self)
            self._leave(self)
