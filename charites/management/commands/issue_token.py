"""`manage.py issue_token warehouse --days 30`: a token by which another service calls this shop."""

import re
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from charites.common import clock
from charites.common.auth import SERVICE_NAME, SHOP_NAME, Role, issue_token

MOST_DAYS = 366
ROLES = (Role.SERVICE,)  # customers and staff are users, and sign in


class Command(BaseCommand):
    help = "Prints a token for another service; on the other stream, when it ends. Before that only a new key ends it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="of the service, such as warehouse: what it reserves is that name's")
        parser.add_argument("--role", choices=[role.value for role in ROLES], default=Role.SERVICE.value)
        parser.add_argument("--days", type=int, default=30, help=f"until it ends: 1 to {MOST_DAYS}")

    def handle(self, *, name: str, role: str, days: int, **options: Any) -> None:
        if name == SHOP_NAME:
            raise CommandError(f"{name} is the shop itself: what its orders reserve would be this service's to move.")
        if not re.fullmatch(SERVICE_NAME, name):
            raise CommandError(
                "A name is 1 to 64 small letters, digits, dots, hyphens and underscores; a letter first."
            )
        if not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--days is 1 to {MOST_DAYS}: make a new token when this one ends.")
        now, seconds = clock.now(), days * 86_400
        try:
            token = issue_token(user_id=0, role=Role(role), now=now, lifetime_seconds=seconds, name=name)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        self.stdout.write(token)
        self.stderr.write(f"{role}:{name}, good until {now + timedelta(seconds=seconds):%Y-%m-%d %H:%M} UTC")
