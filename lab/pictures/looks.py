"""How a page is looked at, and where its pictures go."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from lab.kit.browser import Browser, find_browser

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
QUALITY = 86
PHONE, DESKTOP = (390, 844), (1280, 840)  # CSS pixels
# Whether all pictures in the window are there, and nothing moves any more.
COMPLETE = """
if (document.getAnimations().length) return false
const isSeen = box => box.bottom > 0 && box.top < innerHeight
return [...document.images].every(image => image.complete || !isSeen(image.getBoundingClientRect()))
"""


class NoBrowser(Exception):
    """There is no Chromium that could be driven."""


@dataclass(frozen=True, slots=True)
class Look:
    """A window of a size, in a language, in the dark or in the light."""

    size: tuple[int, int]
    language: str
    dark: bool

    @property
    def name(self) -> str:
        return f"{self.size[0]}-{'dark' if self.dark else 'light'}-{self.language[:2]}"


# Each size in each language and each light, and each language in each light.
LOOKS = [
    Look(DESKTOP, "en", dark=False),
    Look(DESKTOP, "zh-CN", dark=True),
    Look(PHONE, "en", dark=True),
    Look(PHONE, "zh-CN", dark=False),
]


@contextmanager
def window(look: Look, folder: Path) -> Iterator[Browser]:
    """A browser of its own, which keeps nothing of another look. Raises NoBrowser."""
    path = find_browser()
    if path is None:
        raise NoBrowser
    folder.mkdir()
    width, height = look.size
    with (
        Browser(path, folder) as browser,
        browser.pretending(width=width, height=height, language=look.language, dark=look.dark),
    ):
        browser.hide_scroll_bars()
        yield browser


def keep(png: bytes, name: str) -> Path:
    """Writes a picture into the documentation."""
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{name}.webp"
    Image.open(BytesIO(png)).convert("RGB").save(file, quality=QUALITY, method=6)
    return file
