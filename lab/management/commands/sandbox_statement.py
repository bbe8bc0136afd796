"""`manage.py sandbox_statement --day 2026-06-01`: the sandbox provider's file of a day, for `manage.py reconcile`."""

import csv
from argparse import ArgumentParser
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.core.management.base import BaseCommand

from charites.common import clock
from orders.payments.sandbox.statement import write_lines


class Command(BaseCommand):
    help = "Print what the sandbox took and sent back in a day, as its file of that day."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", type=date.fromisoformat, help="such as 2026-06-01, in UTC; without it today")

    def handle(self, *args: Any, day: date | None, **options: Any) -> None:
        since = datetime.combine(day or clock.now().astimezone(UTC).date(), time.min, UTC)
        writer = csv.writer(self.stdout, lineterminator="\n")
        for row in write_lines(since=since, until=since + timedelta(days=1)):
            writer.writerow(row)
