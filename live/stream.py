"""Streams of events for whoever watches a room: one reader for all viewers of a process.

    a batch commits ── hint ──> Redis ── pub/sub ──> listen ──┐
    nobody has said anything for a while ────────────────────>├── read: the rooms that may have changed, as one set
    a sale starts or ends by the clock ──────────────────────>┘        └── changed? ──> every viewer of the room

A viewer costs a place in a set, and no thread, connection or query. A room's state is read at most four times a second,
less often while telling its viewers takes long, and from time to time without a hint: hints may be lost. Without Redis
that is the only way, and it happens every second.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Collection, Mapping
from functools import partial

import structlog
from django.conf import settings
from django.db import close_old_connections
from prometheus_client import Gauge

from charites.common import clock, hints
from charites.common.addresses import network_of
from charites.common.errors import Limited, Why, busy
from charites.common.hints import ANYTHING, Changed
from charites.common.redis_client import redis_in_loop
from charites.common.threads import Turns
from goods import remembered
from goods.errors import RoomNotFound
from live.events import State, state_of
from live.room import Room, Viewer
from live.shelf import read_shelves

log = structlog.get_logger(__name__)

PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.25, 1.0  # between two looks
SHARE = 0.2  # of the event loop's time goes to viewers, at most, as long as the pause can be made longer
HEARD_SECONDS, UNHEARD_SECONDS = 5.0, 1.0  # without a hint a room is read again after about so long; the 2nd: no Redis
AFTER_ERROR_SECONDS = 2.0
BEAT_SECONDS = 15.0
AT_ONCE = 64  # viewers who are woken before others have a turn in the event loop
MOST_OPENING = 256  # waiting for a look at a room that nobody watches yet
REDIS_SECONDS = 2.0  # for an answer of Redis
RETRY_AFTER_SECONDS = 30

VIEWERS = Gauge("charites_live_viewers", "Open streams of rooms.", multiprocess_mode="livesum")


def jittered(seconds: float) -> float:
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311 (no secret)


class Streams:
    """All streams of a process. Belongs to one event loop; its tasks run while somebody watches."""

    def __init__(self) -> None:
        self._rooms: dict[int, Room] = {}
        self._adding: dict[int, asyncio.Future[dict[int, State]]] = {}
        self._by_address: Counter[str] = Counter()  # who watches or is about to
        self._by_room: Counter[int] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._following, self._opening = Turns(1, "live-following"), Turns(1, "live-opening", MOST_OPENING)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hears = self._is_closing = False

    # Viewers

    async def open(self, *, room_id: int, address: str, seen: str = "") -> Viewer:
        """Returns the stream of one more viewer; `seen`: the version that he has. Raises RoomNotFound, Limited,
        Busy."""
        network = network_of(address)
        self._admit(room_id, network)
        self._by_address[network] += 1  # before anything is waited for
        self._by_room[room_id] += 1
        try:
            room = self._rooms.get(room_id) or await self._add(room_id)
        except BaseException:
            self._gave_up(room_id, network)
            raise
        viewer = Viewer(room, seen, partial(self._left, room_id, network))
        VIEWERS.inc()
        self._start()
        return viewer

    def _admit(self, room_id: int, network: str) -> None:
        if self._by_address[network] >= settings.LIVE_VIEWERS_PER_ADDRESS:
            raise Limited(retry_after_seconds=RETRY_AFTER_SECONDS)
        if self._is_closing or self._by_room[room_id] >= settings.LIVE_VIEWERS_PER_ROOM:
            raise busy(Why.STREAMS)
        if self._by_address.total() >= settings.LIVE_VIEWERS:
            raise busy(Why.STREAMS)

    async def _add(self, room_id: int) -> Room:
        """Has a room read that nobody watched; many who come for it wait for one look. Raises RoomNotFound, Busy."""
        reading = self._adding.get(room_id)
        if reading is None:
            reading = self._adding[room_id] = asyncio.ensure_future(self._read(self._opening, [room_id]))
            reading.add_done_callback(lambda _: self._adding.pop(room_id))
        states = await asyncio.shield(reading)
        if self._is_closing:
            raise busy(Why.STREAMS)
        if room_id not in states:
            raise RoomNotFound(room_id=room_id)
        self._changed.set()
        return self._rooms.setdefault(room_id, Room(states[room_id]))

    def _left(self, room_id: int, network: str, viewer: Viewer) -> None:
        VIEWERS.dec()
        self._gave_up(room_id, network)

    def _gave_up(self, room_id: int, network: str) -> None:
        self._by_address[network] -= 1
        if not self._by_address[network]:
            del self._by_address[network]
        self._by_room[room_id] -= 1
        if not self._by_room[room_id]:
            del self._by_room[room_id]
            self._rooms.pop(room_id, None)

    # What has changed

    def note(self, changed: Changed) -> None:
        """Has the rooms read that a hint is about."""
        for room_id, room in self._rooms.items():
            in_room = changed.rooms is None or room_id in changed.rooms
            if in_room or changed.goods is None or not changed.goods.isdisjoint(room.state.goods_ids):
                room.look_at = 0.0
                self._changed.set()

    async def _follow(self) -> None:
        """Reads what may have changed, and tells it, for as long as somebody watches."""
        while self._rooms:
            await self._wait()
            now, wait = time.monotonic(), HEARD_SECONDS if self._hears else UNHEARD_SECONDS
            due = {room_id: room for room_id, room in self._rooms.items() if room.look_at <= now}
            for room in due.values():
                room.look_at = now + jittered(wait)  # before they are read: what is heard meanwhile brings them back
            try:
                spent = await self._renew(due, await self._read(self._following, list(due)))
            except Exception as error:  # noqa: BLE001 (whatever it is, the streams go on)
                log.warning("rooms_unread", rooms=len(due), error=repr(error))
                await asyncio.sleep(jittered(AFTER_ERROR_SECONDS))
                continue
            await asyncio.sleep(max(PAUSE_SECONDS, min(spent / SHARE, MOST_PAUSE_SECONDS)))

    async def _wait(self) -> None:
        """Waits until a room is due."""
        self._changed.clear()
        wait = min((room.look_at for room in self._rooms.values()), default=0.0) - time.monotonic()
        if wait > 0:
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _renew(self, due: Mapping[int, Room], states: Mapping[int, State]) -> float:
        """Takes new states, wakes who has to hear of them, and returns how long that took."""
        started = time.monotonic()
        for room_id, room in due.items():
            state = states.get(room_id)
            if state and state.turns_in is not None:
                room.look_at = min(room.look_at, started + state.turns_in)
            if state is None:  # it was deleted
                room.is_over = True
                self._rooms.pop(room_id, None)
            if state is None or room.renew(state):
                remembered.forget()  # whoever is told comes to see
                await self._wake(room)
        return time.monotonic() - started

    @staticmethod
    async def _wake(room: Room) -> None:
        viewers = list(room.viewers)
        for start in range(0, len(viewers), AT_ONCE):
            for viewer in viewers[start : start + AT_ONCE]:
                viewer.wake()
            await asyncio.sleep(0)

    async def _read(self, threads: Turns, room_ids: Collection[int]) -> dict[int, State]:
        """The states of those rooms that there are. Raises Busy, and what a database raises."""
        try:
            reading = await threads.begin(partial(read_states, room_ids), settings.WEB_WAIT_SECONDS)
        except TimeoutError:
            raise busy(Why.THREADS) from None
        return await asyncio.shield(reading)

    # The tasks

    def _start(self) -> None:
        """Has the tasks run, unless they do. The others end with the first, when nobody watches any more."""
        self._loop = asyncio.get_running_loop()
        if self._tasks and not self._tasks[0].done():
            return
        self._hears = False
        follow, *others = (asyncio.create_task(work()) for work in (self._follow, self._listen, self._beat))
        follow.add_done_callback(lambda _: [task.cancel() for task in others])
        self._tasks = [follow, *others]

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            for room in list(self._rooms.values()):
                room.beats += 1
                await self._wake(room)

    async def _listen(self) -> None:
        """Hears hints; when Redis is away, tries again and again."""
        while not is_cancelled():
            try:
                await self._hear()
            except Exception as error:  # noqa: BLE001 (whatever it is, the next try may hear)
                if is_cancelled():
                    return
                if self._hears:
                    log.warning("hints_unheard", error=repr(error))
                    self.note(ANYTHING)  # nor has anybody here heard what was said lately
                self._hears = False
                await asyncio.sleep(jittered(AFTER_ERROR_SECONDS))

    async def _hear(self) -> None:
        """Raises TimeoutError when Redis does not answer a ping either: such a line can stay open for many minutes."""
        connecting = redis_in_loop(settings.REDIS_URL, connect_seconds=REDIS_SECONDS)
        async with connecting as redis, redis.pubsub() as pubsub:
            async with asyncio.timeout(REDIS_SECONDS):
                await pubsub.subscribe(hints.channel())
            heard = None
            while not is_cancelled():
                was_silent = heard is None
                heard = await pubsub.get_message(timeout=REDIS_SECONDS)
                if heard is None:
                    if was_silent:
                        raise TimeoutError
                    await pubsub.ping()
                if heard and heard["type"] == "subscribe":
                    self._hears = True
                    self.note(ANYTHING)  # what was said before, nobody here has heard
                elif heard and heard["type"] == "message":
                    self.note(hints.read(heard["data"]))

    def close(self) -> None:
        """Ends all streams, from any thread: the process ends."""
        self._is_closing = True
        if self._loop:
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for room in self._rooms.values():
            room.is_over = True
            for viewer in room.viewers:
                viewer.wake()
        for threads in (self._following, self._opening):
            threads.close(wait=False)


def is_cancelled() -> bool:
    """Whether somebody has cancelled this task: what it waited in may have passed over that, as `asyncio.wait_for` of
    Python 3.11 does."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def read_states(room_ids: Collection[int]) -> dict[int, State]:
    """In a thread: the states of those rooms that there are, in three queries."""
    close_old_connections()
    now = clock.now()
    return {shelf.room.room_id: state_of(shelf, now) for shelf in read_shelves(room_ids=room_ids, now=now)}


STREAMS = Streams()
