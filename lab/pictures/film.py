"""Two windows side by side, filmed: a phone, and beside it a desk."""

import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from lab.kit.browser import Browser
from lab.kit.processes.shop import wait_until

PHONE, DESK = (390, 800), (1120, 960)  # CSS pixels of the windows
HEIGHT = 800  # of both in the frame
MARGIN, CAPTION = 28, 64
GROUND, INK, EDGE = "#e7e3da", "#1d2330", "#1d2330"
SCALE = 0.86  # of the whole frame, at last
LONGEST_MS = 400  # of a frame: what a busy machine takes longer for is no news
QUALITY = 72
# Returns where the middle of an element is in its window.
MIDDLE = """
const box = document.querySelector({!r}).getBoundingClientRect()
return [box.x + box.width / 2, box.y + box.height / 2]
"""


class Film:
    """Frames and how long each is seen. `caption` stands above those that follow."""

    def __init__(self, phone: Browser, desk: Browser) -> None:
        self.windows = {phone: (MARGIN, HEIGHT / PHONE[1]), desk: (MARGIN * 2 + PHONE[0], HEIGHT / DESK[1])}
        self.caption = ""
        self.frames: list[Image.Image] = []
        self.durations: list[int] = []
        self._font = ImageFont.load_default(size=26)
        self._before = time.monotonic()

    def shoot(self, finger: tuple[Browser, str] | None = None) -> None:
        """Takes one frame; a `finger` is seen on an element of one of the windows."""
        width = sum(self._widths()) + MARGIN * 3
        frame = Image.new("RGB", (width, CAPTION + HEIGHT + MARGIN), GROUND)
        pen = ImageDraw.Draw(frame)
        pen.text((width / 2, CAPTION / 2), self.caption, fill=INK, font=self._font, anchor="mm")
        for browser, (left, scale) in self.windows.items():
            shown = Image.open(BytesIO(browser.view())).convert("RGB")
            shown = shown.resize((round(shown.width * scale), HEIGHT), Image.Resampling.LANCZOS)
            frame.paste(shown, (left, CAPTION), corners(shown.size))
            pen.rounded_rectangle(
                (left - 2, CAPTION - 2, left + shown.width + 1, CAPTION + HEIGHT + 1), 18, None, EDGE, 2
            )
        if finger:
            self._draw_finger(frame, *finger)
        self._add(frame.resize((round(width * SCALE), round(frame.height * SCALE)), Image.Resampling.LANCZOS))

    def roll(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.shoot()

    def roll_until(self, happened: Callable[[], object], *, seconds: float, what: str) -> None:
        """Raises AssertionError when it does not happen within `seconds`."""

        def seen() -> object:
            self.shoot()
            return happened()

        wait_until(seen, seconds=seconds, what=what)

    def press(self, browser: Browser, selector: str) -> None:
        """Shows where the finger is, then clicks."""
        for _ in range(4):
            self.shoot((browser, selector))
        browser.click(selector)

    def write(self, file: Path) -> None:
        first, *others = self.frames
        duration = self.durations
        first.save(file, save_all=True, append_images=others, duration=duration, loop=0, quality=QUALITY, method=4)

    def _widths(self) -> tuple[int, int]:
        return PHONE[0], round(DESK[0] * HEIGHT / DESK[1])

    def _draw_finger(self, frame: Image.Image, browser: Browser, selector: str) -> None:
        left, scale = self.windows[browser]
        x, y = (part * scale for part in browser.run(MIDDLE.format(selector)))
        spot = Image.new("L", (52, 52), 0)
        ImageDraw.Draw(spot).ellipse((2, 2, 49, 49), fill=130)
        frame.paste(INK, (round(left + x) - 26, round(CAPTION + y) - 26), spot)

    def _add(self, frame: Image.Image) -> None:
        """A frame is seen for as long as it took to take it; what looks the same is one frame."""
        now = time.monotonic()
        took, self._before = min(LONGEST_MS, round((now - self._before) * 1000)), now
        if self.frames and frame.tobytes() == self.frames[-1].tobytes():
            self.durations[-1] += took
        else:
            self.frames.append(frame)
            self.durations.append(took)


def corners(size: tuple[int, int]) -> Image.Image:
    """The mask of a window with round corners."""
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 16, fill=255)
    return mask
