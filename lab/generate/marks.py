"""Draws the project's mark and what browsers and others show of it: `python -m lab.generate.marks` writes
charites/static/charites/.

The Charites are the three Graces: three strokes that dance. The SVG is made here, the others from it by a headless
Chromium (Debian, Ubuntu: apt-get install chromium chromium-driver), so their bytes follow its version and its fonts.
"""

import struct
import sys
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

from lab.kit.browser import Browser, find_browser

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "charites" / "static" / "charites"
PICTURES = ROOT / "fixtures" / "images"

PAPER, INK, SOFT = "#fbfaf7", "#1d2330", "#5b6475"
# Colour and way of each stroke on 64 x 64, from the ground up.
STROKES = (
    ("#fb923c", "M22 56C22 42 9 38 9 20"),
    ("#c2410c", "M32 56C32 42 32 26 32 8"),
    ("#f59e0b", "M42 56C42 42 55 38 55 20"),
)
WIDTH = 9
ICON, TOUCH_ICON = 32, 180
SOCIAL = (1200, 630)  # what Open Graph's readers show whole
SENTENCE = ("A live-stream shop that never oversells,", "never leaks stock, and proves both.")
GOODS = ("goods-2-1.svg", "goods-11-1.svg", "goods-21-1.svg")


def mark(*, x: float = 0, y: float = 0, scale: float = 1) -> str:
    """Returns the three strokes as a part of a drawing."""
    strokes = "".join(f'<path d="{way}" stroke="{colour}"/>' for colour, way in STROKES)
    place = f' transform="translate({x:g} {y:g}) scale({scale:g})"' if (x, y, scale) != (0, 0, 1) else ""
    return f'<g fill="none" stroke-width="{WIDTH}" stroke-linecap="round"{place}>{strokes}</g>'


def svg(width: float, height: float, *parts: str) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>\n'


def favicon() -> str:
    return svg(64, 64, mark())


def touch_icon() -> str:
    """A home screen cuts the corners itself, and shows black where nothing is."""
    return svg(TOUCH_ICON, TOUCH_ICON, f'<path d="M0 0h180v180H0z" fill="{PAPER}"/>', mark(x=26, y=26, scale=2))


def social_picture() -> str:
    """The mark, the sentence, and some of what the demo sells."""
    return svg(
        *SOCIAL,
        f'<path d="M0 0h1200v630H0z" fill="{PAPER}"/>',
        mark(x=82, y=150, scale=2.4),
        text(256, 280, 104, INK, "charites", weight=700),
        *(text(96, 400 + 54 * n, 38, SOFT, line) for n, line in enumerate(SENTENCE)),
        *(picture(925, 30 + 195 * n, 180, file) for n, file in enumerate(GOODS)),
    )


def picture(x: float, y: float, size: float, file: str) -> str:
    """Returns a product's picture with round corners."""
    place = f'x="{x:g}" y="{y:g}" width="{size:g}" height="{size:g}"'
    return f'<image href="{(PICTURES / file).as_uri()}" {place} clip-path="inset(0 round 24px)"/>'


def text(x: float, y: float, size: float, colour: str, words: str, *, weight: int = 400) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-family="system-ui,sans-serif" font-size="{size:g}" font-weight="{weight}" '
        f'fill="{colour}">{escape(words)}</text>'
    )


def ico(png: bytes, pixels: int) -> bytes:
    """Returns an icon file with one picture (https://learn.microsoft.com/previous-versions/ms997538(v=msdn.10))."""
    header = struct.pack("<HHH", 0, 1, 1)
    entry = struct.pack("<BBBBHHII", pixels, pixels, 0, 0, 1, 32, len(png), len(header) + 16)
    return header + entry + png


def main() -> None:
    path = find_browser()
    if path is None:
        sys.exit("The pictures are made by chromium and chromedriver, and they are not installed.")
    (FOLDER / "favicon.svg").write_text(favicon())
    with tempfile.TemporaryDirectory() as folder, Browser(path, Path(folder)) as browser:

        def drawn(drawing: str, width: int, height: int) -> bytes:
            file = Path(folder) / "drawing.svg"
            file.write_text(drawing)
            browser.open(file.as_uri())
            return browser.picture(width=width, height=height)

        small = favicon().replace('width="64" height="64"', f'width="{ICON}" height="{ICON}"')
        (FOLDER / "favicon.ico").write_bytes(ico(drawn(small, ICON, ICON), ICON))
        (FOLDER / "touch-icon.png").write_bytes(drawn(touch_icon(), TOUCH_ICON, TOUCH_ICON))
        (FOLDER / "social.png").write_bytes(drawn(social_picture(), *SOCIAL))


if __name__ == "__main__":
    main()
