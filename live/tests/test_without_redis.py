"""A room's page while Redis goes away and comes back: it does not notice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from goods.services import pin_goods
from lab.kit.browser import Browser
from lab.kit.factories import make_stock
from lab.kit.processes.shop import Shop
from lab.kit.room_pages import await_link, await_texts, link_of
from lab.servers import Redis
from live.tests.conftest import make_room_of_the_demo, serving

pytestmark = [pytest.mark.servers, pytest.mark.slow]

LEFT, TITLE = "[data-testid=available]", "[data-testid=pinned-title]"


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture
def shop_of_its_own(demo_environment: dict[str, str], tmp_path: Path, redis: Redis) -> Iterator[Shop]:
    make_room_of_the_demo()
    with serving({**demo_environment, "REDIS_URL": redis.url}, tmp_path) as shop:
        yield shop


def test_page_follows_the_room_whatever_redis_does(shop_of_its_own: Shop, redis: Redis, browser: Browser) -> None:
    browser.open(f"{shop_of_its_own.url}/rooms/1")
    await_link(browser)

    redis.stop()
    make_stock(1, 4)
    await_texts(browser, LEFT, "9")
    assert link_of(browser) == "live"

    redis.start()
    pin_goods(room_id=1, goods_id=2)
    await_texts(browser, TITLE, "Goods 2")
    assert link_of(browser) == "live"
    assert browser.complaints() == []
