"""Pages that are out of date, in a real browser: they say so and what to do, and ask nobody any more."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from goods.services import delete_rooms, pin_goods
from lab.kit.browser import Browser
from lab.kit.factories import counts, make_user
from lab.kit.processes.shop import Shop
from lab.kit.room_pages import STATE, await_link, await_state, await_texts, await_true, link_of
from live.tests.conftest import make_room_of_the_demo, serving
from orders.models import Order

pytestmark = [pytest.mark.servers, pytest.mark.slow]

SIGNED_OUT, GONE = "You are signed out: sign in", "This room is gone: see the others"
OUTDATED = "This page is out of date: reload it and press again"
LINK = "return document.querySelector('#link [data-link=signed-out]').getAttribute('href')"


@pytest.fixture
def shop_without_demo(demo_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    make_room_of_the_demo()
    with serving({**demo_environment, "DEMO": "false", "HTTPS_ONLY": "false"}, tmp_path) as started:
        yield started


def sign_in(shop: Shop, browser: Browser, name: str, path: str) -> None:
    browser.open(f"{shop.url}/sign-in?next={path}")
    browser.run(f"id_username.value = '{name}'; id_password.value = 'charites'")
    browser.click("main form button")
    await_true(lambda: browser.run("return location.pathname") == path, "one is signed in")


def sign_out(browser: Browser) -> None:
    browser.click("form[action='/sign-out'] button")
    await_true(lambda: browser.run("return location.pathname") == "/", "one is signed out")


def assert_asks_nobody(browser: Browser) -> None:
    """Whatever happens from now on."""
    browser.run("window.asked = []; window.fetch = (url) => { asked.push(url); return new Promise(() => {}) }")
    browser.run("refresh(); connect(); dispatchEvent(new Event('online')); dispatchEvent(new Event('focus'))")
    assert browser.run("return isLooking") is False
    assert browser.run("return stream.readyState === EventSource.CLOSED")
    assert browser.run("return asked") == []


@pytest.mark.long
def test_desk_of_somebody_who_has_signed_out_says_so(shop: Shop, browser: Browser) -> None:
    make_user("host", is_staff=True)
    sign_in(shop, browser, "host", "/rooms/1/desk")
    await_link(browser)
    with browser.in_another_window():
        browser.open(f"{shop.url}/rooms/1/desk")
        sign_out(browser)

    pin_goods(room_id=1, goods_id=2)

    await_texts(browser, "#link", SIGNED_OUT)
    assert browser.run(LINK) == "/sign-in?next=/rooms/1/desk"
    assert browser.texts("#pinned .title") == ["Goods 1"]
    assert_asks_nobody(browser)


@pytest.mark.long
def test_desk_of_somebody_who_is_no_host_any_more_says_so(shop: Shop, browser: Browser) -> None:
    make_user("host", is_staff=True)
    sign_in(shop, browser, "host", "/rooms/1/desk")
    await_link(browser)
    get_user_model().objects.filter(username="host").update(is_staff=False)

    pin_goods(room_id=1, goods_id=2)

    await_texts(browser, "h1", "For the host only")


@pytest.mark.long
def test_order_of_somebody_who_has_signed_out_says_so(shop_without_demo: Shop, browser: Browser) -> None:
    shop = shop_without_demo
    sign_in(shop, browser, "buyer", "/rooms/1")
    browser.run("document.querySelectorAll('#buy details input').forEach(found => { found.value = '13800000000' })")
    browser.click("[data-testid=buy]")
    await_state(browser, "unpaid")
    with browser.in_another_window():
        browser.open(f"{shop.url}/rooms/1")
        sign_out(browser)

    await_texts(browser, "#link", SIGNED_OUT)
    assert browser.run(LINK) == "/sign-in?next=/rooms/1"
    await_state(browser, "unpaid")
    assert_asks_nobody(browser)


@pytest.mark.long
@pytest.mark.parametrize("path", ["/rooms/1", "/rooms/1/desk"])
def test_page_of_a_room_that_was_deleted_says_so(shop: Shop, browser: Browser, path: str) -> None:
    make_user("staff", is_staff=True)
    browser.open(f"{shop.url}{path}")
    await_link(browser)

    delete_rooms(room_ids=[1])

    await_texts(browser, "#link", GONE)
    assert link_of(browser) == "gone"
    assert_asks_nobody(browser)


def test_press_on_a_page_of_before_somebody_signed_in_is_told_and_nothing_is_lost(shop: Shop, browser: Browser) -> None:
    browser.open(f"{shop.url}/rooms/1")
    await_link(browser)
    browser.run("document.querySelector('#buy details').open = true")
    browser.run("document.querySelector('#address').value = '9 Peach Street'")
    browser.run("document.querySelector('[data-testid=quantity]').value = '2'")
    key = browser.run("return document.querySelector('#buy').elements.key.value")
    with browser.in_another_window():
        sign_in(shop, browser, "buyer2", "/rooms/1")

    browser.click("[data-testid=buy]")
    await_texts(browser, STATE, OUTDATED)
    assert browser.run("return document.activeElement.id") == "order"
    assert not Order.objects.exists()

    browser.click(f"{STATE} a")
    await_state(browser, None)
    assert browser.run("return document.activeElement.dataset.testid") == "buy"
    assert browser.run("return document.querySelector('#buy').elements.key.value") == key
    browser.click("[data-testid=buy]")
    await_state(browser, "unpaid")
    assert Order.objects.get().receive_address == "9 Peach Street"
    assert counts(1) == (3, 2, 0)
    assert browser.run("return performance.getEntriesByType('navigation').length") == 1
