"""A headless Chromium for tests, driven through chromedriver over the W3C's protocol (https://www.w3.org/TR/webdriver2/)."""

import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from lab.kit.processes.shop import START_SECONDS, STOP_SECONDS, wait_until
from lab.servers import LOOPBACK

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's own name of a reference to an element
KEYS = {"TAB": "\ue004", "ENTER": "\ue007", "SPACE": " "}  # as the protocol writes them
LANGUAGE = "en"  # whatever the machine's is
HEIGHT = 800
STARTED = re.compile(r"started successfully on port (\d+)")  # the port that the system gave it
OWN_PAGES = "chrome://"  # what starts like this is of the browser itself
NO_OTHER_HOST = f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {LOOPBACK}"


def find_browser() -> str | None:
    """Returns the path of a Chromium that chromedriver can drive; None where one of the two is missing."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return path if shutil.which("chromedriver") else None


class Browser:
    """One window. Reaches this machine alone; keeps its profile and its driver's log in `folder`."""

    def __init__(self, path: str, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "chromedriver.log"
        with self.log.open("wb") as log:
            self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=log, stderr=log, start_new_session=True)
        self.http = httpx.Client(timeout=START_SECONDS, trust_env=False)
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", NO_OTHER_HOST]
        options.append(f"--accept-lang={LANGUAGE}")
        self.wanted = {"binary": path, "args": [*options, f"--user-data-dir={folder / 'profile'}"]}
        self.session = ""

    def __enter__(self) -> Self:
        try:
            started = wait_until(
                lambda: STARTED.search(self.log.read_text()), seconds=START_SECONDS, what="chromedriver has a port"
            )
            self.http.base_url = f"http://{LOOPBACK}:{started[1]}"
            wait_until(self._is_up, seconds=START_SECONDS, what="chromedriver answers")
            wanted = {"goog:chromeOptions": self.wanted, "goog:loggingPrefs": {"browser": "ALL"}}
            capabilities = {"alwaysMatch": wanted}
            made = self._call("POST", "/session", {"capabilities": capabilities})
            self.session = f"/session/{made['sessionId']}"
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the window, then the driver and whatever it has left."""
        with contextlib.suppress(httpx.HTTPError, AssertionError):
            if self.session:
                self._call("DELETE", self.session)
        self.http.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.driver.pid, signal.SIGKILL)
        self.driver.wait(STOP_SECONDS)

    def open(self, url: str) -> None:
        """Opens a page and waits until it is loaded."""
        self._call("POST", f"{self.session}/url", {"url": url})

    def click(self, selector: str) -> None:
        """Clicks the one element of a CSS selector, as a user does: it has to be visible."""
        found = self._call("POST", f"{self.session}/elements", {"using": "css selector", "value": selector})
        assert len(found) == 1, f"{selector}: {len(found)} elements"
        self._call("POST", f"{self.session}/element/{found[0][ELEMENT]}/click", {})

    def run(self, script: str) -> Any:
        """Returns what a script in the page returns."""
        return self._call("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def texts(self, selector: str) -> list[str]:
        """Returns the visible text of each element of a CSS selector."""
        return list(self.run(f"return [...document.querySelectorAll({selector!r})].map(found => found.innerText)"))

    def picture(self, *, width: int, height: int, dark: bool = False) -> bytes:
        """Returns what is in a window of that size, in CSS pixels, as a PNG; a page without a ground of its own is seen
        through."""
        colours = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._command("Emulation.setEmulatedMedia", features=colours)
        self._command("Emulation.setDefaultBackgroundColorOverride", color={"r": 0, "g": 0, "b": 0, "a": 0})
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", **size)
        try:
            return base64.b64decode(self._call("GET", f"{self.session}/screenshot"))
        finally:
            self._command("Emulation.clearDeviceMetricsOverride")
            self._command("Emulation.setDefaultBackgroundColorOverride")
            self._command("Emulation.setEmulatedMedia", features=[])

    def view(self) -> bytes:
        """Returns what the window shows as a PNG."""
        return base64.b64decode(self._call("GET", f"{self.session}/screenshot"))

    def hide_scroll_bars(self) -> None:
        """Leaves them out, as phones do; one can still scroll."""
        self._command("Emulation.setScrollbarsHidden", hidden=True)

    def forget(self) -> None:
        """Drops what pages have left here, such as a language that was chosen and whoever is signed in."""
        self._command("Network.clearBrowserCookies")

    def complaints(self) -> list[str]:
        """Returns what pages have said in the console since it was asked last; the browser's own, such as that of a new
        tab, complain among themselves.
        """
        said = self._call("POST", f"{self.session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in said if not entry["message"].startswith(OWN_PAGES)]

    @contextlib.contextmanager
    def pretending(self, *, width: int, language: str, dark: bool = False, height: int = HEIGHT) -> Iterator[None]:
        """Inside, the window has that size, in CSS pixels, and asks for that language and for dark or light colours."""
        agent = self.run("return navigator.userAgent")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        colours = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._command("Emulation.setEmulatedMedia", features=colours)
        self._command("Emulation.setDeviceMetricsOverride", **size)
        self._command("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)
        try:
            yield
        finally:
            self._command("Emulation.setEmulatedMedia", features=[])
            self._command("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=LANGUAGE)
            self._command("Emulation.clearDeviceMetricsOverride")

    @contextlib.contextmanager
    def in_zone(self, name: str) -> Iterator[None]:
        """Inside, clocks are those of a time zone, such as `Europe/Berlin`."""
        self._command("Emulation.setTimezoneOverride", timezoneId=name)
        try:
            yield
        finally:
            self._command("Emulation.setTimezoneOverride", timezoneId="")

    @contextlib.contextmanager
    def without_scripts(self) -> Iterator[None]:
        """Inside, pages run no scripts of their own; `run` still does."""
        self._command("Emulation.setScriptExecutionDisabled", value=True)
        try:
            yield
        finally:
            self._command("Emulation.setScriptExecutionDisabled", value=False)

    @contextlib.contextmanager
    def in_another_window(self) -> Iterator[None]:
        """Inside, everything is about a new window; the first one stays open, and is the one again at the end."""
        first = self._call("GET", f"{self.session}/window")
        opened = self._call("POST", f"{self.session}/window/new", {"type": "tab"})
        self._call("POST", f"{self.session}/window", {"handle": opened["handle"]})
        try:
            yield
        finally:
            self._call("DELETE", f"{self.session}/window")
            self._call("POST", f"{self.session}/window", {"handle": first})

    @contextlib.contextmanager
    def offline(self) -> Iterator[None]:
        """Inside, nothing is reached."""
        lines = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self._command("Network.enable")
        self._command("Network.emulateNetworkConditions", offline=True, **lines)
        try:
            yield
        finally:
            self._command("Network.emulateNetworkConditions", offline=False, **lines)

    def press(self, *keys: str) -> None:
        """Presses keys one after the other, wherever the focus is: characters, or names such as `TAB` and `ENTER`."""
        presses = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        actions = [{"type": "key", "id": "keyboard", "actions": presses}]
        self._call("POST", f"{self.session}/actions", {"actions": actions})

    @contextlib.contextmanager
    def in_newest_window(self) -> Iterator[None]:
        """Inside, everything is about the window that was opened last; it is closed at the end."""
        first = self._call("GET", f"{self.session}/window")
        newest = self._call("GET", f"{self.session}/window/handles")[-1]
        self._call("POST", f"{self.session}/window", {"handle": newest})
        try:
            yield
        finally:
            self._call("DELETE", f"{self.session}/window")
            self._call("POST", f"{self.session}/window", {"handle": first})

    def _command(self, name: str, **parameters: Any) -> None:
        self._call("POST", f"{self.session}/goog/cdp/execute", {"cmd": name, "params": parameters})

    def _is_up(self) -> bool:
        try:
            return bool(self._call("GET", "/status")["ready"])
        except httpx.TransportError:
            return False

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()["value"]
