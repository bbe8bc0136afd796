"""A desk in a real browser and a shop of real processes, with scripts switched off: the host sells, a buyer sees it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from django.utils import timezone

from goods.services import Entry, add_room_goods, remove_room_goods
from lab.kit.browser import Browser
from lab.kit.factories import counts, make_clerk, make_goods, make_order, make_room, make_user
from lab.kit.processes.shop import Shop, wait_until
from lab.kit.room_pages import BOUND_SECONDS, await_link, await_texts, await_true
from live.tests.desk.pressing import EVERYTHING

pytestmark = [pytest.mark.servers, pytest.mark.slow]

LONG = "A product whose name is much longer than most of those which people think of"
WIDTHS = (390, 1280)  # CSS pixels: a phone, a laptop


@pytest.fixture
def shop(demo_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    """A demo shop with a room of two products; the web server answers."""
    make_clerk(*EVERYTHING, username="staff")
    make_user("buyer")
    make_goods(1, stock=5)
    make_goods(2, stock=1, title=LONG)
    make_room(1, goods_ids=[1, 2])
    make_order({1: 2}, now=timezone.now())
    with Shop(tmp_path, demo_environment) as started:
        started.start("web")
        started.await_web()
        yield started


def test_host_without_scripts_pins_restocks_and_ends_a_sale(shop: Shop, browser: Browser) -> None:
    with browser.pretending(width=WIDTHS[0], language="en"), browser.without_scripts():
        browser.open(f"{shop.url}/rooms/1/desk")
        assert browser.texts("#goods-1 dd") == ["3", "2", "0"]
        assert browser.texts("[data-testid=pinned-title]") == []

        browser.click("#goods-1 [data-testid=desk-pin]")
        await_texts(browser, "#goods-1 .did", "Pinned: buyers see it now.")
        assert browser.texts("[data-testid=available]") == ["3"]

        browser.run("document.querySelector('#pieces-1').value = '8'")
        browser.click("#goods-1 [data-testid=desk-restock]")
        await_texts(browser, "#goods-1 .did", "8 added: 11 available")
        assert browser.texts("[data-testid=available]") == ["11"]
        assert counts(1) == (11, 2, 0)

        browser.run("document.querySelector('#pieces-1').value = '-99'")
        browser.click("#goods-1 [data-testid=desk-restock]")
        wait_until(lambda: browser.texts("[data-testid=desk-told]"), seconds=BOUND_SECONDS, what="it is refused")
        assert browser.run("return document.querySelector('#pieces-1').value") == "-99"
        assert counts(1) == (11, 2, 0)

        browser.click("#goods-1 [formaction$=end]")
        await_texts(browser, "#goods-1 .did", "The sale is over.")
        await_true(lambda: is_over(browser, shop), "buyers see that the sale is over")
    assert [said for said in browser.complaints() if "409 (Conflict)" not in said] == []
    audit = shop.manage("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def is_over(browser: Browser, shop: Shop) -> bool:
    """Whether the room says so, where nothing renews the page: the end may be as far ahead as two readings of the
    database's clock differ."""
    browser.open(f"{shop.url}/rooms/1")
    return browser.texts("[data-testid=order-status] strong") == ["This sale is over."]


@pytest.mark.long
def test_desk_fits_a_phone_and_a_laptop(shop: Shop, browser: Browser) -> None:
    for width in WIDTHS:
        with browser.pretending(width=width, language="en"):
            browser.open(f"{shop.url}/rooms/1/desk")
            browser.run("document.querySelectorAll('details').forEach(found => { found.open = true })")

            assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
            assert browser.run("return [...document.querySelectorAll('button')].every(b => b.offsetHeight >= 40)")
    assert browser.complaints() == []


@pytest.mark.long
def test_desk_shows_what_another_one_does_and_what_is_ordered(shop: Shop, browser: Browser) -> None:
    browser.open(f"{shop.url}/rooms/1/desk")
    with browser.in_another_window():
        browser.open(f"{shop.url}/rooms/1/desk")
        browser.click("#goods-2 [data-testid=desk-pin]")
        await_texts(browser, "#goods-2 .did", "Pinned: buyers see it now.")
    await_texts(browser, "#pinned .title", LONG)

    browser.run("document.querySelector('#pieces-1').focus()")
    make_order({1: 1}, now=timezone.now())

    wait_until(
        lambda: browser.texts("#now-1 dd") == ["2", "3", "0"], seconds=BOUND_SECONDS, what="the desk counts the order"
    )
    assert browser.run("return document.activeElement.id") == "pieces-1"
    assert browser.complaints() == []


@pytest.mark.long
def test_desk_loses_what_leaves_the_shelf_and_follows_its_order(shop: Shop, browser: Browser) -> None:
    add_room_goods(room_id=1, entries=[Entry(1, 2), Entry(2, 1)], actor="staff")
    browser.open(f"{shop.url}/rooms/1/desk")
    await_link(browser)

    add_room_goods(room_id=1, entries=[Entry(2, 3)], actor="staff")
    await_texts(browser, ".row h3", LONG, "Goods 1")

    await_link(browser)
    remove_room_goods(room_id=1, goods_ids=[1], actor="staff")
    await_texts(browser, ".row h3", LONG)


@pytest.mark.long
def test_desk_that_has_refused_something_goes_on_showing_what_is_ordered(shop: Shop, browser: Browser) -> None:
    browser.open(f"{shop.url}/rooms/1/desk")
    browser.run("document.querySelector('#pieces-1').value = '-99'")
    browser.click("#goods-1 [data-testid=desk-restock]")
    wait_until(lambda: browser.texts("[data-testid=desk-told]"), seconds=BOUND_SECONDS, what="it is refused")

    make_order({1: 1}, now=timezone.now())

    wait_until(
        lambda: browser.texts("#now-1 dd") == ["2", "3", "0"], seconds=BOUND_SECONDS, what="the desk counts the order"
    )


@pytest.mark.long
def test_desk_looks_at_most_once_a_second(shop: Shop, browser: Browser) -> None:
    browser.open(f"{shop.url}/rooms/1/desk")
    await_link(browser)
    browser.run(
        "window.looks = []; const kept = window.fetch;"
        "window.fetch = (...what) => { looks.push(performance.now()); return kept(...what) }"
    )
    for bought in (1, 2, 3):
        make_order({1: 1}, now=timezone.now())
        await_texts(browser, "#now-1 dd", str(3 - bought), str(2 + bought), "0")

    looks = browser.run("return looks")

    assert len(looks) > 1
    assert min(after - before for before, after in pairwise(looks)) >= 990  # milliseconds; a timer may be early


@pytest.mark.long
def test_order_of_right_after_what_was_sold_was_read_is_shown(shop: Shop, browser: Browser) -> None:
    browser.open(f"{shop.url}/rooms/1/desk")
    await_link(browser)
    browser.run("Math.random = () => 0; return fetch(location.href).then(answer => answer.status)")

    make_order({1: 1}, now=timezone.now())

    await_true(lambda: len(browser.texts("#orders li")) == 2, "the order is there")
