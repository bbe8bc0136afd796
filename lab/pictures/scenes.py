"""What the pictures show: each scene leaves the browser where its picture is taken."""

from collections.abc import Callable

from lab.kit.admin_browser import sign_in_as_staff
from lab.kit.browser import Browser
from lab.kit.processes.shop import Shop, wait_until

SECONDS = 120  # a bound, no measurement
STATE = "return document.querySelector('[data-testid=order-status]')?.dataset.state"
CROWD = "return document.querySelector('[data-testid=desk-result]')?.dataset.state"
LINK = "return document.querySelector('[data-room]').dataset.link"

Scene = Callable[[Browser, Shop], None]


def await_answer(browser: Browser, question: str, answer: str) -> None:
    wait_until(lambda: browser.run(question) == answer, seconds=SECONDS, what=f"{question}: {answer}")


def open_live(browser: Browser, shop: Shop, path: str) -> None:
    """Opens a page that follows a room, and waits until it does."""
    browser.open(shop.url + path)
    await_answer(browser, LINK, "live")


def front(browser: Browser, shop: Shop) -> None:
    browser.open(f"{shop.url}/")


def room(browser: Browser, shop: Shop) -> None:
    open_live(browser, shop, "/rooms/2")


def unpaid(browser: Browser, shop: Shop) -> None:
    open_live(browser, shop, "/rooms/1")
    browser.click("[data-testid=buy]")
    await_answer(browser, STATE, "unpaid")
    browser.run("document.activeElement.blur(); scrollTo(0, 0)")


def paid(browser: Browser, shop: Shop) -> None:
    unpaid(browser, shop)
    browser.click("[data-testid=pay]")
    with browser.in_newest_window():
        wait_until(lambda: browser.texts("button[value=pay]"), seconds=SECONDS, what="the pay page is open")
        browser.click("button[value=pay]")
        wait_until(lambda: browser.texts(".pay .good"), seconds=SECONDS, what="the provider has the money")
    await_answer(browser, STATE, "paid")
    browser.run("document.activeElement.blur(); scrollTo(0, 0)")


def sold_out(browser: Browser, shop: Shop) -> None:
    open_live(browser, shop, "/rooms/1?goods=9")


def desk(browser: Browser, shop: Shop) -> None:
    open_live(browser, shop, "/rooms/2/desk")


def desk_with_a_crowd(browser: Browser, shop: Shop) -> None:
    """Two hundred buyers for five pieces, once; afterwards it is there for the other looks."""
    open_live(browser, shop, "/rooms/3/desk")
    if browser.run(CROWD) == "none":
        browser.run("document.querySelector('[name=stock]').value = 5")
        browser.click("[data-testid=desk-send]")
        await_answer(browser, CROWD, "done")
        open_live(browser, shop, "/rooms/3/desk")
    browser.run("document.getElementById('crowd').scrollIntoView({ block: 'end' }); scrollBy(0, 16)")


def race(browser: Browser, shop: Shop) -> None:
    """The report of a race, which is run for the first look."""
    browser.open(f"{shop.url}/race")
    if browser.run("return document.querySelector('[data-testid=race-state]').dataset.state") == "none":
        browser.click("[data-testid=race]")
        wait_until(lambda: browser.texts(".narrow, .wide"), seconds=SECONDS, what="there is a report")
    browser.open(f"{shop.url}/race/report")


def admin(browser: Browser, shop: Shop) -> None:
    """The last scene: from here on somebody is signed in."""
    sign_in_as_staff(browser, shop.url, "/admin/orders/order/", shown="#result_list")


SCENES: dict[str, Scene] = {
    "front": front,
    "room": room,
    "unpaid": unpaid,
    "paid": paid,
    "sold-out": sold_out,
    "desk": desk,
    "desk-crowd": desk_with_a_crowd,
    "race": race,
    "admin": admin,
}
