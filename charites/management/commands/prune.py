"""`manage.py prune --older-than 400`: what is older than that many days and nobody needs any more goes. For good.

Personal data of orders that have ended, messages that are done, sessions that have expired. Every transaction is a
small one, so it may run beside a busy shop; who stops it and starts it again goes on where it was.
"""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress, TextColumn

from charites.common import clock
from charites.common.transactions import run
from charites.management.steps import stopped_with
from messaging import relay
from orders import selectors
from orders import services as orders

ACTOR = "manage.py prune"
MOST_DAYS = 36_500
STEP = 500


class Kind(NamedTuple):
    """Something that grows old. `steps` takes it away, small step by small step, and yields how many of each; `found`
    yields as many and takes nothing."""

    name: str
    found: Callable[[datetime], Iterator[int]]
    steps: Callable[[datetime], Iterator[int]]


def found_orders(before: datetime) -> Iterator[int]:
    return map(len, selectors.pages_of_old_personal_data(before=before, page=STEP))


def forget_orders(before: datetime) -> Iterator[int]:
    return orders.forget_old(before=before, actor=ACTOR)


def found_messages(before: datetime) -> Iterator[int]:
    yield relay.finished_before(before).count()


def purge_messages(before: datetime) -> Iterator[int]:
    while done := relay.purge_before(before):
        yield done


def found_sessions(before: datetime) -> Iterator[int]:
    yield Session.objects.filter(expire_date__lt=before).count()


def delete_sessions(before: datetime) -> Iterator[int]:
    while done := run(lambda: delete_some_sessions(before), name="prune_sessions"):
        yield done


def delete_some_sessions(before: datetime) -> int:
    expired = Session.objects.filter(expire_date__lt=before).order_by("expire_date")
    keys = list(expired.values_list("pk", flat=True)[:STEP])
    return Session.objects.filter(pk__in=keys).delete()[0] if keys else 0


KINDS = [
    *([Kind("orders that say who bought", found_orders, forget_orders)] if "orders" in settings.APPS else []),
    Kind("messages that are done", found_messages, purge_messages),
    Kind("sessions that have expired", found_sessions, delete_sessions),
]


class Command(BaseCommand):
    help = "Forgets who bought in old orders that have ended, and deletes old messages and sessions. For good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=int, required=True, metavar="DAYS", help=f"1 to {MOST_DAYS}")
        parser.add_argument("--dry-run", action="store_true", help="say how much there is, and leave it")

    def handle(self, *, older_than: int, dry_run: bool, **options: Any) -> None:
        if not 1 <= older_than <= MOST_DAYS:
            raise CommandError(f"--older-than is 1 to {MOST_DAYS} days.")
        before = clock.now() - timedelta(days=older_than)
        word = "found" if dry_run else "done"
        with Progress(*columns(), console=Console(stderr=True), transient=True) as progress:
            for kind in KINDS:
                steps = kind.found if dry_run else kind.steps
                done = count(steps(before), progress, kind.name, word)
                self.stdout.write(f"{kind.name}: {done} {word}")


def columns() -> list[TextColumn]:
    """Nobody knows how many there will be, so there is no bar to fill."""
    return [TextColumn("{task.description}: {task.completed:.0f}")]


def count(steps: Iterator[int], progress: Progress, name: str, word: str) -> int:
    """Takes the steps, shows how far they are, and returns the sum. Raises CommandError with what it is by then."""
    task, total = progress.add_task(name, total=None), 0
    with stopped_with(lambda: f"{name}: {total} {word}"):
        for done in steps:
            total += done
            progress.update(task, completed=total)
    progress.remove_task(task)
    return total
