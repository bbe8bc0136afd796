"""The sandbox's pay page in a real browser and a shop of real processes: each outcome, from the button to the rows."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.utils import timezone

from lab.kit.browser import Browser
from lab.kit.factories import bearer, counts, make_goods
from lab.kit.processes.shop import START_SECONDS, Shop, wait_until
from orders.models import Order, Payment, Refund, SandboxPayment

pytestmark = [pytest.mark.servers, pytest.mark.slow]

BOUND_SECONDS = 60  # for slow machines, no measurement
PRICE = 9950
STOCK = 10
DESKTOP, PHONE = 1280, 390  # CSS pixels
SENTENCES = ".pay .good, .pay .bad, .pay > p:not(.lead, .soft, :has(a))"  # what the page says about the payment

# Returns [language, width of the window, whether nothing is wider than it, how many buttons are inside the card].
MEASURE = """
const inside = (part, whole) => part.left >= whole.left && part.right <= whole.right && part.width > 0
const card = document.querySelector(".pay").getBoundingClientRect()
const buttons = [...document.querySelectorAll("main button")].map(button => button.getBoundingClientRect())
const page = document.documentElement
return [page.lang, innerWidth, page.scrollWidth <= innerWidth, buttons.filter(button => inside(button, card)).length]
"""


@pytest.fixture
def shop(demo_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    """A demo shop with ten pieces of product 1; its web server answers."""
    make_goods(1, stock=STOCK, price=PRICE)
    with Shop(tmp_path, demo_environment) as started:
        started.start("web")
        started.await_web()
        yield started


def begin_payment(shop: Shop) -> str:
    """Places an order for one piece over REST and begins to pay it; returns the pay page's address."""
    receiver = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
    with httpx.Client(base_url=shop.url, headers={"Authorization": bearer()}, timeout=START_SECONDS) as client:
        placed = client.post("/api/orders", json={"items": [{"goods_id": 1, "quantity": 1}], **receiver})
        assert placed.status_code == 201, placed.text
        begun = client.post(f"/api/orders/{placed.json()['order_id']}/pay", json={"outcome": "page"})
        assert begun.status_code == 202, begun.text
    assert counts(1) == (STOCK - 1, 1, 0)
    return str(begun.json()["pay_url"])


def choose(browser: Browser, pay_url: str, outcome: str) -> list[str]:
    """Opens a pay page and clicks a button; returns what the page says then."""
    browser.open(pay_url)
    assert browser.texts(SENTENCES) == []
    browser.click(f"button[value={outcome}]")
    said: list[str] = wait_until(
        lambda: browser.texts(SENTENCES), seconds=BOUND_SECONDS, what="the page says what happened"
    )
    return said


def await_order(status: Order.Status) -> Order:
    found = wait_until(
        Order.objects.filter(status=status).first, seconds=BOUND_SECONDS, what=f"the order is {status.label}"
    )
    assert isinstance(found, Order)
    return found


def end_time_to_pay() -> None:
    """As if the buyer had sat before the page for half an hour."""
    Order.objects.update(expires_at=timezone.now())


def assert_audit_is_clean(shop: Shop) -> None:
    audit = shop.manage("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_pay_pays_the_order(shop: Shop, browser: Browser) -> None:
    shop.start("sweep")

    said = choose(browser, begin_payment(shop), "pay")

    assert said == ["Paid. You can close this page."]
    order = await_order(Order.Status.PAID)
    assert (order.pay_channel, order.trade_id) == ("sandbox", SandboxPayment.objects.get().trade_id)
    assert Payment.objects.get().status == Payment.Status.CAPTURED
    assert Refund.objects.count() == 0
    assert counts(1) == (STOCK - 1, 0, 1)
    assert_audit_is_clean(shop)


@pytest.mark.long
def test_decline_takes_no_money_and_lets_the_buyer_try_again(shop: Shop, browser: Browser) -> None:
    said = choose(browser, begin_payment(shop), "decline")

    assert said == ["Declined. No money was taken; you can try again."]
    assert len(browser.texts("button[value=pay]")) == 1
    assert SandboxPayment.objects.get().status == SandboxPayment.Status.OPEN
    assert Order.objects.get().status == Order.Status.UNPAID
    assert Payment.objects.get().status == Payment.Status.BEGUN
    assert Refund.objects.count() == 0
    assert counts(1) == (STOCK - 1, 1, 0)
    assert_audit_is_clean(shop)


@pytest.mark.long
def test_payment_whose_callback_is_lost_pays_the_order_before_it_would_close(shop: Shop, browser: Browser) -> None:
    said = choose(browser, begin_payment(shop), "lose")
    end_time_to_pay()
    shop.start("sweep")

    assert said == ["Paid. You can close this page."]
    order = await_order(Order.Status.PAID)
    assert (order.pay_channel, order.trade_id) == ("sandbox", SandboxPayment.objects.get().trade_id)
    assert Payment.objects.get().status == Payment.Status.CAPTURED
    assert Refund.objects.count() == 0
    assert counts(1) == (STOCK - 1, 0, 1)
    assert_audit_is_clean(shop)


@pytest.mark.long
def test_payment_after_closing_is_sent_back(shop: Shop, browser: Browser) -> None:
    pay_url = begin_payment(shop)
    said = choose(browser, pay_url, "late")
    end_time_to_pay()
    shop.start("sweep")

    assert said == [
        "Your bank is slow: it takes the money after the shop has closed this payment. The shop will send it back."
    ]
    assert await_order(Order.Status.CLOSED).closed_by == Order.ClosedBy.TIMEOUT
    wait_until(
        Refund.objects.filter(status=Refund.Status.DONE).exists, seconds=BOUND_SECONDS, what="the money is sent back"
    )
    refund = Refund.objects.get()
    assert (refund.reason, refund.amount) == (Refund.Reason.LATE, PRICE)
    assert SandboxPayment.objects.get().refunded == PRICE
    assert Order.objects.get().status == Order.Status.CLOSED
    assert counts(1) == (STOCK, 0, 0)
    assert_audit_is_clean(shop)
    browser.open(pay_url)
    assert browser.texts(SENTENCES) == ["The shop has sent 99.50 CNY back."]


@pytest.mark.long
def test_page_fits_a_desktop_and_a_phone_in_both_languages(shop: Shop, browser: Browser) -> None:
    pay_url = begin_payment(shop)
    seen = {}

    for width in (DESKTOP, PHONE):
        for language in ("en", "zh-CN"):
            with browser.pretending(width=width, language=language):
                browser.open(pay_url)
                seen[width, language] = browser.run(MEASURE)

    assert seen == {
        (DESKTOP, "en"): ["en", DESKTOP, True, 4],
        (DESKTOP, "zh-CN"): ["zh-hans", DESKTOP, True, 4],
        (PHONE, "en"): ["en", PHONE, True, 4],
        (PHONE, "zh-CN"): ["zh-hans", PHONE, True, 4],
    }
