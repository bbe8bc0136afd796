"""`manage.py archive --older-than 800 --to FOLDER`: orders that ended long ago leave the database for files.

Every transaction is a small one, so it may run beside a busy shop; who stops it, however rudely, and starts it again
goes on where it was. `manage.py archive --check FOLDER` says whether the files are as they were written, and hold what
the database has written down of them; `--find ORDER`, which file has an order.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress, TextColumn

from charites.common import clock
from charites.common.errors import ServiceError
from charites.common.money import money
from charites.management.steps import stopped_with
from orders import selectors, services

LEAST_DAYS, MOST_DAYS = services.UNCHANGED.days, 36_500


class Command(BaseCommand):
    help = "Moves orders that ended long ago into files, or checks such files; exit code 1 where one is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        wanted = parser.add_mutually_exclusive_group(required=True)
        wanted.add_argument("--older-than", type=int, metavar="DAYS", help=f"{LEAST_DAYS} to {MOST_DAYS}")
        wanted.add_argument("--check", type=Path, metavar="FOLDER", help="say whether its files are as they should be")
        wanted.add_argument("--find", type=int, metavar="ORDER", help="say which file has an order")
        parser.add_argument("--to", type=Path, metavar="FOLDER", help="where the files go; it is there already")
        parser.add_argument("--dry-run", action="store_true", help="say how many there are, and leave them")

    def handle(self, *, older_than: int | None, check: Path | None, find: int | None, **options: Any) -> None:
        if "orders" not in settings.APPS:
            raise CommandError("Orders are another service's: run this with its environment.")
        if check is not None:
            self.check_files(check)
        elif find is not None:
            self.find(find)
        elif older_than is not None:
            self.archive(older_than, options["to"], is_dry=options["dry_run"])

    def archive(self, older_than: int, to: Path | None, *, is_dry: bool) -> None:
        if not LEAST_DAYS <= older_than <= MOST_DAYS:
            raise CommandError(f"--older-than is {LEAST_DAYS} to {MOST_DAYS} days.")
        now = clock.now()
        before = now - timedelta(days=older_than)
        if is_dry:
            steps = services.find_old(placed_before=before, now=now)
        elif to is None:
            raise CommandError("Give the folder for the files: --to FOLDER.")
        else:
            steps = services.archive_old(folder=existing(to), placed_before=before, now=now)
        total = services.Archived()
        told = partial(found if is_dry else done, total)
        with stopped_with(told):
            until = services.archivable_until(placed_before=before)
            try:
                for step in with_progress(steps):
                    total.add(step)
            except OSError as error:
                raise CommandError(f"The file could not be written: {error}. Before it: {told()}.") from error
        self.stdout.write(told())
        for why, number in total.kept.items():
            self.stdout.write(f"orders left: {number}, {why}")
        if until < before:
            self.stdout.write(
                f"orders placed since {until:%Y-%m-%d %H:%M} left: endpoints are still to be told of events"
            )

    def check_files(self, folder: Path) -> None:
        wrong = checked = 0
        try:
            for file in services.check_archives(folder=existing(folder)):
                checked += not file.stray
                wrong += bool(file.wrong)
                if told := file.wrong or file.stray:
                    self.stdout.write(f"{readable(file.name)}: {told}")
        except ServiceError as error:
            raise CommandError(error.message) from error
        except OSError as error:
            raise CommandError(f"The folder could not be read: {error}.") from error
        if wrong:
            raise CommandError(f"{wrong} of {checked} files are not as they should be.")
        self.stdout.write(f"files checked: {checked}")

    def find(self, order_id: int) -> None:
        found = selectors.find_archived(order_id=order_id)
        if found is None:
            raise CommandError(f"Order {order_id} has not been archived.")
        order, archive = found
        told = f"{order.get_status_display()}, {money(order.pay_amount)}, archived {archive.created_at:%Y-%m-%d}"
        self.stdout.write(f"{archive.name}: order {order_id} of user {order.user_id}, {told}")


def found(total: services.Archived) -> str:
    return f"orders found: {total.orders}"


def done(total: services.Archived) -> str:
    return f"orders archived: {total.orders}, in files: {total.files}"


def existing(folder: Path) -> Path:
    """A folder that is there. Raises CommandError: a new one beside a disk that is not mounted would be lost."""
    if not folder.is_dir():
        raise CommandError(f"There is no folder {folder}: make it first.")
    return folder


def readable(name: str) -> str:
    """The name of a file that may be anybody's: what a terminal would obey, or cannot show, as Python writes it."""
    return name if name.isprintable() else ascii(name)


def with_progress(steps: Iterator[services.Archived]) -> Iterator[services.Archived]:
    """Yields the steps, and shows how far they are. Nobody knows how many orders there will be, so there is no bar to
    fill."""
    words = TextColumn("{task.description}: {task.completed:.0f}")
    with Progress(words, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("orders", total=None)
        for step in steps:
            progress.advance(task, step.orders)
            yield step
