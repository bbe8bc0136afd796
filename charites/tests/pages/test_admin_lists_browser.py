"""The admin's pages in a real browser over the demo's data: on a small screen, nothing has to be scrolled sideways."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib import admin

from lab.kit import axe
from lab.kit.admin_browser import sign_in_as_staff
from lab.kit.admin_site import OUR_APPS, list_url
from lab.kit.browser import Browser
from lab.kit.processes.shop import Shop
from orders.models import Order

pytestmark = [pytest.mark.servers, pytest.mark.slow]

BOUND_SECONDS = 60  # for slow machines, no measurement
WIDTH = 1280  # CSS pixels
LISTS = [list_url(model) for model in admin.site._registry if model._meta.app_label in OUR_APPS]
OTHERS = ["/admin/", "/admin/goods/goods/import/", f"{list_url(Order)}?placed=today"]
# Returns what is wider than the place that it has.
TOO_WIDE = """
const parts = [...document.querySelectorAll("html, #changelist, .results")]
return parts.filter(part => part.scrollWidth > part.clientWidth).map(part => part.id || part.className || "page")
"""


@pytest.fixture
def shop(demo_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    """A demo shop with its data, orders among them; the web server answers."""
    with Shop(tmp_path, demo_environment) as started:
        started.manage("seed", "--orders", "60").check_returncode()
        started.start("web")
        started.await_web()
        yield started


@pytest.mark.long
def test_pages_fit_a_small_screen(shop: Shop, browser: Browser) -> None:
    with browser.pretending(width=WIDTH, language="en"):
        sign_in_as_staff(browser, shop.url)

        found = {}
        for url in LISTS:
            browser.open(f"{shop.url}{url}")
            assert browser.texts("#changelist")
            found[url] = browser.run(TOO_WIDE)

        for url in OTHERS:
            browser.open(f"{shop.url}{url}")
            found[url] = browser.run(TOO_WIDE)
        browser.open(f"{shop.url}/admin/")
        assert len(browser.texts(".figures strong")) == 8
        assert axe.findings(browser) == []

    assert found == dict.fromkeys([*LISTS, *OTHERS], [])
    assert browser.complaints() == []
