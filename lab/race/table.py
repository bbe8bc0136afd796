"""The results as a table for a terminal or a file."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.race.race_plan import Plan
from lab.race.results import EXACT, OVER_LIMIT, OVERSOLD, Race, Result
from lab.race.runner import PROTECTED_BY_SQLITE

STYLES = {EXACT: "green", OVERSOLD: "bold red", OVER_LIMIT: "bold red"}
WIDTH_WITHOUT_TERMINAL = 200


class Column(NamedTuple):
    title: str
    text: Callable[[Result], str]


def milliseconds(number: float) -> str:
    return f"{number:,.1f}" if number < 1000 else f"{number:,.0f}"


def optional(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


STRATEGY = Column("strategy", lambda result: result.strategy)
VERDICT = Column("verdict", lambda result: result.verdict)
COUNTS = [
    Column("sold", lambda result: f"{result.sold:,}"),
    Column("oversold", lambda result: f"{result.oversold:,}"),
    Column("column\nleft", lambda result: f"{result.column_left:,}"),
    Column("refused", lambda result: f"{result.told('refused'):,}"),
    Column("busy", lambda result: f"{result.told('busy'):,}"),
    Column("errors", lambda result: f"{result.errors:,}"),
]
LIMIT = [
    Column("over the\nlimit", lambda result: f"{result.told('limited'):,}"),
    Column("most of\na buyer", lambda result: optional(result.held.most if result.held else None)),
]
TIMES = [
    Column("retries", lambda result: optional(result.as_json()["retries"])),
    Column("deadlocks", lambda result: optional(result.as_json()["deadlocks"])),
    Column("concurrency", lambda result: str(result.plan.at_once)),
    Column("orders/s", lambda result: f"{result.orders_per_second:,.0f}"),
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
        table.add_column(column.title, justify="left" if left else "right", no_wrap=True)
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
    found = [
        f"{race.database} ({settings}); {race.machine}.",
        f"{plan.buyers:,} buyers, {attempts(plan)}, for {plan.stock * plan.goods:,} pieces; {plan.processes} processes"
        f" x {plan.threads} threads; via {plan.via}; seed {plan.seed}.",
    ]
    if race.database.startswith("SQLite") and any(r.strategy == PROTECTED_BY_SQLITE for r in race.results):
        found.append(
            "transaction is exact here by SQLite's BEGIN IMMEDIATE: one writer at a time. On MySQL it oversells."
        )
    if plan.limit_per_buyer:
        found.append(limit_words(race))
    return found


def attempts(plan: Plan) -> str:
    return "one attempt each" if plan.attempts == 1 else f"{plan.attempts} attempts each"


def limit_words(race: Race) -> str:
    """What one buyer could have, and had. It is exact where nobody had more, and nobody was refused who had less."""
    most = max(result.held.most for result in race.results if result.held)
    return (
        f"One buyer could have {race.plan.limit_per_buyer} of a product, over all orders; the most that one has is"
        f" {most}. How many orders, and how fast, was not limited here."
    )
