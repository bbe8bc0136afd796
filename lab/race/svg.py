"""What the drawings are made of: marks, scales, and colours that differ in lightness too."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

FONT = 'system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Helvetica,Arial,sans-serif'
# Blue and vermilion of Okabe and Ito's palette, lighter on dark ground: told apart by every kind of eyes.
LIGHT = (
    "--ground:#fdfcf9;--card:#ffffff;--ink:#1b2130;--soft:#5a6374;--line:#dedbd2;--ghost:#d3d0c8;--mute:#bdb9ae;"
    "--good:#0068a8;--bad:#c64a00;--odd:#8a4a78;--wash:#fbe7db;--claim:#1b2130;"
)
DARK = (
    "--ground:#14161b;--card:#1b1e25;--ink:#eeece6;--soft:#a8aebb;--line:#353a45;--ghost:#3d4350;--mute:#697182;"
    "--good:#62b8f0;--bad:#ff8a47;--odd:#dd9ccb;--wash:#4d2e1d;--claim:#eeece6;"
)
MARKS = (
    f"text{{font-family:{FONT};fill:var(--ink);font-variant-numeric:tabular-nums}}"
    ".soft{fill:var(--soft)}.title{font-size:19px;font-weight:650}.name{font-size:14px;font-weight:650}"
    ".s{font-size:12px}.xs{font-size:11px}.grid{stroke:var(--line)}.zero{stroke:var(--soft)}"
    ".ghost{stroke:var(--ghost);fill:none}.curve{fill:none;stroke-width:2.5;stroke-linejoin:round}"
    ".claim{stroke:var(--claim);fill:none;stroke-width:1.5;stroke-dasharray:5 4}.wash{fill:var(--wash)}"
    ".good{stroke:var(--good)}.bad{stroke:var(--bad)}.odd{stroke:var(--odd)}"
    ".fgood{fill:var(--good)}.fbad{fill:var(--bad)}.fodd{fill:var(--odd)}.fmute{fill:var(--mute)}"
    ".tick{stroke:var(--ink);stroke-width:1.5}"
    ".halo{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}"
)
STYLE = f":root{{{LIGHT}}}@media(prefers-color-scheme:dark){{:root{{{DARK}}}}}{MARKS}"

KIND = {"exact": "good", "oversold": "bad", "over limit": "bad"}  # a verdict's colour


def kind(verdict: str) -> str:
    return KIND.get(verdict, "odd")


def text(x: float, y: float, words: str, style: str = "s", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def rectangle(x: float, y: float, width: float, height: float, style: str, radius: float = 0) -> str:
    size = f'width="{max(0, width):.1f}" height="{max(0, height):.1f}"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} rx="{radius}" class="{style}"/>'


def dot(x: float, y: float, style: str, radius: float = 4) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{style}"/>'


def steps(points: Sequence[tuple[float, float]]) -> str:
    """Returns a path that keeps its height until the next point; points closer than half a pixel are one."""
    (first_x, first_y), *others = points
    others = list({round(x * 2): (x, y) for x, y in others}.values())
    return f"M{first_x:.1f} {first_y:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in others)


def document(width: float, height: float, label: str, marks: Sequence[str], *, style: str = "") -> str:
    """Returns a drawing. With `style` it stands alone; without, the page that it is part of brings the colours."""
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(label)}>'
    ground = [
        f"<style>{style}.card{{fill:var(--card);stroke:var(--line)}}</style>",
        rectangle(0.5, 0.5, width - 1, height - 1, "card", 12),
    ]
    return "\n".join([head, *(ground if style else []), *marks, "</svg>"]) + "\n"


@dataclass(frozen=True, slots=True)
class Linear:
    """Maps `low`..`high` to `start`..`end` in pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, about: int) -> list[float]:
        """Returns round numbers, about so many."""
        step = round_up((self.high - self.low) / about)
        return [n * step for n in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Logarithmic:
    """The same, where every factor of ten takes the same room. What is below `low` is drawn at `low`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Returns the powers of ten."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        return [10.0**power for power in range(first, last + 1)]


def round_up(number: float) -> float:
    """Returns the next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(number))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= number * (1 - 1e-9))


def seconds_text(seconds: float) -> str:
    """Returns a time with two digits that mean something, such as 0.12 s."""
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"


def tick_text(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def signed(number: float) -> str:
    """Returns a number with a real minus sign."""
    return f"{number:,.0f}".replace("-", "\u2212")
