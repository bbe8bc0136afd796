"""Checks every invariant of the stored rows in one snapshot; exit code 1 and the ids when something is broken."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from charites.audit import CHECKS, Result, run_audit

WIDTH_WITHOUT_TERMINAL = 160  # whole ids on one line for whoever reads them from a file


class Command(BaseCommand):
    help = "Check that stock, orders, payments and messages agree; exit code 1 and the ids when something is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", metavar="FILE", type=Path, help="write the findings to this file as well")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        results = self.run_with_progress(now)
        if options["json"]:
            options["json"].write_text(json.dumps(as_json(results, now), indent=2) + "\n")
        self.stdout.write(self.as_text(as_table(results)), ending="")
        if broken := [result for result in results if result.total]:
            rows = sum(result.total for result in broken)
            raise CommandError(f"{len(broken)} of {len(results)} checks failed; findings: {rows}.")
        self.stdout.write(f"All {len(results)} checks passed.")

    def run_with_progress(self, now: datetime) -> list[Result]:
        """Runs the audit behind a bar that leaves nothing behind; without a terminal there is no bar."""
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("audit", total=len(CHECKS))

            def advance(result: Result) -> None:
                progress.update(task, advance=1, description=f"audit: {result.check.id} done")

            return run_audit(now=now, report=advance)

    def as_text(self, table: Table) -> str:
        """Draws a table for the command's output, which may be a file."""
        width = None if self.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
        console = Console(width=width, force_terminal=self.stdout.isatty() or None)
        with console.capture() as capture:
            console.print(table)
        return capture.get()


def as_table(results: Sequence[Result]) -> Table:
    """One line a check; the ids that broke it in the last column."""
    table = Table(title="Audit")
    table.add_column("check", no_wrap=True)
    table.add_column("what must hold")
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("ids", overflow="fold")
    for result in results:
        found = f"[red]{result.total}[/red]" if result.total else "[green]ok[/green]"
        table.add_row(result.check.id, result.check.meaning, found, name_ids(result))
    return table


def name_ids(result: Result) -> str:
    """The ids of a finding, and how many more there are. Keys come from clients: no markup in them."""
    more = result.total - len(result.ids)
    return escape(", ".join(result.ids)) + (f" and {more} more" if more else "")


def as_json(results: Sequence[Result], now: datetime) -> dict[str, Any]:
    """The findings for programs."""
    return {
        "checked_at": now.isoformat(),
        "ok": not any(result.total for result in results),
        "checks": [
            {"id": result.check.id, "meaning": result.check.meaning, "total": result.total, "ids": result.ids}
            for result in results
        ],
    }
