"""Hints: what they say, when they are told, and that nobody waits for them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from django.conf import settings

from charites.common import hints
from charites.common.hints import ANYTHING, MOST, Changed, Hints
from charites.common.shop import shop_of
from goods.models import Goods
from goods.services import (
    change_goods,
    change_room,
    delete_goods,
    delete_rooms,
    pin_goods,
    remove_room_goods,
    set_goods_status,
)
from lab.kit.factories import make_closed_order, make_goods, make_order, make_room, make_stock
from lab.kit.processes.shop import wait_until

SECONDS = 30  # a bound, no measurement
OFF_SALE = Goods.Status.OFF_SALE


@pytest.mark.parametrize(
    "changed", [Changed(), ANYTHING, Changed(goods=frozenset({1, 2**63 - 1})), Changed(None, frozenset({7}))]
)
def test_what_is_written_is_read(changed: Changed) -> None:
    assert hints.read(hints.written(changed)) == changed


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"goods": 1, "rooms": []}',
        b'{"goods": ["x"], "rooms": []}',
        b'{"goods": [Infinity], "rooms": []}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_message_says_that_anything_may_have_changed(message: bytes) -> None:
    assert hints.read(message) == ANYTHING


def test_what_gathers_is_one_message_and_bounded() -> None:
    sent: list[Changed] = []
    told = Hints(lambda message: sent.append(hints.read(message)))

    told.tell(goods=range(1, MOST + 2))
    for room_id in (1, 2, 1):
        told.tell(rooms=[room_id])

    wait_until(lambda: sent, seconds=SECONDS, what="something was sent")
    assert sent == [Changed(None, frozenset({1, 2}))]


def test_without_redis_nobody_waits_and_it_is_counted() -> None:
    calls: list[str] = []

    def refuse(message: str) -> None:
        calls.append(message)
        raise redis.ConnectionError

    before = hints.HINTS.labels("failed")._value.get()
    Hints(refuse).tell(goods=[1])

    wait_until(lambda: calls, seconds=SECONDS, what="it was tried")
    wait_until(lambda: hints.HINTS.labels("failed")._value.get() == before + 1, seconds=SECONDS, what="it was counted")


@contextmanager
def listening(channel: str) -> Iterator[Callable[[], Changed]]:
    with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as messages:
        messages.subscribe(channel)
        assert messages.get_message(timeout=SECONDS)["type"] == "subscribe"
        yield lambda: hints.read(messages.get_message(timeout=SECONDS)["data"])


@pytest.fixture
def heard() -> Iterator[Callable[[], Changed]]:
    """What is heard through Redis next."""
    with listening(hints.channel()) as heard:
        yield heard


def test_what_a_command_tells_last_is_heard(tmp_path: Path) -> None:
    database = str(tmp_path / "shop.sqlite3")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "charites.settings",
        "ENV_FILE": "",
        "DEBUG": "1",
        "DATABASE_URL": f"sqlite:///{database}",
        "REDIS_URL": settings.REDIS_URL,
    }
    script = "import django; django.setup(); from charites.common import hints; hints.tell(goods=[7])"
    with listening(f"charites:{shop_of({'NAME': database})}:hints") as heard:
        subprocess.run([sys.executable, "-c", script], env=environment, cwd=settings.BASE_DIR, check=True)

        assert heard() == Changed(goods=frozenset({7}))


OF_GOODS, OF_ROOM = Changed(goods=frozenset({1})), Changed(rooms=frozenset({1}))
CHANGES: dict[str, tuple[Callable[[], object], Changed]] = {
    "an order is placed": (make_order, OF_GOODS),
    "an order is cancelled": (make_closed_order, OF_GOODS),
    "stock is delivered": (make_stock, OF_GOODS),
    "a product goes off sale": (lambda: set_goods_status(goods_ids=[1], status=OFF_SALE, actor="staff"), OF_GOODS),
    "a product is changed": (lambda: change_goods(goods_id=1, values={"price": 1}, actor="staff"), OF_GOODS),
    "a product is deleted": (lambda: delete_goods(goods_ids=[1], actor="staff"), OF_GOODS),
    "a product is pinned": (lambda: pin_goods(room_id=1, goods_id=1), OF_ROOM),
    "a list changes": (lambda: remove_room_goods(room_id=1, goods_ids=[1], actor="staff"), OF_ROOM),
    "a room is changed": (lambda: change_room(room_id=1, values={"title": "Another"}), OF_ROOM),
    "a room is deleted": (lambda: delete_rooms(room_ids=[1]), OF_ROOM),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", CHANGES)
def test_whoever_changes_what_viewers_see_tells_it(heard: Callable[[], Changed], what: str) -> None:
    make_goods(1, stock=5)
    heard()
    make_room(1, goods_ids=[1])
    heard()
    change, expected = CHANGES[what]

    change()

    assert heard() == expected
