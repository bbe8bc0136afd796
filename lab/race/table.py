"""The results as a table for a terminal or a file."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.race.race_plan import Plan
from lab.race.results import EXACT, OVER_LIMIT, OVERSOLD, STRANDED, Race, Result
from lab.race.runner import PROTECTED_BY_SQLITE

STYLES = {EXACT: "green", OVERSOLD: "bold red", OVER_LIMIT: "bold red"}
WIDTH_WITHOUT_TERMINAL = 200


VERDICTS = {
    EXACT: gettext_lazy("exact"),
    OVERSOLD: gettext_lazy("oversold"),
    OVER_LIMIT: gettext_lazy("over limit"),
    STRANDED: gettext_lazy("stranded"),
}


class Column(NamedTuple):
    title: str | Promise
    text: Callable[[Result], str]


def milliseconds(number: float) -> str:
    return f"{number:,.1f}" if number < 1000 else f"{number:,.0f}"


def optional(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


STRATEGY = Column(gettext_lazy("strategy"), lambda result: result.strategy)
VERDICT = Column(gettext_lazy("verdict"), lambda result: str(VERDICTS[result.verdict]))
COUNTS = [
    Column(gettext_lazy("sold"), lambda result: f"{result.sold:,}"),
    Column(gettext_lazy("oversold"), lambda result: f"{result.oversold:,}"),
    Column(gettext_lazy("column\nleft"), lambda result: f"{result.column_left:,}"),
    Column(gettext_lazy("refused"), lambda result: f"{result.told('refused'):,}"),
    Column(gettext_lazy("busy"), lambda result: f"{result.told('busy'):,}"),
    Column(gettext_lazy("errors"), lambda result: f"{result.errors:,}"),
]
LIMIT = [
    Column(gettext_lazy("over the\nlimit"), lambda result: f"{result.told('limited'):,}"),
    Column(gettext_lazy("most of\na buyer"), lambda result: optional(result.held.most if result.held else None)),
]
TIMES = [
    Column(gettext_lazy("retries"), lambda result: optional(result.as_json()["retries"])),
    Column(gettext_lazy("deadlocks"), lambda result: optional(result.as_json()["deadlocks"])),
    Column(gettext_lazy("concurrency"), lambda result: str(result.plan.at_once)),
    Column(gettext_lazy("orders/s"), lambda result: f"{result.orders_per_second:,.0f}" if result.has_rate else "-"),
    Column("p50\nms", lambda result: milliseconds(result.percentile(50))),
    Column("p95\nms", lambda result: milliseconds(result.percentile(95))),
    Column("p99\nms", lambda result: milliseconds(result.percentile(99))),
]


def counts(plan: Plan) -> list[Column]:
    """The columns that count; a race with a limit has two more."""
    return [*COUNTS, *LIMIT] if plan.limit_per_buyer else COUNTS


def as_text(race: Race, *, width: int | None) -> str:
    """Draws the table for a terminal of so many columns (None: for a file). Nothing is ever cut: where one table is too
    wide, there are two."""
    tables = [as_table(race, [STRATEGY, *counts(race.plan), *TIMES, VERDICT])]
    if width and natural_width(tables) > width:
        halves = [STRATEGY, *counts(race.plan), VERDICT], [STRATEGY, *TIMES]
        tables = [as_table(race, half, box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)) for half in halves]
    # Still too narrow: the terminal breaks lines, which is better than names that are cut.
    room = max(width or WIDTH_WITHOUT_TERMINAL, natural_width(tables))
    console = Console(width=room, force_terminal=width is not None or None)
    with console.capture() as capture:
        console.print(*tables, sep="\n\n")
        for note in notes(race):
            console.print(Text(note), width=width)
    return capture.get()


def natural_width(tables: list[Table]) -> int:
    """Returns how many columns the tables take when nothing is shortened."""
    endless = Console(width=10_000)
    return max(endless.measure(table).maximum for table in tables)


def as_table(race: Race, columns: list[Column], **look: Any) -> Table:
    table = Table(**look)
    for column in columns:
        left = column in (STRATEGY, VERDICT)
        table.add_column(str(column.title), justify="left" if left else "right", no_wrap=True)
    for result in race.results:
        style = "bold red" if result.fault else ""
        table.add_row(*(cell(column, result) for column in columns), style=style)
    return table


def cell(column: Column, result: Result) -> Text:
    style = STYLES.get(result.verdict, "yellow") if column is VERDICT else ""
    return Text(column.text(result), style=style)


def notes(race: Race) -> list[str]:
    """What the table cannot say."""
    plan = race.plan
    settings = ", ".join(f"{name} {value}" for name, value in race.durability.items()) or "durability unknown"
    return [
        f"{race.database} ({settings}); {race.machine}.",
        f"{plan.buyers:,} buyers, {attempts(plan)}, for {plan.stock * plan.goods:,} pieces; {plan.processes} processes"
        f" x {plan.threads} threads; via {plan.via}; seed {plan.seed}.",
        *remarks(race),
    ]


def remarks(race: Race) -> list[str]:
    """What has to be known of the outcome."""
    found = []
    if race.database.startswith("SQLite") and any(r.strategy == PROTECTED_BY_SQLITE for r in race.results):
        found.append(
            _("transaction is exact here by SQLite's BEGIN IMMEDIATE: one writer at a time. On MySQL it oversells.")
        )
    if race.plan.limit_per_buyer:
        found.append(limit_words(race))
    if not all(result.has_rate for result in race.results):
        found.append(_("Where the last order was accepted within a second, that is too short to tell orders a second."))
    return found


def attempts(plan: Plan) -> str:
    return "one attempt each" if plan.attempts == 1 else f"{plan.attempts} attempts each"


def limit_words(race: Race) -> str:
    """What one buyer could have, and had. It is exact where nobody had more, and nobody was refused who had less."""
    most = max(result.held.most for result in race.results if result.held)
    text = _(
        "One buyer could have %(limit)s of a product, over all orders; the most that one has is %(most)s. How many"
        " orders, and how fast, was not limited here."
    )
    return text % {"limit": race.plan.limit_per_buyer, "most": most}
