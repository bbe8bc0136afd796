"""A room's page in a real browser, with scripts: it follows the shop, and buys without leaving."""

import pytest

from charites.common import clock
from goods.models import Room
from goods.services import Entry, add_room_goods, change_room, pin_goods
from lab.kit.browser import Browser
from lab.kit.factories import counts, make_goods, make_order, make_payment, make_room, make_stock
from lab.kit.processes.shop import Shop, wait_until
from lab.kit.room_pages import BOUND_SECONDS, await_link, await_state, await_texts, await_true, link_of
from orders.models import Order
from orders.payments.sandbox import act
from orders.services import cancel_order

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PHONE = 390  # CSS pixels
LEFT, TITLE, BUY = "[data-testid=available]", "[data-testid=pinned-title]", "[data-testid=buy]"


def open_room(shop: Shop, browser: Browser) -> None:
    browser.open(f"{shop.url}/rooms/1")
    await_link(browser)


def test_two_viewers_follow_orders_what_is_pinned_and_what_is_sold_out(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)
    with browser.in_another_window():
        open_room(shop, browser)
        order = make_order({1: 5}, now=clock.now())
        await_texts(browser, LEFT, "0")
        await_state(browser, "sold-out")
        cancel_order(order_id=order.order_id, user_id=order.user_id, closed_by=Order.ClosedBy.USER, now=clock.now())
        await_texts(browser, LEFT, "5")
        await_state(browser, None)
        pin_goods(room_id=1, goods_id=2)
        await_texts(browser, TITLE, "Goods 2")
        assert browser.complaints() == []
    await_texts(browser, TITLE, "Goods 2")
    await_texts(browser, "#ticker li", "5 × Goods 1: for sale again", "5 × Goods 1: ordered")


@pytest.mark.long
def test_room_that_has_ended_says_so_to_whoever_watches(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)
    assert browser.texts("#on-air .mark") == ["LIVE"]

    change_room(room_id=1, values={"status": Room.Status.OFF})

    await_texts(browser, "#on-air .mark", "off")


def test_double_click_buys_once_and_the_order_is_paid_on_the_same_page(shop: Shop, browser: Browser) -> None:
    with browser.pretending(width=PHONE, language="en"):
        open_room(shop, browser)
        browser.run("const buy = document.querySelector('[data-testid=buy]'); buy.click(); buy.click();")
        await_state(browser, "unpaid")
        await_true(lambda: ":" in browser.texts("[data-testid=pay-countdown]")[0], "the time to pay runs")
        assert browser.run("return performance.getEntriesByType('navigation').length") == 1
        order = Order.objects.get()
        assert browser.run("return location.search") == f"?order={order.order_id}"

        browser.click("[data-testid=pay]")
        with browser.in_newest_window():
            wait_until(lambda: browser.texts("button[value=pay]"), seconds=BOUND_SECONDS, what="the pay page is open")
            browser.click("button[value=pay]")
            wait_until(lambda: browser.texts(".pay .good"), seconds=BOUND_SECONDS, what="the provider has the money")
        await_state(browser, "paid")
        assert browser.complaints() == []
    assert counts(1) == (4, 0, 1)


@pytest.mark.long
def test_time_that_runs_out_is_seen_on_the_page(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)
    browser.click(BUY)
    await_state(browser, "unpaid")

    Order.objects.update(expires_at=clock.now())

    await_state(browser, "closed")
    await_texts(browser, LEFT, "5")


@pytest.mark.long
def test_who_buys_without_a_connection_is_told_that_nobody_knows_and_buys_once_when_it_is_back(
    shop: Shop, browser: Browser
) -> None:
    open_room(shop, browser)
    with browser.offline():
        await_true(lambda: link_of(browser) == "away", "the page knows that it is alone")
        browser.click(BUY)
        await_state(browser, "busy")
        make_stock(1, 4)
    await_texts(browser, LEFT, "9")

    browser.click(BUY)

    await_state(browser, "unpaid")
    assert Order.objects.count() == 1


@pytest.mark.long
def test_keyboard_alone_buys(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)
    focus = "return document.activeElement.dataset.testid ?? ''"
    for _ in range(30):
        if browser.run(focus) == "quantity":
            break
        browser.press("TAB")
    assert browser.run(focus) == "quantity"
    browser.run("document.activeElement.select()")

    browser.press("2", "ENTER")

    await_state(browser, "unpaid")
    assert browser.run("return document.activeElement.id") == "order"
    for _ in range(10):
        browser.press("TAB")
        if browser.run(focus) == "cancel":
            break
    browser.press("SPACE")
    await_state(browser, "closed")
    assert counts(1) == (5, 0, 0)


@pytest.mark.long
def test_product_that_comes_under_the_finger_is_not_bought_by_accident(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)

    browser.run(
        "const page = document.querySelector('.counter'); window.seen = [];"
        "new MutationObserver(() => window.seen.push(document.querySelector('[data-testid=buy]').disabled))"
        ".observe(page, { subtree: true, attributes: true, attributeFilter: ['disabled'] });"
    )
    pin_goods(room_id=1, goods_id=2)

    await_true(lambda: browser.run("return window.seen") == [True, False], "Buy has rested for a moment")
    assert browser.run("return document.querySelector('#buy').elements.goods_id.value") == "2"
    assert browser.texts("#announcer") == ["Goods 2"]


@pytest.mark.long
def test_answer_of_somebody_in_between_keeps_the_key_of_the_order(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)
    key = "return document.querySelector('#buy').elements.key.value"
    before = browser.run(key)
    browser.run(
        "window.kept = window.fetch; AbortSignal.timeout = undefined;"
        "window.fetch = (url, options) => options.method === 'POST'"
        " ? Promise.resolve(new Response('away', { status: 504 })) : window.kept(url, options)"
    )

    browser.click(BUY)

    await_state(browser, "busy")
    assert browser.run(key) == before
    browser.run("window.fetch = window.kept")
    browser.click(BUY)
    await_state(browser, "unpaid")


@pytest.mark.long
def test_stream_that_ends_and_comes_back_is_nothing_to_tell(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)

    browser.run("stream.dispatchEvent(new Event('error'))")

    assert link_of(browser) == "live"
    assert browser.run("return document.getElementById('link').hidden && away > 0")
    browser.run("stream.dispatchEvent(new Event('open'))")
    assert browser.run("return away") is None


@pytest.mark.long
def test_touched_pictures_do_not_hold_the_page(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)
    browser.run("const found = document.querySelector('#product h2'); found.tabIndex = 0; found.focus()")
    assert browser.run("return document.activeElement.id") == "shown"

    pin_goods(room_id=1, goods_id=2)

    await_texts(browser, TITLE, "Goods 2")


@pytest.mark.long
def test_page_that_was_old_before_it_could_listen_looks_again(shop: Shop, browser: Browser) -> None:
    browser.open(f"{shop.url}/rooms/9")  # there is no such room: a page without the script, of the same policy
    browser.run("return fetch('/rooms/1').then((answer) => answer.text()).then((text) => { window.kept = text })")
    pin_goods(room_id=1, goods_id=2)

    browser.run("document.open(); document.write(window.kept); document.close()")

    await_texts(browser, TITLE, "Goods 2")


@pytest.mark.long
def test_nothing_is_fetched_from_elsewhere(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)

    fetched = browser.run("return performance.getEntriesByType('resource').map(found => found.name)")

    assert fetched
    assert not [address for address in fetched if not address.startswith(shop.url)]
    assert browser.complaints() == []


def test_room_that_was_empty_sells_as_soon_as_something_is_on_its_shelf(shop: Shop, browser: Browser) -> None:
    make_room(2)
    browser.open(f"{shop.url}/rooms/2")
    await_link(browser)

    add_room_goods(room_id=2, entries=[Entry(1)], actor="staff")

    await_texts(browser, BUY, "Buy")


@pytest.mark.long
def test_words_and_button_go_with_what_is_left(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)
    loud = "return !document.querySelector('[data-testid=buy]').classList.contains('quiet')"
    order = make_order({1: 4}, now=clock.now())
    await_texts(browser, ".left span", "1 piece left")
    make_order({1: 1}, now=clock.now())
    await_true(lambda: not browser.run(loud), "Buy is quiet")
    cancel_order(order_id=order.order_id, user_id=order.user_id, closed_by=Order.ClosedBy.USER, now=clock.now())
    await_texts(browser, ".left span", "4 pieces left")
    await_true(lambda: browser.run(loud), "Buy is loud again")


@pytest.mark.long
def test_ticker_names_a_product_that_came_after_the_page(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)
    make_goods(3, stock=5, title="A late one")
    add_room_goods(room_id=1, entries=[Entry(3)], actor="staff")
    await_true(lambda: len(browser.texts("[data-testid=shelf-item]")) == 3, "it is on the shelf")

    make_order({3: 2}, now=clock.now())

    await_texts(browser, "#ticker li", "2 × A late one: ordered")


@pytest.mark.long
def test_language_that_was_chosen_stays_when_something_changes(shop: Shop, browser: Browser) -> None:
    browser.open(f"{shop.url}/rooms/1")
    browser.click("[name=language][value=zh-hans]")
    await_link(browser)
    assert browser.run("return document.documentElement.lang") == "zh-hans"

    pin_goods(room_id=1, goods_id=2)

    await_texts(browser, TITLE, "Goods 2")
    assert "剩余" in " ".join(browser.texts(".product .left"))


@pytest.mark.long
def test_order_that_is_paid_elsewhere_is_asked_about_when_its_buyer_comes_back(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)
    browser.click(BUY)
    await_state(browser, "unpaid")
    order = Order.objects.get()
    payment = make_payment(order, now=clock.now())
    browser.click("#shelf li:nth-child(2) a")
    await_texts(browser, "#waiting a", "Yours, to be paid: 99.50 CNY")
    act(payment_id=payment.payment_id, outcome="lose", now=clock.now())
    browser.click("#waiting a")
    await_state(browser, "unpaid")

    browser.run("dispatchEvent(new Event('focus'))")

    await_state(browser, "paid")
    await_texts(browser, "#waiting a")


@pytest.mark.long
def test_order_is_not_looked_at_again_before_the_last_look_has_ended(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)
    browser.click(BUY)
    await_state(browser, "unpaid")

    browser.run("window.asked = []; window.fetch = (url) => { asked.push(url); return new Promise(() => {}) }")
    browser.run("lookAtOrders(); lookAtOrders(); lookAtOrders()")

    assert browser.run("return asked.length") <= 1  # none where a look was under way


@pytest.mark.long
def test_order_that_moves_on_leaves_what_is_typed(shop: Shop, browser: Browser) -> None:
    open_room(shop, browser)
    browser.click(BUY)
    await_state(browser, "unpaid")
    browser.run("document.querySelector('[data-testid=quantity]').focus()")
    browser.run("document.activeElement.value = '3'")

    order = Order.objects.get()
    cancel_order(order_id=order.order_id, user_id=order.user_id, closed_by=Order.ClosedBy.USER, now=clock.now())

    await_state(browser, "closed")
    assert browser.run("return [document.activeElement.id, document.activeElement.value]") == ["quantity", "3"]
    assert counts(1) == (5, 0, 0)
