"""gRPC servers as processes, and a lock in front of what they sell."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from lab.kit.processes.shop import Shop, wait_until
from stock.models import Stock

WAIT_SECONDS = 120.0  # a bound for busy machines, no measurement


def start(shop: Shop, *names: str) -> None:
    """Starts gRPC servers and waits until they listen."""
    shop.start(*names)
    for name in names:
        wait_until(lambda name=name: "gRPC on" in shop.log(name), seconds=WAIT_SECONDS, what=f"{name} listens")


@contextmanager
def locked_stock(goods_id: int = 1) -> Iterator[None]:
    """Holds the stock row of a product (on SQLite: the whole database), so that no order for it can commit."""
    with transaction.atomic():
        list(Stock.objects.select_for_update().filter(goods_id=goods_id))
        yield
