"""The admin in a browser: somebody signs in, as people do."""

from lab.kit.browser import Browser
from lab.kit.processes.shop import wait_until

PASSWORD = "charites"  # of all users of the demo; its own module wants Django, which pictures do without
BOUND_SECONDS = 60  # for slow machines, no measurement


def sign_in_as_staff(browser: Browser, url: str, page: str = "/admin/", *, shown: str = "#user-tools") -> None:
    """Signs the demo's staff in, and waits until this page shows something."""
    browser.open(f"{url}/admin/login/?next={page}")
    browser.click("[name=username]")
    browser.press(*"staff")
    browser.click("[name=password]")
    browser.press(*PASSWORD, "ENTER")
    wait_until(lambda: browser.texts(shown), seconds=BOUND_SECONDS, what=f"{page} shows {shown}")
