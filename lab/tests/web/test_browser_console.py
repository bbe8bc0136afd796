"""What a test hears of the browser's console: what pages say, not what Chromium's own do."""

import pytest

from lab.kit.browser import Browser

pytestmark = [pytest.mark.servers, pytest.mark.slow]

RAISE = "<script>throw new Error('raised')</script>"


def test_error_of_a_page_is_heard_and_that_of_a_page_of_the_browser_is_not(browser: Browser) -> None:
    browser.open("chrome://version")
    browser.run("document.body.append(Object.assign(document.createElement('img'), {src: 'chrome://none/'}))")
    browser.open(f"data:text/html,{RAISE}")

    (said,) = browser.complaints()

    assert "raised" in said
