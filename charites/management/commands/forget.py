"""`manage.py forget --user 7`: nothing of the shop's own says any more who bought. For good."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from charites.common.errors import ServiceError
from orders import services as orders

ACTOR = "manage.py forget"


class Command(BaseCommand):
    help = "Empties name, phone and address in the closed and completed orders of one user, or in one order. For good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--user", type=int, metavar="N", help="the user's id: all orders, none of which may be open")
        which.add_argument("--order", type=int, metavar="N", help="the order's number; it may not be open")

    def handle(self, *, user: int | None, order: int | None, **options: Any) -> None:
        if "orders" not in settings.APPS:
            raise CommandError("The orders are another service's: run this there.")
        try:
            if user is not None:
                done = orders.forget_buyer(user_id=user, actor=ACTOR)
            else:
                done = orders.forget_order(order_id=order or 0, actor=ACTOR)
        except ServiceError as error:
            raise CommandError(error.message) from error
        if done:
            self.stdout.write(f"Forgotten: who bought, in {done} order{'' if done == 1 else 's'}.")
        else:
            whose = f"no order of user {user} says" if user is not None else f"order {order} does not say"
            self.stdout.write(f"Nothing to forget: {whose} who bought.")
