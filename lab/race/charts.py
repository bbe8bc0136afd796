"""The report's other drawings: orders per second, and how long buyers waited."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from lab.race.results import OVERSOLD, Race, Result
from lab.race.svg import Linear, Logarithmic, document, kind, line, rectangle, text, tick_text

NAMES, ROW, EDGE = 116, 30, 20
BINS = 60


def draw_throughput(race: Race, width: int) -> str:
    """Accepted orders per second, as bars from zero, of those that took long enough to tell."""
    rates = {result.strategy: result.orders_per_second for result in race.results if result.has_rate}
    fastest = max(rates.values(), default=1.0)
    x = Linear(0, fastest, NAMES, width - EDGE - 62)
    marks = []
    for number, result in enumerate(race.results):
        y = 8 + number * ROW
        marks.append(text(NAMES - 10, y + 15, result.strategy, "s", "end"))
        if not result.has_rate:
            marks.append(text(NAMES, y + 15, _("over within a second: too short to tell"), "s soft"))
            continue
        end = x(result.orders_per_second)
        marks.append(rectangle(NAMES, y, max(1.0, end - NAMES), ROW - 9, f"f{kind(result.verdict)}", 2))
        words = f"{result.orders_per_second:,.0f}" + (" *" if result.verdict == OVERSOLD else "")
        marks.append(text(end + 7, y + 15, words, "s"))
    label = " ".join([_("Orders per second."), *(f"{name} {rate:.0f}." for name, rate in rates.items())])
    return document(width, 12 + ROW * len(race.results), label, marks)


def draw_waits(race: Race, width: int) -> str:
    """The distribution of waiting times, a row per strategy: accepted buyers in colour, all others grey on top."""
    waits = [wait for result in race.results for wait in result.milliseconds()]
    low, high = max(0.1, min(waits) * 0.9), max(waits) * 1.1
    x = Logarithmic(low, max(high, low * 10), NAMES, width - EDGE)
    row = 62
    marks: list[str] = []
    bottom = row * len(race.results) + 6
    for milliseconds in x.ticks():
        marks.append(line(x(milliseconds), 6, x(milliseconds), bottom, "grid"))
        marks.append(text(x(milliseconds), bottom + 16, tick_text(milliseconds / 1000), "xs soft", "middle"))
    for number, result in enumerate(race.results):
        marks += distribution(result, x, top=6 + number * row, height=row - 26)
    axis = _("from a buyer's first statement to its answer, logarithmic")
    marks.append(text(width - EDGE, bottom + 34, axis, "xs soft", "end"))
    words = _("%(strategy)s: half within %(half)s ms, 99 percent within %(most)s ms.")
    told = (
        words % {"strategy": r.strategy, "half": f"{r.percentile(50):.0f}", "most": f"{r.percentile(99):.0f}"}
        for r in race.results
    )
    label = " ".join([_("Waiting times."), *told])
    return document(width, bottom + 44, label, marks)


def distribution(result: Result, x: Logarithmic, *, top: float, height: float) -> list[str]:
    """One row: a histogram over equal steps of the axis, and the percentiles below it."""
    sold, others = binned(result.milliseconds("sold"), x), binned(result.milliseconds("refused", "busy", "error"), x)
    most = max(a + b for a, b in zip(sold, others, strict=True))
    base, width = top + height, (x.end - x.start) / BINS
    marks = [line(x.start, base, x.end, base, "zero"), text(NAMES - 10, base - 2, result.strategy, "s", "end")]
    for number in range(BINS):
        at, first, second = x.start + number * width, height * sold[number] / most, height * others[number] / most
        if sold[number]:
            marks.append(rectangle(at + 0.5, base - first, width - 1, first, f"f{kind(result.verdict)}"))
        if others[number]:
            marks.append(rectangle(at + 0.5, base - first - second, width - 1, second, "fmute"))
    return marks + percentiles(result, x, base)


def percentiles(result: Result, x: Logarithmic, base: float) -> list[str]:
    """Ticks at p50, p95 and p99, with the names of those that have room for one."""
    marks, free = [], 0.0
    for percent in (50, 95, 99):
        at = x(result.percentile(percent))
        marks.append(line(at, base - 3, at, base + 5, "tick"))
        if at - 11 >= free and at + 11 <= x.end + EDGE:
            marks.append(text(at, base + 16, f"p{percent}", "xs soft", "middle"))
            free = at + 14
    return marks


def binned(waits: Sequence[float], x: Logarithmic) -> list[int]:
    counts = [0] * BINS
    for wait in waits:
        share = (x(wait) - x.start) / (x.end - x.start)
        counts[min(BINS - 1, int(share * BINS))] += 1
    return counts
