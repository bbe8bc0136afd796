"""Whoever opens a room can press Buy without scrolling, in a real browser."""

from datetime import timedelta

import pytest

from charites.common import clock
from goods.models import Goods, Room
from lab.kit.browser import Browser
from lab.kit.processes.shop import Shop
from lab.kit.room_pages import await_link

pytestmark = [pytest.mark.servers, pytest.mark.slow]

SIZES = [(360, 640), (390, 844), (640, 900), (768, 1024), (1024, 768), (1280, 800)]  # CSS pixels
PICTURES = [f"/static/catalogue/goods-1-{number}.svg" for number in (1, 2, 3)]
COVER = "/static/catalogue/room-1.svg"
TITLE = "白桃玫瑰淡香水 White Peach & Rose Eau de Toilette"
ROOM = {"title": "早安厨房 · 好物过日子 · Slow Mornings, Good Kitchens", "host_name": "林小满 Lin Xiaoman"}
LOADED = "return [...document.querySelectorAll('.stage img, .pictures li:first-child img')].every(i => i.naturalWidth)"


@pytest.fixture
def long_page(shop: Shop) -> str:
    """The address of a room with pictures and all that can stand above its button."""
    in_a_day = clock.now() + timedelta(days=1)
    Goods.objects.filter(goods_id=1).update(
        title=TITLE, head_imgs=PICTURES, market_price=19900, limit_per_buyer=2, sale_ends_at=in_a_day
    )
    Room.objects.update(cover=COVER, **ROOM)
    return f"{shop.url}/rooms/1"


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_buy_is_in_the_window_when_the_page_opens(long_page: str, browser: Browser, language: str) -> None:
    below = {}
    browser.hide_scroll_bars()
    for width, height in SIZES:
        with browser.pretending(width=width, height=height, language=language):
            browser.open(long_page)
            await_link(browser)
            assert browser.run(LOADED)
            assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
            bottom = browser.run("return document.querySelector('[data-testid=buy]').getBoundingClientRect().bottom")
            if bottom > height:
                below[width, height] = bottom
    assert below == {}
    assert browser.complaints() == []
