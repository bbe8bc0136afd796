"""A demo shop of real processes with a room, for tests in a browser."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from goods.services import Entry, add_room_goods
from lab.kit.factories import make_goods, make_room, make_user
from lab.kit.processes.shop import Shop


@pytest.fixture
def shop(demo_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    make_room_of_the_demo()
    with serving(demo_environment, tmp_path) as started:
        yield started


def make_room_of_the_demo() -> None:
    """A room with five pieces of what is pinned there, and of another product, and two buyers."""
    make_user("buyer")
    make_user("buyer2")
    for goods_id in (1, 2):
        make_goods(goods_id, stock=5)
    room = make_room(1)
    add_room_goods(room_id=1, entries=[Entry(1, 2), Entry(2, 1)], actor="staff")
    room.current_goods_id = 1
    room.save()


@contextmanager
def serving(environment: Mapping[str, str], folder: Path) -> Iterator[Shop]:
    """Inside, the demo's web server and sweep answer."""
    with Shop(folder, environment) as started:
        started.start("web")
        started.await_web()
        started.start("sweep")
        yield started
