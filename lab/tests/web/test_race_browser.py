"""The front page of the demo in a browser, with a shop of real processes: what it weighs, and a race to its report."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import dj_database_url
import pytest

from charites.common.shop import shop_of
from goods.services import Entry, add_room_goods
from lab.kit import figures
from lab.kit.browser import Browser
from lab.kit.factories import counts, make_goods, make_room, make_user
from lab.kit.processes.shop import Shop, wait_until
from lab.run.environment import VAR

pytestmark = [pytest.mark.servers, pytest.mark.slow]

BOUND_SECONDS = 120  # for slow machines, no measurement
DESKTOP, PHONE = 1280, 390  # CSS pixels
MOST_BYTES = 150_000  # of the first page that somebody opens, pictures apart
ADDRESS = "return location.pathname"
# Returns [width of the window, whether nothing is wider than it, buttons and links that are outside of it].
MEASURE = """
const right = found => found.getBoundingClientRect().right
const outside = [...document.querySelectorAll("a, button")].filter(found => right(found) > innerWidth)
return [innerWidth, document.documentElement.scrollWidth <= innerWidth, outside.length]
"""


@pytest.fixture
def shop(demo_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    """A demo shop with a room; its web server answers."""
    make_user("buyer")
    make_goods(1, stock=5)
    room = make_room(1, title="Slow Mornings", host_name="Mei", cover="/static/catalogue/room-1.svg")
    add_room_goods(room_id=1, entries=[Entry(1)], actor="staff")
    room.current_goods_id = 1
    room.save()
    with Shop(tmp_path, demo_environment) as started:
        started.start("web")
        started.await_web()
        yield started
    database = dict(dj_database_url.parse(demo_environment["DATABASE_URL"]))
    shutil.rmtree(VAR / "race" / shop_of(database), ignore_errors=True)


def await_path(browser: Browser, path: str) -> None:
    wait_until(lambda: browser.run(ADDRESS) == path, seconds=BOUND_SECONDS, what=f"the browser is at {path}")


def test_front_page_is_light_and_fits_a_desktop_and_a_phone_in_both_languages(shop: Shop, browser: Browser) -> None:
    seen = {}
    browser.complaints()

    for width in (DESKTOP, PHONE):
        for language in ("en", "zh-CN"):
            with browser.pretending(width=width, language=language):
                browser.open(f"{shop.url}/")
                seen[width, language] = browser.run(MEASURE)
    texts, weight = figures.weigh(browser)

    assert seen == {(width, name): [width, True, 0] for width in (DESKTOP, PHONE) for name in ("en", "zh-CN")}
    assert texts == 3  # the page and two styles
    assert weight < MOST_BYTES
    assert browser.texts(".rooms article h2") == ["Slow Mornings"]
    assert browser.complaints() == []


@pytest.mark.long
def test_race_from_the_front_page_without_scripts_opens_its_report(shop: Shop, browser: Browser) -> None:
    browser.complaints()
    with browser.pretending(width=PHONE, language="en"), browser.without_scripts():
        browser.open(f"{shop.url}/")
        browser.click("[data-testid=race]")
        await_path(browser, "/race/report")
        oversold, exact = browser.texts("h1 span")
        assert re.fullmatch(r"naive oversold by \d+\.", oversold)
        assert exact == "group_commit was exact."
        assert browser.run(MEASURE)[:2] == [PHONE, True]
        assert browser.run("return getComputedStyle(document.querySelector('.narrow')).display") == "block"

        browser.run("history.back()")
        await_path(browser, "/")

    assert browser.complaints() == []
    assert counts(1) == (5, 0, 0)
