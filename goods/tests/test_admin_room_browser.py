"""The page of a room in a real browser: what was typed is not lost without a word."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from goods.models import Room
from lab.kit.admin_browser import sign_in_as_staff
from lab.kit.admin_site import page_url
from lab.kit.browser import Browser
from lab.kit.processes.shop import Shop, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow]

BOUND_SECONDS = 60  # for slow machines, no measurement
TITLE = "document.querySelector('[name=title]')"
ANSWER = "window.asked = []; window.confirm = (question) => { window.asked.push(question); return %s; }"
PIN = "[aria-label^='Pin ']"


@pytest.fixture
def shop(demo_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path, demo_environment) as started:
        started.manage("seed").check_returncode()
        started.start("web")
        started.await_web()
        yield started


def room() -> Room:
    return Room.objects.get(room_id=1)


def await_done(browser: Browser) -> None:
    wait_until(lambda: browser.texts(".messagelist .success"), seconds=BOUND_SECONDS, what="it is done")


def test_page_asks_before_a_button_of_the_list_loses_what_was_typed_and_enter_saves_it(
    shop: Shop, browser: Browser
) -> None:
    Room.objects.filter(room_id=1).update(current_goods_id=None)
    first = f"document.querySelector({PIN!r})"
    with browser.pretending(width=1280, language="en"):
        sign_in_as_staff(browser, shop.url, page_url(room()), shown=".shelf")

        browser.run(f"{ANSWER % 'false'}; {TITLE}.value = 'Evening'; {first}.click()")
        assert browser.run("return window.asked") == [
            "What you have typed on this page is not saved, and would be lost. Go on without it?"
        ]
        assert browser.run(f"return {TITLE}.value") == "Evening"
        assert room().current_goods_id is None

        browser.run("document.querySelector('.shelf [type=number]').focus()")
        browser.press("ENTER")
        await_done(browser)
        assert (room().title, room().current_goods_id) == ("Evening", None)

        browser.open(f"{shop.url}{page_url(room())}")
        browser.run(f"{ANSWER % 'false'}; {first}.click()")
        await_done(browser)
        assert room().current_goods_id is not None

    assert browser.complaints() == []
