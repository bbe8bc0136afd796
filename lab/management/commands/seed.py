"""Demo data: rooms, goods, stock and users, and what buyers did in the last two weeks."""

from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from structlog import DropEvent, wrap_logger

from charites.common.logs import Access, ReadableAccess
from lab.demo import fixture_catalogue, past_orders
from lab.terminal import console_on

MAX_ORDERS = 1_000_000


class Command(BaseCommand):
    help = "Load the demo's rooms, goods, stock and users. Safe to repeat: what is there is left alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--orders",
            type=order_count,
            default=0,
            metavar="N",
            help="also make N more orders of the last two weeks, in every status, through the shop's own services",
        )
        parser.add_argument(
            "--seed-number",
            type=int,
            default=1,
            metavar="S",
            help="where the random numbers start: the same one makes the same orders on the same day (default: 1)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with without_facts():
            self.seed(**options)

    def seed(self, *, orders: int, seed_number: int, **options: Any) -> None:
        console = console_on(self.stdout)
        try:
            seeded = fixture_catalogue.load_catalogue(now=timezone.now())
        except fixture_catalogue.NoDemo as error:
            raise CommandError(
                "seed makes users with a well-known password, so it works only while DEMO or DEBUG is on."
            ) from error
        made = any(entry.made for entry in seeded)
        console.print(table_of_rows(seeded) if made else "Demo data: everything is there, nothing was changed.")
        if orders:
            console.print(table_of_orders(self.make_orders(orders, seed_number, console)))

    def make_orders(self, number: int, seed_number: int, console: Console) -> past_orders.History:
        """Shows how far it is while it makes the orders."""
        columns = (TextColumn("orders"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("orders", total=number)
            try:
                return past_orders.make_orders(
                    number=number,
                    now=timezone.now(),
                    random=Random(seed_number),
                    report=lambda count: progress.advance(task, count),
                )
            except past_orders.NoSandbox as error:
                raise CommandError("Demo orders are paid at the sandbox provider: turn DEMO on.") from error
            except past_orders.NothingForSale as error:
                raise CommandError(
                    "No product of the catalogue is on sale in a room, so there is nothing to buy."
                ) from error


def drop(*_: Any) -> Any:
    raise DropEvent


@contextmanager
def without_facts() -> Iterator[None]:
    """What is made up is no fact of the business, and belongs into no log."""
    told, Access.log = Access.log, ReadableAccess(wrap_logger(None, processors=[drop]))
    try:
        yield
    finally:
        Access.log = told


class RateColumn(ProgressColumn):
    """Orders per second so far."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f}/s" if speed else "")


def order_count(text: str) -> int:
    """Reads the argument; argparse says what is wrong with it."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MAX_ORDERS:
        raise ArgumentTypeError(f"must be 1 to {MAX_ORDERS}")
    return int(text)


def table_of_rows(seeded: list[fixture_catalogue.Seeded]) -> Table:
    """What was made, and what was there."""
    table = Table(title="Demo data", title_justify="left")
    table.add_column("")
    table.add_column("made", justify="right")
    table.add_column("already there", justify="right")
    for entry in seeded:
        table.add_row(entry.name, str(entry.made), str(entry.kept))
    return table


def table_of_orders(made: past_orders.History) -> Table:
    """What became of the orders, of the money that did not pay one, and which errors there were."""
    table = Table(title="Orders", title_justify="left")
    table.add_column("")
    table.add_column("orders", justify="right")
    add_counts(table, "", made.orders)
    add_counts(table, "refunded: ", made.refunds)
    add_counts(table, "error: ", made.errors)
    return table


def add_counts(table: Table, prefix: str, counts: Mapping[str, int]) -> None:
    for name, count in sorted(counts.items()):
        table.add_row(f"{prefix}{name}", str(count))
    table.add_section()
