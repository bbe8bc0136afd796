"""A desk in a real browser with scripts: its buttons leave everything where it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from goods.models import Goods, Room
from lab.kit.browser import Browser
from lab.kit.factories import counts, make_goods, make_order, make_room, make_user
from lab.kit.processes.shop import Shop
from lab.kit.room_pages import await_link, await_texts, await_true

pytestmark = [pytest.mark.servers, pytest.mark.slow]

LAST = 8  # of the products on the shelf
ANSWER, REFUSAL = f"#answer-{LAST}", f"#goods-{LAST} [data-testid=desk-told]"
OUTDATED = "This page is out of date: reload it and press again"
FOCUSED = "return document.activeElement.innerText"


@pytest.fixture
def desk(demo_environment: dict[str, str], tmp_path: Path, browser: Browser) -> Iterator[Shop]:
    """A desk that is open at its last product, on a phone."""
    make_user("staff", is_staff=True)
    make_user("buyer2")
    make_room(1, goods_ids=[make_goods(number, stock=5).goods_id for number in range(1, LAST + 1)], current_goods_id=1)
    with Shop(tmp_path, demo_environment) as started:
        started.start("web")
        started.await_web()
        with browser.pretending(width=390, language="en"):
            browser.open(f"{started.url}/rooms/1/desk")
            await_link(browser)
            browser.run(f"document.getElementById('goods-{LAST}').scrollIntoView({{ block: 'center' }})")
            browser.run("window.kept = scrollY")
            yield started


def type_in(browser: Browser, field: str, text: str) -> None:
    browser.run(f"document.getElementById('{field}').value = '{text}'")


def restock(browser: Browser, pieces: str) -> None:
    type_in(browser, f"pieces-{LAST}", pieces)
    browser.click(f"#goods-{LAST} [data-testid=desk-restock]")


def sign_in_elsewhere(shop: Shop, browser: Browser, name: str) -> None:
    with browser.in_another_window():
        browser.open(f"{shop.url}/sign-in")
        browser.run(f"id_username.value = '{name}'; id_password.value = 'charites'")
        browser.click("main form button")
        await_true(lambda: browser.run("return location.pathname") == "/", "one is signed in")


def assert_nothing_has_moved(browser: Browser) -> None:
    assert browser.run("return [window.kept, location.pathname]") == [browser.run("return scrollY"), "/rooms/1/desk"]
    assert browser.run("return scrollY") > 0


@pytest.mark.long
def test_pieces_are_added_without_leaving_the_row(desk: Shop, browser: Browser) -> None:
    type_in(browser, "pieces-7", "99")
    key = browser.run("return document.getElementById('key-7').value")
    for pieces, said, available in (("7", "7 added: 12 available", 12), ("-2", "2 taken: 10 available", 10)):
        restock(browser, pieces)
        await_texts(browser, ANSWER, said)

        assert browser.texts(f"#now-{LAST} dd") == [str(available), "0", "0"]
        assert browser.run(FOCUSED) == "Restock"
        assert browser.run(f"return document.getElementById('pieces-{LAST}').value") == ""
        assert_nothing_has_moved(browser)

    assert browser.run(f"return document.querySelector('{ANSWER}').getAttribute('role')") == "status"
    assert browser.run("return document.getElementById('pieces-7').value") == "99"
    assert browser.run("return document.getElementById('key-7').value") == key
    assert counts(LAST) == (10, 0, 0)
    assert browser.complaints() == []


@pytest.mark.long
def test_pin_shows_at_once_what_buyers_see_and_the_row_goes_on_counting(desk: Shop, browser: Browser) -> None:
    browser.click(f"#goods-{LAST} [data-testid=desk-pin]")
    await_texts(browser, ANSWER, "Pinned: buyers see it now.")

    assert browser.texts("#pinned .title") == [f"Goods {LAST}"]
    assert browser.run(FOCUSED) == "Unpin"
    assert_nothing_has_moved(browser)

    make_order({LAST: 2}, now=timezone.now())
    await_texts(browser, f"#now-{LAST} dd", "3", "2", "0")

    takes_presses = f"return !resting.has(document.querySelector('#goods-{LAST} [data-testid=desk-pin]'))"
    await_true(lambda: browser.run(takes_presses), "Unpin takes presses")
    browser.click(f"#goods-{LAST} [data-testid=desk-pin]")
    await_texts(browser, ANSWER, "No longer pinned.")
    assert Room.objects.get().current_goods_id is None
    assert browser.run(FOCUSED) == "Pin"
    assert browser.complaints() == []


@pytest.mark.long
def test_sale_is_ended_and_taken_off_and_the_times_follow(desk: Shop, browser: Browser) -> None:
    browser.click(f"#sale-{LAST} [formaction$=end]")
    await_texts(browser, ANSWER, "The sale is over.")
    assert browser.run(FOCUSED) == "Start sale now"
    assert browser.run(f"return document.getElementById('ends-{LAST}').value") != ""

    browser.click(f"#sale-{LAST} [formaction$=off]")
    await_texts(browser, ANSWER, "Off sale: nobody can buy it.")
    assert browser.run(FOCUSED) == "Put on sale"

    browser.click(f"#sale-{LAST} [formaction$=start]")
    await_texts(browser, ANSWER, "The sale is on.")
    assert browser.run(f"return document.getElementById('ends-{LAST}').value") == ""
    assert browser.run("return [...document.querySelectorAll('#sale-7 button')].map(b => b.innerText)") == [
        "End sale now",
        "Take off sale",
    ]
    assert_nothing_has_moved(browser)
    assert browser.complaints() == []


def test_button_that_has_become_its_opposite_takes_no_press_for_a_moment(desk: Shop, browser: Browser) -> None:
    browser.run("const real = setTimeout; window.setTimeout = (call, ms) => ms === STEADY_MS ? 0 : real(call, ms)")
    browser.click(f"#sale-{LAST} [formaction$=end]")
    await_texts(browser, ANSWER, "The sale is over.")
    assert browser.run(FOCUSED) == "Start sale now"

    browser.press("ENTER")  # meant for the one that stood there
    browser.click(f"#sale-{LAST} [formaction$=off]")  # buttons are sent one after the other
    await_texts(browser, ANSWER, "Off sale: nobody can buy it.")

    assert Goods.objects.get(goods_id=LAST).sale_ends_at is not None


@pytest.mark.long
def test_times_are_set_in_place_and_can_be_set_again(desk: Shop, browser: Browser) -> None:
    with browser.in_zone("Asia/Shanghai"):
        browser.open(f"{desk.url}/rooms/1/desk")
        browser.run(f"document.querySelector('#goods-{LAST} details').open = true")
        for moment in ("2026-11-11T20:00:00", "2026-11-12T20:00:00"):
            type_in(browser, f"starts-{LAST}", moment)
            browser.click(f"#goods-{LAST} form[action$=times] button")
            await_texts(browser, ANSWER, "The times of the sale are set.")
            # A browser writes the seconds of a time only where there are some.
            assert browser.run(f"return document.getElementById('starts-{LAST}').value") == moment.removesuffix(":00")

    found = Goods.objects.get(goods_id=LAST).sale_starts_at
    assert found
    assert found.isoformat() == "2026-11-12T12:00:00+00:00"


@pytest.mark.long
def test_button_that_is_about_to_be_pressed_is_not_replaced_while_others_sell(desk: Shop, browser: Browser) -> None:
    browser.run(f"window.button = document.querySelector('#goods-{LAST} [data-testid=desk-pin]')")

    make_order({1: 2}, now=timezone.now())
    await_texts(browser, "#now-1 dd", "3", "2", "0")

    assert browser.run("return button.isConnected")


def test_refusal_stands_in_the_row_and_has_the_focus(desk: Shop, browser: Browser) -> None:
    type_in(browser, "pieces-7", "99")
    restock(browser, "-99")
    await_texts(browser, REFUSAL, "There are only 5 pieces to take away. Nothing was changed.")

    assert browser.run(FOCUSED).startswith("There are only 5 pieces")
    assert browser.run("return document.activeElement.getAttribute('role')") == "alert"
    assert browser.run("return document.querySelectorAll('[data-testid=desk-told]').length") == 1
    assert browser.run(f"return document.getElementById('pieces-{LAST}').value") == "-99"
    assert browser.run("return document.getElementById('pieces-7').value") == "99"
    bottom = browser.run("return document.activeElement.getBoundingClientRect().bottom - innerHeight")
    assert bottom <= 0

    restock(browser, "1")
    await_texts(browser, ANSWER, "1 added: 6 available")
    assert browser.texts(REFUSAL) == []
    assert counts(LAST) == (6, 0, 0)


@pytest.mark.long
def test_without_an_answer_the_same_press_adds_once(desk: Shop, browser: Browser) -> None:
    with browser.offline():
        restock(browser, "7")
        await_true(lambda: browser.texts(REFUSAL), "it is told")
    assert browser.texts(REFUSAL)[0].startswith("No answer came.")
    key = browser.run(f"return document.getElementById('key-{LAST}').value")

    browser.click(f"#goods-{LAST} [data-testid=desk-restock]")
    await_texts(browser, ANSWER, "7 added: 12 available")

    assert browser.run(f"return document.getElementById('key-{LAST}').value") != key
    assert counts(LAST) == (12, 0, 0)


@pytest.mark.long
def test_press_on_a_page_of_before_somebody_signed_in_loses_nothing(desk: Shop, browser: Browser) -> None:
    sign_in_elsewhere(desk, browser, "staff")

    restock(browser, "7")
    await_texts(browser, REFUSAL, OUTDATED)
    browser.click(f"{REFUSAL} a")
    await_texts(browser, REFUSAL)
    assert browser.run(f"return document.getElementById('pieces-{LAST}').value") == "7"
    assert counts(LAST) == (5, 0, 0)

    browser.click(f"#goods-{LAST} [data-testid=desk-restock]")
    await_texts(browser, ANSWER, "7 added: 12 available")


@pytest.mark.long
def test_press_of_somebody_who_has_lost_the_desk_says_so(desk: Shop, browser: Browser) -> None:
    sign_in_elsewhere(desk, browser, "buyer2")

    restock(browser, "7")

    await_texts(browser, REFUSAL, OUTDATED)
    assert counts(LAST) == (5, 0, 0)
