"""A room in a real browser and a shop of real processes, with scripts switched off: from the first look to paid."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from goods.services import Entry, add_room_goods
from lab.kit.browser import Browser
from lab.kit.factories import counts, make_goods, make_room, make_user
from lab.kit.processes.shop import Shop, wait_until
from orders.models import Order

pytestmark = [pytest.mark.servers, pytest.mark.slow]

BOUND_SECONDS = 60  # for slow machines, no measurement
PHONE = 390  # CSS pixels
STATE = "[data-testid=order-status]"


@pytest.fixture
def shop(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    """A demo shop with a room and five pieces of what is pinned there; web server and sweep answer."""
    make_user("buyer")
    make_user("buyer2")
    make_goods(1, stock=5)
    room = make_room(1)
    add_room_goods(room_id=1, entries=[Entry(1)], actor="staff")
    room.current_goods_id = 1
    room.save()
    environment = {**os.environ, **process_environment, "DEMO": "true", "STATIC_ROOT": str(tmp_path / "static")}
    with Shop(tmp_path, environment) as started:
        started.manage("collectstatic", "--noinput").check_returncode()
        started.start("web")
        started.await_web()
        started.start("sweep")
        yield started


def state_of(browser: Browser) -> str | None:
    found: str | None = browser.run(f"return document.querySelector('{STATE}')?.dataset.state ?? null")
    return found


def await_state(browser: Browser, state: str) -> None:
    wait_until(lambda: state_of(browser) == state, seconds=BOUND_SECONDS, what=f"the page says {state}")


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

        browser.click("[data-testid=shelf-item] a")
        wait_until(
            lambda: browser.texts("[data-testid=buy]") == ["购买"], seconds=BOUND_SECONDS, what="it is there again"
        )
    assert not Order.objects.exists()
