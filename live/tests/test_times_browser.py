"""Times in the zone of whoever looks, in a real browser."""

from datetime import UTC, datetime, timedelta

import pytest

from charites.common import clock
from goods.models import Goods
from goods.services import pin_goods
from lab.kit.browser import Browser
from lab.kit.factories import make_order, make_user
from lab.kit.processes.shop import Shop
from lab.kit.room_pages import await_link, await_texts, await_true

pytestmark = [pytest.mark.servers, pytest.mark.slow]

WIDTH = 1280  # CSS pixels
BERLIN, CHINA = "Europe/Berlin", "Asia/Shanghai"
SUMMER, WINTER = datetime(2099, 7, 1, 10, tzinfo=UTC), datetime(2099, 12, 1, 10, tzinfo=UTC)
TWICE = [datetime(2099, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]  # both are half past two in Berlin
ZONE = "document.querySelector('label[for=starts-1] [data-zone]').textContent"
STARTS, ENDS, SET = "#starts-1", "#ends-1", "#goods-1 form[action$=times] button"


@pytest.fixture
def desk(shop: Shop) -> str:
    """The address of the desk of a shop that runs."""
    make_user("staff", is_staff=True)
    return f"{shop.url}/rooms/1/desk"


def plan(starts_at: datetime, ends_at: datetime, goods_id: int = 1) -> None:
    Goods.objects.filter(goods_id=goods_id).update(sale_starts_at=starts_at, sale_ends_at=ends_at)


def value(browser: Browser, field: str) -> str:
    return str(browser.run(f"return document.querySelector('{field}').value"))


def set_times(browser: Browser) -> None:
    browser.run("document.querySelectorAll('details').forEach(found => { found.open = true })")
    browser.click(SET)
    await_texts(browser, "#goods-1 .did", "The times of the sale are set.")


def planned() -> tuple[datetime | None, datetime | None]:
    found = Goods.objects.get(goods_id=1)
    return found.sale_starts_at, found.sale_ends_at


@pytest.mark.long
@pytest.mark.parametrize(
    ("language", "zone", "summer", "winter"),
    [
        ("en", CHINA, "Jul 1, 2099, 18:00:00 GMT+8", "Dec 1, 2099, 18:00:00 GMT+8"),
        ("en", BERLIN, "Jul 1, 2099, 12:00:00 GMT+2", "Dec 1, 2099, 11:00:00 GMT+1"),
        ("zh-CN", CHINA, "2099年7月1日 GMT+8 18:00:00", "2099年12月1日 GMT+8 18:00:00"),
    ],
)
def test_room_says_when_a_sale_starts_in_the_zone_and_language_of_whoever_looks(
    shop: Shop, browser: Browser, language: str, zone: str, summer: str, winter: str
) -> None:
    plan(SUMMER, WINTER)
    plan(WINTER, WINTER + timedelta(days=1), goods_id=2)

    with browser.pretending(width=WIDTH, language=language), browser.in_zone(zone):
        browser.open(f"{shop.url}/rooms/1")
        await_link(browser)
        await_texts(browser, "#product time[data-when]", summer)
        pin_goods(room_id=1, goods_id=2)
        await_texts(browser, "#product time[data-when]", winter)  # of a section that was replaced
    assert browser.complaints() == []


@pytest.mark.long
def test_room_without_scripts_says_it_in_utc(shop: Shop, browser: Browser) -> None:
    plan(SUMMER, WINTER)

    with browser.in_zone(CHINA), browser.without_scripts():
        browser.open(f"{shop.url}/rooms/1")

        assert browser.texts("#product time[data-when]") == ["2099-07-01 10:00:00 UTC"]


def test_answer_of_a_form_that_leaves_the_page_is_in_that_zone_too(shop: Shop, browser: Browser) -> None:
    plan(clock.now() - timedelta(hours=1), WINTER)

    with browser.in_zone(CHINA):
        browser.open(f"{shop.url}/rooms/1")
        browser.click("[data-testid=buy]")
        await_texts(browser, "[data-testid=available]", "4")

        assert browser.texts("#product time[data-when]") == ["Dec 1, 2099, 18:00:00 GMT+8"]


@pytest.mark.long
def test_section_that_says_the_same_is_not_replaced_for_its_zone(shop: Shop, browser: Browser, desk: str) -> None:
    make_order({1: 1}, now=clock.now())
    orders = "document.getElementById('orders')"

    with browser.in_zone(CHINA):
        browser.open(desk)
        browser.run(f"window.kept = {orders}")
        pin_goods(room_id=1, goods_id=2)
        await_texts(browser, "#pinned .title", "Goods 2")

        assert browser.run(f"return window.kept === {orders}")


@pytest.mark.long
def test_desk_takes_times_of_the_hosts_zone(shop: Shop, browser: Browser, desk: str) -> None:
    plan(SUMMER, WINTER)
    with browser.in_zone(BERLIN):
        browser.open(desk)
        assert browser.run(f"return {ZONE}") == BERLIN
        assert (value(browser, STARTS), value(browser, ENDS)) == ("2099-07-01T12:00", "2099-12-01T11:00")

        browser.run(f"document.querySelector('{STARTS}').value = '2099-08-01T12:30:05'")
        set_times(browser)

        assert planned() == (datetime(2099, 8, 1, 10, 30, 5, tzinfo=UTC), WINTER)
        assert (value(browser, STARTS), value(browser, ENDS)) == ("2099-08-01T12:30:05", "2099-12-01T11:00")
        browser.run(f"document.querySelector('{ENDS}').value = ''")
        set_times(browser)
        assert planned() == (datetime(2099, 8, 1, 10, 30, 5, tzinfo=UTC), None)


@pytest.mark.long
def test_times_that_are_refused_stand_in_the_fields_as_they_were_typed(shop: Shop, browser: Browser, desk: str) -> None:
    plan(SUMMER, WINTER)
    with browser.in_zone(BERLIN):
        browser.open(desk)
        browser.run("document.querySelectorAll('details').forEach(found => { found.open = true })")
        browser.run(f"document.querySelector('{ENDS}').value = '2099-01-01T12:30'")
        browser.click(SET)
        await_true(lambda: browser.texts("[data-testid=desk-told]"), "it is refused")

        assert (value(browser, STARTS), value(browser, ENDS)) == ("2099-07-01T12:00", "2099-01-01T12:30")
    assert planned() == (SUMMER, WINTER)


@pytest.mark.parametrize("moment", TWICE)
def test_hour_that_comes_twice_stays_the_one_that_it_was(
    shop: Shop, browser: Browser, desk: str, moment: datetime
) -> None:
    plan(SUMMER, moment)
    with browser.in_zone(BERLIN):
        browser.open(desk)
        assert value(browser, ENDS) == "2099-10-25T02:30"

        set_times(browser)

    assert planned() == (SUMMER, moment)


@pytest.mark.long
def test_desk_without_scripts_takes_utc(shop: Shop, browser: Browser, desk: str) -> None:
    plan(SUMMER, WINTER)
    with browser.in_zone(BERLIN), browser.without_scripts():
        browser.open(desk)
        assert browser.run(f"return {ZONE}") == "UTC"
        assert value(browser, STARTS) == "2099-07-01T10:00"

        set_times(browser)

    assert planned() == (SUMMER, WINTER)


@pytest.mark.long
def test_orders_and_minutes_of_the_desk_are_of_the_hosts_zone(shop: Shop, browser: Browser, desk: str) -> None:
    make_order({1: 1}, now=clock.now())

    with browser.in_zone(CHINA):
        browser.open(desk)
        texts = browser.run("return [...document.querySelectorAll('time[data-when]')].map(found => found.textContent)")

        assert len(texts) == 1 + 1 + 15  # of an order, and of the chart and each of its minutes
        assert not [text for text in texts if not text.endswith(" GMT+8")]
