"""`manage.py order_faults`: kills services in the middle of an order, and shows which way of placing it leaks stock."""

import json
import os
import signal
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lab.faults.private_shop import PrivateShop, ShopFailed
from lab.faults.steps import FLOWS, STEPS, Step
from lab.faults.story import Event, Run, Story
from lab.faults.true_state import Ledger
from lab.race.processes import RaceFailed
from lab.servers import ServerFailed

FIRST_GOODS_ID = 11  # of the demo's second room; every run takes the next one
WIDTH_WITHOUT_TERMINAL = 140
COLOURS = {"fault": "red", "repair": "green", "answer": "cyan", "buyer": "cyan", "message": "yellow"}


class Command(BaseCommand):
    help = (
        "Place orders in a private split shop and kill something at a chosen step, once with the direct flow, which "
        "leaks, and once with the half_message one, which must not. Exit code 1 when anything is not as expected."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        names = "|".join(STEPS)
        parser.add_argument("--fail-at", choices=["all", *STEPS], default="all", metavar=f"all|{names}")
        parser.add_argument("--flow", choices=["both", *FLOWS], default="both", help="how the orders are placed")
        parser.add_argument(
            "--via",
            choices=["calls", "rabbitmq", "rocketmq"],
            default="calls",
            help="how the stock service is told of orders; rocketmq: over the one whose proxy is ROCKETMQ_ENDPOINT",
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="write what happened to this file as well")

    def handle(self, *args: Any, **options: Any) -> None:
        steps = list(STEPS.values()) if options["fail_at"] == "all" else [STEPS[options["fail_at"]]]
        flows = FLOWS if options["flow"] == "both" else (options["flow"],)
        over = broker_between(options["via"])
        console = self.make_console()
        try:
            with ended_politely(), tempfile.TemporaryDirectory(prefix="charites_faults_") as folder:
                runs = play(steps, flows, Path(folder), console, over)
        except (ShopFailed, RaceFailed, ServerFailed) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. The demo's databases are dropped.", returncode=130) from None
        console.print(as_table(runs))
        if options["json"]:
            options["json"].write_text(json.dumps([as_json(run) for run in runs], indent=2) + "\n")
        if wrong := [f"{run.flow} at {run.step.name}" for run in runs if not run.is_as_expected]:
            raise CommandError(f"Not as expected: {', '.join(wrong)}.")
        self.stdout.write("Everything is as expected.\n")

    def make_console(self) -> Console:
        width = None if self.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
        self.stdout.ending = ""
        return Console(file=self.stdout, width=width, highlight=False)  # type: ignore[arg-type]


def broker_between(via: str) -> dict[str, Any]:
    """Returns what PrivateShop is told of the way between its services."""
    endpoint = os.environ.get("ROCKETMQ_ENDPOINT", "")
    if via == "rocketmq" and not endpoint:
        raise CommandError("Nobody starts a RocketMQ here: ROCKETMQ_ENDPOINT=127.0.0.1:8081 names the proxy of one.")
    return {"rocketmq_url": f"rocketmq://{endpoint}"} if via == "rocketmq" else {"over_rabbitmq": via == "rabbitmq"}


def play(
    steps: Sequence[Step], flows: Sequence[str], folder: Path, console: Console, over: dict[str, Any]
) -> list[Run]:
    """Plays every step in every flow, one after the other, in one private shop."""
    runs = [Run(flow, step) for step in steps for flow in flows]
    with ExitStack() as stack:
        with console.status("starting a private shop: three services, three databases, a sweep, a broker"):
            shop = stack.enter_context(PrivateShop(folder, **over))
        ledger = stack.enter_context(Ledger(shop.urls))
        for goods_id, run in enumerate(runs, start=FIRST_GOODS_ID):
            console.print(f"\n[bold]{run.step.name}, {run.flow} flow[/bold]")
            Story(shop, ledger, run, goods_id, lambda event: console.print(as_line(event))).play()
            console.print(verdict(run))
    return runs


@contextmanager
def ended_politely() -> Iterator[None]:
    """Makes SIGTERM do what Ctrl-C does: everything that was started is ended."""

    def end(*_signal: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def as_line(event: Event) -> str:
    """One line of the timeline."""
    colour = COLOURS.get(event.who, "default")
    return f"  [dim]{event.at_seconds:6.2f} s[/dim]  [{colour}]{event.who:<8}[/{colour}] {escape(event.what)}"


def verdict(run: Run) -> str:
    """The final count of a run, in words."""
    assert run.count
    count = f"{run.count.available} available, {run.count.reserved} reserved, {run.count.ordered} of them ordered"
    if run.leaked:
        told = f"[red]leaked {run.leaked}[/red]; the audit names {', '.join(run.findings)}"
    elif run.converged_seconds is None:
        told = "[red]messages are still under way[/red]"
    else:
        told = (
            f"[green]nothing leaked[/green], {run.converged_seconds:.1f} s after the buyer's last answer; audit clean"
        )
    return f"  {count}: {told}"


def as_table(runs: Sequence[Run]) -> Table:
    """What was expected, and what came."""
    table = Table(title="Faults in the middle of an order")
    for name in ("step", "flow", "expected", "leaked", "converged", "audit", ""):
        table.add_column(name, no_wrap=True)
    for run in runs:
        table.add_row(
            run.step.name,
            run.flow,
            "leaks" if run.flow in run.step.leaks else "nothing to leak" if run.flow == "direct" else "no leak",
            str(run.leaked),
            "never" if run.converged_seconds is None else f"{run.converged_seconds:.1f} s",
            ", ".join(run.findings) or "clean",
            "[green]ok[/green]" if run.is_as_expected else "[red]not as expected[/red]",
        )
    return table


def as_json(run: Run) -> dict[str, Any]:
    """A run for programs."""
    assert run.count
    return {
        "step": run.step.name,
        "flow": run.flow,
        "expected_leak": run.flow in run.step.leaks,
        "leaked": run.leaked,
        "converged_seconds": run.converged_seconds,
        "audit": run.findings,
        "as_expected": run.is_as_expected,
        "timeline": [{"at_seconds": e.at_seconds, "who": e.who, "what": e.what} for e in run.events],
    }
