"""What tests in a browser wait for on the pages of a room."""

from collections.abc import Callable
from typing import Any

from lab.kit.browser import Browser
from lab.kit.processes.shop import wait_until

BOUND_SECONDS = 60  # for slow machines, no measurement
STATE = "[data-testid=order-status]"


def state_of(browser: Browser) -> str | None:
    found: str | None = browser.run(f"return document.querySelector('{STATE}')?.dataset.state ?? null")
    return found


def link_of(browser: Browser) -> str:
    """Whether the page follows its room: `live`, or not."""
    return str(browser.run("return document.querySelector('[data-room]').dataset.link"))


def await_state(browser: Browser, state: str | None) -> None:
    await_true(lambda: state_of(browser) == state, f"the page says {state}")


def await_link(browser: Browser) -> None:
    await_true(lambda: link_of(browser) == "live", "the page follows the room")


def await_texts(browser: Browser, selector: str, *texts: str) -> None:
    await_true(lambda: browser.texts(selector) == list(texts), f"{selector} says {texts}")


def await_true(happened: Callable[[], Any], what: str) -> None:
    wait_until(happened, seconds=BOUND_SECONDS, what=what)
