"""A crowd sent from the desk in a real browser, without scripts and with them, in a shop of real processes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.kit.browser import Browser
from lab.kit.factories import counts, make_goods, make_room, make_stock, make_user
from lab.kit.processes.shop import Shop, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow]

BOUND_SECONDS = 120  # for slow machines, no measurement
PHONE, DESKTOP = 390, 1280  # CSS pixels
RESULT = "[data-testid=desk-result]"


@pytest.fixture
def shop(demo_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    make_user("staff", is_staff=True)
    make_goods(1, stock=100)
    make_room(1, goods_ids=[1], current_goods_id=1)
    with Shop(tmp_path, {**demo_environment, "METRICS_DIR": str(tmp_path / "metrics")}) as started:
        started.start("web")
        started.await_web()
        yield started


@pytest.fixture
def seeded_shop(shop: Shop) -> Shop:
    """One that a reset can put back, with a piece too few."""
    make_stock(1, -1)
    return shop


def state_of(browser: Browser) -> str:
    found: str = browser.run(f"return document.querySelector('{RESULT}')?.dataset.state ?? 'running'")
    return found


def press_look_again(browser: Browser) -> None:
    browser.run("document.querySelector('#crowd a')?.click()")


def send(browser: Browser, look: Callable[[Browser], None]) -> str:
    """Sends the crowd, looks until it has gone, and returns what is said then."""
    browser.run("document.querySelector('[name=stock]').value = '5'")
    browser.click("[data-testid=desk-send]")

    def ended() -> bool:
        is_running = state_of(browser) in ("none", "running")
        if is_running:
            look(browser)
        return not is_running

    wait_until(ended, seconds=BOUND_SECONDS, what="the crowd has gone")
    return " ".join(browser.texts(RESULT)[0].split())


@pytest.mark.long
def test_crowd_of_two_hundred_at_five_pieces_is_told_on_the_desk(shop: Shop, browser: Browser) -> None:
    with browser.pretending(width=PHONE, language="en"), browser.without_scripts():
        browser.open(f"{shop.url}/rooms/1/desk")
        assert browser.texts(RESULT) == ["No crowd has been here yet."]

        told = send(browser, press_look_again)

        assert told.startswith("200 buyers, 1 piece each: Goods 1 5 got it, 195 sold out in ")
        assert told.endswith(" s The database agrees: 5 orders of these buyers, 5 pieces reserved.")
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        browser.open(f"{shop.url}/rooms/1")
        assert browser.texts("[data-testid=available]") == ["0"]

    assert counts(1) == (0, 5, 0)
    assert browser.complaints() == []
    audit = shop.manage("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


@pytest.mark.long
def test_desk_tells_by_itself_what_came_of_a_crowd(shop: Shop, browser: Browser) -> None:
    with browser.pretending(width=DESKTOP, language="en"):
        browser.open(f"{shop.url}/rooms/1/desk")
        browser.run("document.querySelector('#crowd-buyers').value = '500'")

        told = send(browser, lambda browser: None)

        assert told.startswith("500 buyers, 1 piece each: Goods 1 5 got it, 495 sold out in ")
        assert told.endswith(" s The database agrees: 5 orders of these buyers, 5 pieces reserved.")
        wait_until(
            lambda: browser.texts("[data-testid=available]")[0] == "0", seconds=BOUND_SECONDS, what="nothing is left"
        )
    assert browser.complaints() == []


def test_desk_sends_and_resets_without_leaving_the_page(seeded_shop: Shop, browser: Browser) -> None:
    def says(selector: str, words: str) -> None:
        wait_until(lambda: browser.texts(selector) == [words], seconds=BOUND_SECONDS, what=words)

    with browser.pretending(width=PHONE, language="en"):
        browser.open(f"{seeded_shop.url}/rooms/1/desk")
        browser.run("document.querySelector('#reset-room').scrollIntoView(); window.kept = scrollY")

        browser.click("[data-testid=desk-reset]")
        says("#answer-reset", "The room is as it was: stock of 1 product set.")
        assert browser.run("return [document.activeElement.dataset.testid, scrollY - kept]") == ["desk-reset", 0]
        assert browser.texts("#now-1 .available") == ["100"]

        browser.run("document.querySelector('#pieces-1').value = '9'")
        browser.run("document.querySelector('#send-crowd').scrollIntoView(); window.kept = scrollY")
        browser.run("document.querySelector('#crowd-buyers').value = '20'")
        send(browser, lambda browser: None)
        assert browser.run("return [document.activeElement.dataset.testid, scrollY - kept]") == ["desk-send", 0]
        assert browser.run("return document.querySelector('#crowd-stock').value") == "5"
        assert browser.run("return document.querySelector('#pieces-1').value") == "9"

        browser.run("document.querySelector('.crowd-send').noValidate = true")
        browser.run("document.querySelector('#crowd-buyers').value = '0'")
        browser.click("[data-testid=desk-send]")
        says("#send-crowd .told", "Buyers: must be a whole number from 1 to 500.")
        assert browser.run("return [document.activeElement.className, location.pathname]") == [
            "told bad",
            "/rooms/1/desk",
        ]
