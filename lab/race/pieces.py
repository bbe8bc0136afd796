"""The first drawing: pieces really left over time, a panel a strategy, all on the same two axes."""

from django.utils.translation import gettext as _

from lab.race.results import OVERSOLD, Race, Result
from lab.race.svg import (
    STYLE,
    Linear,
    Logarithmic,
    document,
    dot,
    kind,
    line,
    rectangle,
    round_up,
    seconds_text,
    signed,
    steps,
    text,
    tick_text,
)
from lab.race.table import VERDICTS

WIDE, NARROW = 960, 390  # pixels: a page, a phone
LEFT, RIGHT, GAP, TITLE, HEAD, FOOT = 48, 20, 22, 78, 42, 34


class Panels:
    """Where everything is: the grid of panels, and the axes that all of them share."""

    def __init__(self, race: Race, width: int) -> None:
        self.race, self.width = race, width
        self.columns = min(4 if width > 600 else 2, len(race.results) + 1)
        rows = -(-(len(race.results) + 1) // self.columns)
        self.panel = (width - LEFT - RIGHT - GAP * (self.columns - 1)) / self.columns
        self.depth = 150 if width > 600 else 130
        self.title = TITLE if width > 600 else TITLE + 34
        self.height = self.title + rows * (HEAD + self.depth + FOOT) + 22
        stock = max(result.stock for result in race.results)
        lowest = min(0, *(result.stock - result.sold for result in race.results))
        step = round_up((stock - lowest) / 5)
        self.y = Linear(-(-lowest // -step) * -step if lowest else 0, stock, self.depth, 0)
        first = min((r.acceptances()[0][0] for r in race.results if r.acceptances()), default=0.01)
        last = max(result.seconds for result in race.results)
        low = max(first / 2, 0.0001)
        self.x = Logarithmic(low, max(last, low * 10) * 1.15, 0, self.panel)

    def place(self, number: int) -> tuple[float, float]:
        """Returns the upper left corner of a panel's plot."""
        row, column = divmod(number, self.columns)
        return (
            LEFT + column * (self.panel + GAP),
            self.title + HEAD + row * (HEAD + self.depth + FOOT),
        )

    def points(self, result: Result) -> list[tuple[float, float]]:
        """Pieces really left, as points of the plot, up to the last accepted order."""
        left, points = result.stock, [(0.0, self.y(result.stock))]
        for at, pieces in result.acceptances():
            left -= pieces
            points.append((self.x(at), self.y(left)))
        return points


def draw_pieces(race: Race, width: int = WIDE, *, alone: bool = False) -> str:
    """Returns the drawing as SVG. `alone`: with its own colours, to stand in a README."""
    panels = Panels(race, width)
    ghosts = [f'<path id="g{width}-{n}" d="{steps(panels.points(r))}"/>' for n, r in enumerate(race.results)]
    marks = [*heading(race, width), "<defs>", *ghosts, "</defs>"]
    for number, result in enumerate(race.results):
        x, y = panels.place(number)
        marks += [f'<g transform="translate({x:.1f} {y:.1f})">', *panel(panels, number, result), "</g>"]
    x, y = panels.place(len(race.results))
    marks += [f'<g transform="translate({x:.1f} {y:.1f})">', *key(panels), "</g>"]
    marks.append(text(width - RIGHT, panels.height - 12, _("time since the start, logarithmic"), "xs soft", "end"))
    label = " ".join([_("Pieces really left over time."), *map(in_words, race.results)])
    return document(width, panels.height, label, marks, style=STYLE if alone else "")


def heading(race: Race, width: int) -> list[str]:
    plan = race.plan
    size = {"buyers": f"{plan.buyers:,}", "pieces": f"{plan.stock * plan.goods:,}", "at_once": plan.at_once}
    first = _("%(buyers)s buyers, %(pieces)s pieces, %(at_once)s at a time.") % size
    second = race.database + durability_text(race)
    title = text(20, 36, _("Pieces really left"), "title")
    if width > 600:
        return [title, text(20, 58, f"{first} {second}", "s soft")]
    return [
        title,
        text(20, 58, first, "s soft"),
        *(text(20, 76 + 16 * n, part, "s soft") for n, part in enumerate(folded(second))),
    ]


def durability_text(race: Race) -> str:
    """Says in words when the database syncs."""
    known = race.durability
    if known.get("sync_binlog") == "1" and known.get("innodb_flush_log_at_trx_commit") == "1":
        log = _("binary log on") if known.get("log_bin") == "ON" else _("no binary log")
        return f", {log}, " + _("every commit synced")
    return "".join(f", {name} {value}" for name, value in known.items())


def folded(words: str, width: int = 52) -> list[str]:
    """Breaks a sentence into lines for a phone."""
    lines = [""]
    for word in words.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f"{word} "
    return [part.strip() for part in lines]


def panel(panels: Panels, number: int, result: Result) -> list[str]:
    """One strategy: its own line, and the others behind it in grey."""
    colour, points = kind(result.verdict), panels.points(result)
    others = [
        f'<use href="#g{panels.width}-{n}" class="ghost"/>' for n in range(len(panels.race.results)) if n != number
    ]
    marks = [*titles(result, colour), *axes(panels, number), *others]
    if result.verdict == OVERSOLD:
        marks += [f'<path d="{below_zero(panels, points)}" class="wash"/>', *claim(panels, result)]
    marks.append(f'<path d="{steps(points)}" class="curve {colour}"/>')
    x, y = points[-1]
    marks.append(dot(x, y, f"f{colour}"))
    left = result.stock - result.sold
    anchor, shift = ("end", -9.0) if left < 0 or x > panels.panel - 24 else ("start", 7.0)
    marks.append(text(x + shift, y + (4 if left < 0 else -7), signed(left), f"name halo f{colour}", anchor))
    return marks


def titles(result: Result, colour: str) -> list[str]:
    accepted = result.acceptances()
    words = _("%(sold)s of %(stock)s sold in %(time)s") if accepted else _("%(sold)s of %(stock)s sold")
    time = seconds_text(accepted[-1][0]) if accepted else ""
    told = words % {"sold": f"{result.sold:,}", "stock": f"{result.stock:,}", "time": time}
    return [text(0, -24, result.strategy, "name"), text(0, -9, told, f"s f{colour}")]


def axes(panels: Panels, number: int) -> list[str]:
    """Grid and zero; numbers at the left edge of the grid only."""
    marks = []
    for value in panels.y.ticks(5):
        y = panels.y(value)
        marks.append(line(0, y, panels.panel, y, "grid" if value else "zero"))
        if number % panels.columns == 0:
            marks.append(text(-8, y + 4, signed(value), "xs soft", "end"))
    for seconds in panels.x.ticks():
        x = panels.x(seconds)
        marks.append(line(x, panels.depth, x, panels.depth + 4, "zero"))
        marks.append(text(x, panels.depth + 17, tick_text(seconds), "xs soft", "middle" if x else "start"))
    return marks


def below_zero(panels: Panels, points: list[tuple[float, float]]) -> str:
    """The area between zero and the line where that is below it."""
    zero = panels.y(0)
    under = [point for point in points if point[1] > zero]
    return f"{steps([(under[0][0], zero), *under])}V{zero:.1f}Z"


def claim(panels: Panels, result: Result) -> list[str]:
    """What the strategy's own column said meanwhile."""
    seen = [(panels.x(at), panels.y(left)) for at, left in result.claims if 0 <= at <= result.seconds]
    end = (panels.x(result.seconds), panels.y(result.column_left))
    words = _("column: %(left)s left") if panels.width > NARROW else _("column: %(left)s")
    return [
        f'<path d="{steps([(0.0, panels.y(result.stock)), *seen, end])}" class="claim"/>',
        text(4, end[1] + 17, words % {"left": f"{result.column_left:,}"}, "xs halo", "start"),
    ]


def key(panels: Panels) -> list[str]:
    """The last cell: how to read the others."""
    wrong = any(result.verdict == OVERSOLD for result in panels.race.results)
    rows = [("curve good", _("stops at 0: exact"))]
    if wrong:
        rows += [("curve bad", _("falls on: oversold")), ("claim", _("its column's claim"))]
    rows.append(("ghost", _("the other strategies")))
    marks = [text(0, -24, _("How to read it"), "name")]
    for number, (style, words) in enumerate(rows):
        y = 6 + number * 22
        marks += [line(0, y, 26, y, style), text(34, y + 4, words, "s")]
    if wrong:
        y = len(rows) * 22 + 2
        marks += [rectangle(0, y - 3, 26, 14, "wash"), text(34, y + 8, _("sold, but never there"), "s")]
    return marks


def in_words(result: Result) -> str:
    """What a panel shows, for whoever cannot see it."""
    told = {"strategy": result.strategy, "sold": result.sold, "stock": result.stock}
    return _("%(strategy)s: %(sold)s of %(stock)s sold, %(verdict)s.") % {**told, "verdict": VERDICTS[result.verdict]}
