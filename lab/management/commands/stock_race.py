"""`manage.py stock_race`: who oversells, who is exact, and how fast. Never touches the shop's own data."""

import json
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lab.race.pieces import draw_pieces
from lab.race.processes import RaceFailed, end_race
from lab.race.progress import HowFar, Lane, write_progress
from lab.race.race_plan import Plan
from lab.race.report import as_html
from lab.race.results import Race
from lab.race.runner import THE_SERVERS_OWN, race_server, run_race
from lab.race.table import as_text
from stock.strategies import STRATEGIES
from stock.strategies.strategy import Strategy

DEMO_TOKEN = "Bearer token"


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


class Command(BaseCommand):
    help = (
        "Race buyers for stock under each strategy, on a database of its own that is dropped afterwards. Exit code 1 "
        "when a safe strategy is not exact, or one that should oversell does not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--strategy", default="all", metavar="all|NAME[,NAME]", help=", ".join(STRATEGIES))
        parser.add_argument("--stock", type=at_least_one, default=100, metavar="N", help="pieces of each product")
        parser.add_argument(
            "--buyers", type=at_least_one, default=400, metavar="N", help="one attempt each, without a limit"
        )
        parser.add_argument("--processes", type=at_least_one, default=4, metavar="N")
        parser.add_argument("--threads", type=at_least_one, default=16, metavar="N", help="of each process")
        parser.add_argument("--quantity", type=at_least_one, default=1, metavar="N", help="pieces that a buyer wants")
        parser.add_argument("--goods", type=at_least_one, default=1, metavar="N", help="with more, two per order")
        parser.add_argument(
            "--limit-per-buyer",
            type=at_least_one,
            default=0,
            metavar="N",
            help="place orders for products that one buyer may have N of; every buyer tries more often than that, and "
            "only safe strategies take part",
        )
        parser.add_argument("--via", choices=["service", "grpc"], default="service")
        parser.add_argument("--address", default="", metavar="HOST:PORT", help="race a running server, as it is")
        parser.add_argument("--token", default="", help="the authorization value for --address: 'Bearer ...'")
        parser.add_argument("--report", type=Path, metavar="FILE.html", help="write a report with drawings")
        languages = [code for code, _name in settings.LANGUAGES]
        parser.add_argument("--language", choices=languages, default=settings.LANGUAGE_CODE, help="of the report")
        parser.add_argument("--drawing", type=Path, metavar="FILE.svg", help="write the report's first drawing")
        parser.add_argument("--json", type=Path, metavar="FILE")
        parser.add_argument("--progress", type=Path, metavar="FILE", help="keep how far it is in a file, as JSON")
        parser.add_argument("--seed", type=int, default=1, metavar="N", help="of who wants which product")

    def handle(self, **options: Any) -> None:
        strategies = find_strategies(options["strategy"], safe=bool(options["limit_per_buyer"]))
        if options["address"]:
            options |= {"via": "grpc", "token": token_for(options)}
        names = (
            "stock",
            "buyers",
            "processes",
            "threads",
            "quantity",
            "goods",
            "via",
            "seed",
            "address",
            "token",
            "limit_per_buyer",
        )
        plan = Plan(**{name: options[name] for name in names})
        try:
            with polite_ends():
                race = self.run_with_progress(plan, strategies, options["progress"])
        except RaceFailed as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. The race's database is dropped.", returncode=130) from None
        self.tell(race, options)
        if race.faults:
            raise CommandError("\n".join(race.faults))

    def run_with_progress(self, plan: Plan, strategies: list[type[Strategy]], file: Path | None) -> Race:
        """Runs the race behind a bar per strategy; without a terminal there are none, but there may be a file."""
        columns = (TextColumn("{task.description:<13}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            names = [THE_SERVERS_OWN] if plan.address else [strategy.name for strategy in strategies]
            total = plan.buyers * plan.attempts
            tasks = {name: progress.add_task(name, total=total, start=False) for name in names}
            lanes = {name: Lane(name, 0, total) for name in names}

            def advance(strategy: str, answered: int) -> None:
                if not answered:
                    progress.start_task(tasks[strategy])
                progress.update(tasks[strategy], completed=answered)
                lanes[strategy] = Lane(strategy, answered, total)
                note(HowFar(list(lanes.values())))

            def note(far: HowFar) -> None:
                if file:
                    write_progress(far, file)

            def gather(ready: int, processes: int) -> None:
                note(HowFar(ready=ready, processes=processes))

            return race_server(plan, advance) if plan.address else run_race(plan, strategies, advance, gather)

    def tell(self, race: Race, options: dict[str, Any]) -> None:
        """Prints the table and writes the files that were asked for."""
        width = Console(file=sys.stdout).width if self.stdout.isatty() else None
        self.stdout.write(as_text(race, width=width), ending="")
        writers: dict[str, Callable[[], str]] = {
            "json": lambda: json.dumps(race.as_json(), indent=2) + "\n",
            "drawing": lambda: draw_pieces(race, alone=True),
            "report": lambda: report_in(options["language"], race),
        }
        for name, write in writers.items():
            if path := options[name]:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(write())
                self.stdout.write(f"{name}: {path}")


def report_in(language: str, race: Race) -> str:
    with translation.override(language):
        return as_html(race)


@contextmanager
def polite_ends() -> Iterator[None]:
    """Makes SIGTERM, and the terminal's end, do what Ctrl-C does: the database is dropped then as well."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup
            signal.signal(number, end_race)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def token_for(options: dict[str, Any]) -> str:
    """Returns the token for a running server. Raises CommandError for options that do not go with one."""
    if options["limit_per_buyer"]:
        raise CommandError("A running server has goods of its own: leave out --limit-per-buyer, or --address.")
    if options["strategy"] != "all":
        raise CommandError("A running server has a strategy of its own: leave out --strategy, or --address.")
    if not options["token"] and not settings.DEMO:
        raise CommandError("Outside the demo --address needs --token 'Bearer ...' of the staff or service role.")
    return options["token"] or DEMO_TOKEN


def find_strategies(names: str, *, safe: bool) -> list[type[Strategy]]:
    """Returns the strategies of `all` or a comma-separated list. `safe`: only such. Raises CommandError for a name that
    there is not, or that is not safe."""
    wanted = list(STRATEGIES) if names == "all" else [name.strip() for name in names.split(",")]
    if unknown := [name for name in wanted if name not in STRATEGIES]:
        raise CommandError(f"No such strategy: {', '.join(unknown)}. There are: {', '.join(STRATEGIES)}.")
    found = [STRATEGIES[name] for name in dict.fromkeys(wanted)]
    if safe and names == "all":
        return [strategy for strategy in found if strategy.safe]
    if unsafe := [strategy.name for strategy in found if safe and not strategy.safe]:
        raise CommandError(f"Orders are placed with safe strategies only, and these are not: {', '.join(unsafe)}.")
    return found
