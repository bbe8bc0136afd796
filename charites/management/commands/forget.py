"""`manage.py forget --user 7`: nothing of the shop's own says any more who bought. For good."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from charites.management.steps import stopped_with
from orders import services as orders
from orders.errors import OrderNotFound, OrdersOpen

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
        done = 0
        with stopped_with(lambda: f"who bought is forgotten in {orders_of(done)}"):
            try:
                for step in steps_of(user, order):
                    done += step
            except (OrderNotFound, OrdersOpen) as error:
                raise CommandError(error.message) from error
        if done:
            self.stdout.write(f"Forgotten: who bought, in {orders_of(done)}.")
        else:
            whose = f"no order of user {user} says" if user is not None else f"order {order} does not say"
            self.stdout.write(f"Nothing to forget: {whose} who bought.")


def steps_of(user: int | None, order: int | None) -> Iterator[int]:
    """Forgets who bought; yields, step by step, in how many orders."""
    if user is None:
        return iter([orders.forget_order(order_id=order or 0, actor=ACTOR)])
    return orders.forget_buyer(user_id=user, actor=ACTOR)


def orders_of(count: int) -> str:
    return f"{count} order{'' if count == 1 else 's'}"
