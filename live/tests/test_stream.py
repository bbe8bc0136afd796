"""Streams of rooms: what arrives, when, and for how many."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from charites.common.errors import Busy, Limited
from goods.errors import RoomNotFound
from goods.models import Room
from goods.services import delete_rooms, pin_goods
from lab.kit.factories import make_goods, make_order, make_room
from lab.kit.processes.shop import wait_until
from lab.servers import EmbeddedRedis, free_port
from live import room as rooms
from live import stream
from live.room import Viewer
from live.stream import Streams

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 30  # a bound, no measurement


class Watcher:
    """Somebody who reads a stream to its end."""

    def __init__(self, viewer: Viewer, reading: "asyncio.Task[None] | None" = None) -> None:
        self.viewer, self.reading = viewer, reading
        self.heard = b""

    async def read(self) -> None:
        async for part in self.viewer:
            self.heard += part

    def await_event(self, *words: str) -> None:
        wait_until(lambda: all(word.encode() in self.heard for word in words), seconds=SECONDS, what=f"heard {words}")


class Watching:
    """The streams of a process, in an event loop of their own."""

    def __init__(self) -> None:
        self.streams = Streams()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    def open(self, *, room_id: int = 1, address: str = "10.0.0.1", seen: str = "") -> Viewer:
        found: Viewer = self.run(self.streams.open(room_id=room_id, address=address, seen=seen))
        return found

    def watch(self, **asked: Any) -> Watcher:
        async def begin() -> Watcher:
            watcher = Watcher(await self.streams.open(**{"room_id": 1, "address": "10.0.0.1", **asked}))
            watcher.reading = asyncio.ensure_future(watcher.read())
            return watcher

        found: Watcher = self.run(begin())
        return found

    def leave(self, *viewers: Viewer) -> None:
        async def close() -> None:
            for viewer in viewers:
                viewer.close()

        self.run(close())

    def close(self) -> None:
        self.streams.close()

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(autouse=True)
def shop() -> None:
    make_goods(1, stock=5)
    make_goods(2, stock=5)
    make_room(1, goods_ids=[1, 2])
    make_room(2, goods_ids=[2])


@pytest.fixture
def watching() -> Iterator[Watching]:
    made = Watching()
    yield made
    made.close()


@pytest.fixture
def only_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked at without a hint."""
    monkeypatch.setattr(stream, "HEARD_SECONDS", 1_000_000.0)
    monkeypatch.setattr(stream, "UNHEARD_SECONDS", 1_000_000.0)


@pytest.mark.usefixtures("only_hints")
def test_two_processes_hear_of_an_order_and_of_what_is_pinned(watching: Watching) -> None:
    other = Watching()
    try:
        viewers = [watching.watch(), other.watch()]
        for viewer in viewers:
            viewer.await_event("retry: ", "event: room")

        make_order({1: 2})
        for viewer in viewers:
            viewer.await_event("event: stock", '"ordered":2,"available":3,"reserved":2,"sold":0')
        pin_goods(room_id=1, goods_id=2)
        for viewer in viewers:
            viewer.await_event('event: pinned\ndata: {"goods_id":"2"}')
    finally:
        other.close()


@pytest.mark.usefixtures("only_hints")
def test_viewer_of_another_room_hears_nothing_of_it(watching: Watching) -> None:
    here, elsewhere = watching.watch(), watching.watch(room_id=2)

    make_order({1: 1})
    here.await_event("event: stock")
    make_order({2: 1})
    elsewhere.await_event("event: stock")

    assert b'"goods_id":"1"' not in elsewhere.heard


def test_without_redis_the_shop_looks_for_itself(watching: Watching, settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    viewer = watching.watch()

    make_order({1: 1})

    viewer.await_event("event: stock")


def test_redis_that_hangs_is_as_good_as_none(watching: Watching, monkeypatch: pytest.MonkeyPatch, settings) -> None:
    monkeypatch.setattr(stream, "REDIS_SECONDS", 0.2)
    with EmbeddedRedis() as redis:
        settings.REDIS_URL = redis.url
        viewer = watching.watch()
        wait_until(lambda: watching.streams._hears, seconds=SECONDS, what="hints are heard")

        redis.pause()
        wait_until(lambda: not watching.streams._hears, seconds=SECONDS, what="Redis is taken for away")
        Room.objects.filter(room_id=1).update(current_goods_id=2)  # nobody says so
        viewer.await_event("event: pinned")

        redis.resume()
        wait_until(lambda: watching.streams._hears, seconds=SECONDS, what="hints are heard again")


def test_hint_that_was_lost_is_made_up_for(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARD_SECONDS", 0.1)
    viewer = watching.watch()

    Room.objects.filter(room_id=1).update(current_goods_id=2)  # nobody says so

    viewer.await_event("event: pinned")


def test_who_comes_back_with_the_version_gets_nothing_twice(watching: Watching) -> None:
    first = watching.watch()
    first.await_event("id: ")
    version = first.heard.decode().split("id: ")[1].strip()

    again = watching.watch(seen=version)
    other = watching.watch(seen="another")
    make_order({1: 1})

    again.await_event("event: stock")
    other.await_event("event: stock")
    assert b"event: room" not in again.heard
    assert b"event: room" in other.heard


def test_slow_viewer_gets_the_state_instead_of_all_that_was_missed(watching: Watching, monkeypatch) -> None:
    monkeypatch.setattr(rooms, "KEPT", 0)
    slow, quick = watching.open(), watching.watch()
    watching.run(slow.__anext__())

    make_order({1: 1})
    quick.await_event("event: room", '"available":4')

    assert b"event: room" in watching.run(slow.__anext__())


def test_deleted_room_ends_its_streams_and_is_not_found_then(watching: Watching) -> None:
    viewer = watching.watch()

    delete_rooms(room_ids=[1])

    wait_until(lambda: viewer.reading and viewer.reading.done(), seconds=SECONDS, what="the stream has ended")
    with pytest.raises(RoomNotFound):
        watching.open()
    watching.leave(viewer.viewer)
    assert not watching.streams._by_room


def test_stream_ends_after_a_while(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "LIFE_SECONDS", 0.0)

    viewer = watching.watch()

    wait_until(lambda: viewer.reading and viewer.reading.done(), seconds=SECONDS, what="the stream has ended")
    assert b"event: room" in viewer.heard


def test_line_is_kept_alive(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEAT_SECONDS", 0.05)

    watching.watch().await_event("\n: ")


def test_address_room_and_process_are_bounded_and_places_come_back(watching: Watching, settings) -> None:
    settings.LIVE_VIEWERS_PER_ADDRESS, settings.LIVE_VIEWERS_PER_ROOM, settings.LIVE_VIEWERS = 2, 3, 4
    first, second = watching.open(), watching.open()

    with pytest.raises(Limited):
        watching.open(room_id=2)
    third = watching.open(address="2001:db8::1")
    with pytest.raises(Busy):
        watching.open(address="10.0.0.3")
    fourth = watching.open(room_id=2, address="2001:db8::2")
    with pytest.raises(Limited):
        watching.open(room_id=2, address="2001:db8::3")  # of the same network
    with pytest.raises(Busy):
        watching.open(room_id=2, address="10.0.0.4")

    watching.leave(first, second, third, fourth, fourth)
    assert watching.open().wake() is None
    assert watching.streams._by_address.total() == 1


def test_room_is_bounded_also_for_those_who_come_at_once(watching: Watching, settings) -> None:
    settings.LIVE_VIEWERS_PER_ROOM = 3

    async def come() -> list[Any]:
        coming = (watching.streams.open(room_id=1, address=f"10.0.1.{n}") for n in range(9))
        return await asyncio.gather(*coming, return_exceptions=True)

    assert [type(found) for found in watching.run(come())].count(Viewer) == 3


def test_who_comes_as_the_process_ends_is_sent_away(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    read = stream.read_states
    monkeypatch.setattr(stream, "read_states", lambda room_ids: (watching.streams.close(), read(room_ids))[1])

    with pytest.raises(Busy):
        watching.open()

    assert not watching.streams._rooms


def test_those_who_come_at_once_cost_one_look(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Any] = []
    read = stream.read_states
    monkeypatch.setattr(stream, "read_states", lambda room_ids: (looks.append(list(room_ids)), read(room_ids))[1])
    monkeypatch.setattr(stream, "PAUSE_SECONDS", 1_000.0)
    monkeypatch.setattr(stream, "MOST_PAUSE_SECONDS", 1_000.0)

    async def come() -> None:
        await asyncio.gather(*(watching.streams.open(room_id=1, address=f"10.0.1.{n}") for n in range(50)))

    watching.run(come())

    assert looks.count([1]) <= 2  # the first, and the one after it for what changed meanwhile


def test_who_comes_in_the_moment_when_the_last_one_has_left_is_told_of_changes(watching: Watching) -> None:
    async def leave_and_come() -> Watcher:
        first = await watching.streams.open(room_id=1, address="10.0.0.1")
        follow = watching.streams._tasks[0]
        first.close()
        watching.streams._changed.set()
        await asyncio.wait([follow])  # it has ended, and those who end with it have not
        watching.streams._rooms[1] = first._room  # whoever comes had been waiting for it
        second = Watcher(await watching.streams.open(room_id=1, address="10.0.0.1"))
        second.reading = asyncio.ensure_future(second.read())
        return second

    second = watching.run(leave_and_come())
    make_order({1: 1})

    second.await_event("event: stock")


def test_room_that_cannot_be_read_for_once_is_read_again(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "AFTER_ERROR_SECONDS", 0.05)
    monkeypatch.setattr(stream, "HEARD_SECONDS", 0.05)
    read, calls = stream.read_states, []

    def fail_the_second_time(room_ids: Any) -> Any:
        calls.append(room_ids)
        if len(calls) == 2:
            raise RuntimeError
        return read(room_ids)

    monkeypatch.setattr(stream, "read_states", fail_the_second_time)
    viewer = watching.watch()
    wait_until(lambda: len(calls) > 1, seconds=SECONDS, what="it could not be read")
    make_order({1: 1})

    viewer.await_event("event: stock")


@pytest.mark.long
@pytest.mark.usefixtures("only_hints")
def test_who_comes_as_the_last_one_leaves_is_told_what_changes(watching: Watching, monkeypatch) -> None:
    monkeypatch.setattr(stream, "PAUSE_SECONDS", 0.0005)
    tasks: set[asyncio.Task[None]] = set()

    async def come_and_go() -> None:
        for turn in range(300):
            viewer = await watching.streams.open(room_id=1, address="10.0.0.1")
            tasks.update(watching.streams._tasks)
            await asyncio.sleep(0.0007 * (turn % 9))
            viewer.close()
            await asyncio.sleep(0.0005 * (turn % 7))

    watching.run(come_and_go())
    viewer = watching.watch()
    pin_goods(room_id=1, goods_id=2)

    viewer.await_event("event: pinned")
    wait_until(lambda: all(task.done() for task in tasks - set(watching.streams._tasks)), seconds=SECONDS, what="ends")


def test_unknown_rooms_leave_nothing_behind(watching: Watching) -> None:
    for room_id in range(50, 60):
        with pytest.raises(RoomNotFound):
            watching.open(room_id=room_id)

    assert not watching.streams._by_address
    assert not watching.streams._by_room
    assert not watching.streams._rooms
    assert not watching.streams._adding


def test_listening_ends_when_it_is_told_to_wherever_it_stands(watching: Watching) -> None:
    async def listen_and_end(steps: int) -> bool:
        listening = asyncio.ensure_future(watching.streams._listen())
        for _ in range(steps):
            await asyncio.sleep(0)
        listening.cancel()
        ended, _ = await asyncio.wait([listening], timeout=SECONDS / 2)
        return bool(ended)

    async def listen() -> list[bool]:
        return await asyncio.gather(*(listen_and_end(steps) for steps in range(100)))

    assert all(watching.run(listen()))
