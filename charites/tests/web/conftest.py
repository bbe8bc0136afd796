"""A small shop, and the web application in front of it."""

from collections.abc import Iterator

import pytest

from charites.common import clock
from charites.tests.web.asked import Web
from goods import remembered
from lab.kit.factories import make_goods, make_room


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()


@pytest.fixture(autouse=True)
def moments_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take its time."""
    clock.now()  # so that the event loop knows it
    for memory in remembered._all:
        monkeypatch.setattr(memory, "_seconds", 600.0)


@pytest.fixture
def shop() -> None:
    make_goods(1, stock=50)
    make_goods(2, stock=0)
    make_room(3, goods_ids=[1, 2])
