"""A room in a real browser and a shop of real processes, with scripts switched off: from the first look to paid."""

import pytest

from lab.kit.browser import Browser
from lab.kit.factories import counts
from lab.kit.processes.shop import Shop, wait_until
from lab.kit.room_pages import BOUND_SECONDS, STATE, await_state
from orders.models import Order

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PHONE = 390  # CSS pixels


@pytest.mark.long
def test_buyer_without_scripts_buys_and_pays_on_a_phone(shop: Shop, browser: Browser) -> None:
    with browser.pretending(width=PHONE, language="en"), browser.without_scripts():
        browser.open(f"{shop.url}/rooms/1")
        assert browser.texts("[data-testid=available]") == ["5"]
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")

        browser.click("[data-testid=buy]")
        await_state(browser, "unpaid")
        assert counts(1) == (4, 1, 0)
        assert browser.texts("[data-testid=available]") == ["4"]

        browser.click("[data-testid=pay]")
        with browser.in_newest_window():
            wait_until(lambda: browser.texts("button[value=pay]"), seconds=BOUND_SECONDS, what="the pay page is open")
            browser.click("button[value=pay]")
            wait_until(lambda: browser.texts(".pay .good"), seconds=BOUND_SECONDS, what="the provider has the money")

        await_state(browser, "paid")  # the page looks by itself, every few seconds
    assert Order.objects.get().status == Order.Status.PAID
    assert counts(1) == (4, 0, 1)
    assert browser.complaints() == []
    audit = shop.manage("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_buyer_who_comes_too_late_is_told_so_in_chinese(shop: Shop, browser: Browser) -> None:
    with browser.pretending(width=PHONE, language="zh-CN"):
        browser.open(f"{shop.url}/rooms/1")
        browser.run("document.querySelector('[data-testid=quantity]').value = '6'")
        browser.click("[data-testid=buy]")
        await_state(browser, "sold-out")
        assert browser.texts(f"{STATE} strong") == ["只剩 5 件。"]

        browser.click("[data-testid=shelf-item]:first-child a")
        wait_until(
            lambda: browser.texts("[data-testid=buy]") == ["购买"], seconds=BOUND_SECONDS, what="it is there again"
        )
    assert not Order.objects.exists()
