"""Checks every invariant of the stored rows; exit code 1 and the ids when something is broken, 2 where nothing could be
checked because the tables are those of an older version.

In the split form each service has a database of its own: `audit --with stock=DATABASE_URL --with goods=DATABASE_URL`,
in the environment of the order service, reads all three and compares orders with stock.
"""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from charites import metrics
from charites.apps import SERVICES
from charites.audit import (
    Database,
    NoSuchDatabase,
    Result,
    count_checks,
    find_holder,
    missing_migrations,
    open_database,
    own_database,
    run_audit,
)
from charites.common import clock

WIDTH_WITHOUT_TERMINAL = 160  # whole ids on one line for whoever reads them from a file


class Command(BaseCommand):
    help = "Check that stock, orders, payments and messages agree; exit code 1 and the ids when something is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", metavar="FILE", type=Path, help="write the findings to this file as well")
        parser.add_argument(
            "--with",
            action="append",
            default=[],
            dest="others",
            metavar="SERVICE=DATABASE_URL",
            type=other_service,
            help="split form: the database of another service, such as stock=mysql://...; may be repeated",
        )

    def handle(self, *args: Any, others: list[tuple[str, str]], **options: Any) -> None:
        now = clock.now()
        refuse_repetition([*settings.APPS, *(service for service, _ in others)])
        with opened(others) as databases:
            refuse_older_tables(databases)
            results = self.run_with_progress(databases, now)
        metrics.note_audit(results, now)
        if options["json"]:
            options["json"].write_text(json.dumps(as_json(results, now), indent=2) + "\n")
        self.stdout.write(self.as_text(as_table(results)), ending="")
        if hint := name_what_is_missing(databases):
            self.stdout.write(hint)
        if broken := [result for result in results if result.total]:
            rows = sum(result.total for result in broken)
            raise CommandError(f"{len(broken)} of {len(results)} checks failed; findings: {rows}.")
        self.stdout.write(f"All {len(results)} checks passed.")

    def run_with_progress(self, databases: Sequence[Database], now: datetime) -> list[Result]:
        """Runs the audit behind a bar that leaves nothing behind; without a terminal there is no bar."""
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("audit", total=count_checks(databases))

            def advance(result: Result) -> None:
                progress.update(task, advance=1, description=f"audit: {result.check.id} done")

            return run_audit(now=now, report=advance, databases=databases)

    def as_text(self, table: Table) -> str:
        """Draws a table for the command's output, which may be a file."""
        width = None if self.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
        console = Console(width=width, force_terminal=self.stdout.isatty() or None)
        with console.capture() as capture:
            console.print(table)
        return capture.get()


def other_service(text: str) -> tuple[str, str]:
    """Reads one --with; argparse says what is wrong with it."""
    service, _, url = text.partition("=")
    if service not in SERVICES or not url:
        raise ArgumentTypeError(f"must be SERVICE=DATABASE_URL, with {', '.join(SERVICES)} for the service")
    return service, url


def refuse_repetition(services: Sequence[str]) -> None:
    for service in SERVICES:
        if services.count(service) > 1:
            raise CommandError(f"The database of {service} is named twice; APPS is {','.join(settings.APPS)}.")


def refuse_older_tables(databases: Sequence[Database]) -> None:
    for database in databases:
        if missing := missing_migrations(database):
            raise CommandError(
                f"The database of {database.name} lacks migrations of this code: {', '.join(missing)}. Nothing was "
                "audited: run `manage.py migrate` there, or the audit of the version that the tables are of.",
                returncode=2,
            )


@contextmanager
def opened(others: Sequence[tuple[str, str]]) -> Iterator[list[Database]]:
    """The database of this process and those of other services, by (service, address)."""
    databases = [own_database()]
    try:
        for service, url in others:
            databases.append(open_database(service, url))
        yield databases
    except NoSuchDatabase as error:
        raise CommandError(str(error)) from error
    finally:
        for database in databases[1:]:
            database.connection.close()


def name_what_is_missing(databases: Sequence[Database]) -> str:
    """Returns how to have orders and stock compared, where only one of them is in these databases."""
    missing = [service for service in ("orders", "stock") if not find_holder(databases, service)]
    if len(missing) != 1:
        return ""
    return f"Orders and stock were not compared, for that add --with {missing[0]}=<its DATABASE_URL>."


def as_table(results: Sequence[Result]) -> Table:
    """One line per check; the ids that broke it in the last column. Where there are several databases, whose it is."""
    has_several = len({result.database for result in results}) > 1
    table = Table(title="Audit")
    if has_several:
        table.add_column("database", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("what must hold")
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("ids", overflow="fold")
    for result in results:
        found = f"[red]{result.total}[/red]" if result.total else "[green]ok[/green]"
        database = [result.database] if has_several else []
        table.add_row(*database, result.check.id, result.check.meaning, found, name_ids(result))
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
            {
                "database": result.database,
                "id": result.check.id,
                "meaning": result.check.meaning,
                "total": result.total,
                "ids": result.ids,
            }
            for result in results
        ],
    }
