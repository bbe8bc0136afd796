"""`manage.py reconcile FILE`: a payment provider's statement of a day against the shop's own ledger.

Names what is missing here, missing there, or different, and lines of another day, and changes nothing; exit code 1
then, 2 for a file that cannot be read. `--book` takes the money that is missing here, as any other news of money.
"""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TextColumn
from rich.table import Table

from charites.common.errors import ServiceError
from charites.common.money import money
from charites.common.times import YEARS
from orders import services as orders
from orders.payments.statements import (
    StatementLine,
    StatementUnreadable,
    find_reader,
    read_statement,
)

MOST_LINES_SHOWN = 100
MOST_DAYS_SHOWN = 10
WIDTH_WITHOUT_TERMINAL = 160
UNREADABLE = 2  # the exit code

Done = TypeVar("Done")


class Command(BaseCommand):
    help = "Compare a provider's statement of a day with the payments and refunds here; exit code 1 when they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="the provider's file, such as a CSV")
        parser.add_argument("--day", type=as_day, help="which day it is of; without it, the day of its first line")
        parser.add_argument(
            "--zone", type=as_zone, default=UTC, help="whose day, such as Asia/Shanghai; without it UTC"
        )
        parser.add_argument("--book", action="store_true", help="record the money that is missing here")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found to this file as well")

    def handle(self, *args: Any, file: Path, zone: Any, book: bool, **options: Any) -> None:
        check_files(file, options["json"])
        with told_as_errors(file):
            reader = find_reader()
            lines = partial(read_statement, file, reader)
            day = options["day"] or day_of(lines(), zone)
            since, until = bounds_of(day, zone)
            compare = partial(orders.compare_statement, lines=lines, channel=reader.channel, since=since, until=until)
            found = with_progress("compared", compare)
        self.tell(found, day, file)
        if options["json"]:
            write_json(options["json"], found)
        left = found.counts.total()
        if book:
            with told_as_errors(file):
                left -= self.book(partial(orders.book_missing, lines=lines, channel=reader.channel, found=found))
        words = [f"Differences: {left}."] if left else []
        if found.other_days:
            words.append(f"Lines of other days: {found.other_days.total()}.")
        if words:
            raise CommandError(" ".join(words))

    def book(self, booking: Callable[..., orders.Booking]) -> int:
        """Records what is missing here; returns how much of it."""
        done = with_progress("booked", booking)
        self.stdout.write(f"Recorded: {done.booked} payments that were missing here.")
        for reason in done.errors[:MOST_LINES_SHOWN]:
            self.stdout.write(f"Not recorded, {reason}")
        if done.left > MOST_LINES_SHOWN:
            self.stdout.write(f"Shown: {MOST_LINES_SHOWN} of {done.left} that were not recorded.")
        return done.booked

    def tell(self, found: orders.Comparison, day: date, file: Path) -> None:
        if found.findings:
            console = Console(file=self.stdout, width=None if self.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)  # type: ignore[arg-type]
            console.print(as_table(found, found.since.tzinfo))
        shown = min(len(found.findings), MOST_LINES_SHOWN)
        if found.counts.total() > shown:
            self.stdout.write(f"Shown: {shown} of {found.counts.total()}; --json has up to 1,000.")
        counted = ", ".join(f"{count} {difference}" for difference, count in sorted(found.counts.items()))
        lines = ", ".join(f"{count:,} {kind}s" for kind, count in sorted(found.lines.items())) or "nothing"
        if found.other_days:
            self.stdout.write(
                f"Not of {day}: {words_for_days(found.other_days)}. Say with --day and --zone which day it is."
            )
        counted = counted or ("everything else agrees" if found.other_days else "everything agrees")
        self.stdout.write(f"{day}, {file.name}: {lines}; {counted}.")


def words_for_days(days: Counter[date]) -> str:
    """How many lines are of which other days, as many days as people read."""
    counted = [f"{count:,} {'line' if count == 1 else 'lines'} of {day}" for day, count in sorted(days.items())]
    more = [f"{len(days) - MOST_DAYS_SHOWN:,} other days"] if len(days) > MOST_DAYS_SHOWN else []
    return ", ".join([*counted[:MOST_DAYS_SHOWN], *more])


def check_files(file: Path, report: Path | None) -> None:
    """Raises CommandError for what could not be read twice, or would be written over."""
    if file.exists() and not file.is_file():
        raise CommandError(f"{file} is no file: it is read more than once.", returncode=UNREADABLE)
    if report and report.exists() and file.exists() and report.samefile(file):
        raise CommandError(f"--json {report} is the statement itself: name another.", returncode=UNREADABLE)


def write_json(report: Path, found: orders.Comparison) -> None:
    try:
        report.write_text(json.dumps(as_json(found), indent=2) + "\n")
    except OSError as error:
        raise CommandError(f"{report} cannot be written: {error.strerror}.", returncode=UNREADABLE) from error


def bounds_of(day: date, zone: Any) -> tuple[datetime, datetime]:
    """When a day begins there, and when the next one does. Raises CommandError."""
    if day.year not in YEARS:
        words = f"{day} is no day of ours: name one from {YEARS.start} to {YEARS.stop - 1}."
        raise CommandError(words, returncode=UNREADABLE)
    return datetime.combine(day, time.min, zone), datetime.combine(day + timedelta(days=1), time.min, zone)


@contextmanager
def told_as_errors(file: Path) -> Iterator[None]:
    """What keeps a file from being read, in a sentence and with its exit code."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.", returncode=UNREADABLE) from error
    except StatementUnreadable as error:
        raise CommandError(str(error), returncode=UNREADABLE) from error
    except ServiceError as error:
        raise CommandError(error.message, returncode=UNREADABLE) from error


def as_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day; type one as 2026-06-01") from error


def as_zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ArgumentTypeError(f"{text!r} is no zone; type one as Asia/Shanghai") from error


def day_of(lines: Iterator[StatementLine], zone: Any) -> date:
    """The day of the first line. Raises StatementUnreadable."""
    first = next(lines, None)
    if first is None:
        raise StatementUnreadable("The file has no lines: say with --day which day it is of.")
    return first.happened_at.astimezone(zone).date()


def with_progress(word: str, work: Callable[..., Done]) -> Done:
    """Runs something with a counter of lines that leaves nothing behind; without a terminal there is none."""
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,} lines"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(word, total=None)
        return work(advance=lambda lines: progress.update(task, advance=lines))


def as_table(found: orders.Comparison, zone: tzinfo | None) -> Table:
    table = Table("line", "what", "ours", "trade", "amount", f"time ({zone})", "is", "")
    for finding in found.findings[:MOST_LINES_SHOWN]:
        line = "" if finding.line is None else str(finding.line)
        moment = f"{finding.happened_at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        amount = money(finding.amount, finding.currency)
        words = (finding.number, finding.trade_id, amount, moment, finding.difference, finding.words)
        table.add_row(line, finding.kind, *(escape(str(word)) for word in words))
    return table


def as_json(found: orders.Comparison) -> dict[str, Any]:
    return {
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "lines": dict(found.lines),
        "counts": dict(found.counts),
        "other_days": {str(day): count for day, count in sorted(found.other_days.items())},
        "findings": [
            {
                "difference": finding.difference,
                "kind": finding.kind,
                "number": finding.number,
                "trade_id": finding.trade_id,
                "line": finding.line,
                "words": finding.words,
                "amount": finding.amount,
                "currency": finding.currency,
                "happened_at": finding.happened_at.isoformat(),
            }
            for finding in found.findings
        ],
    }
