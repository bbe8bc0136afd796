"""One order placed, and what is there when none was."""

from lab.kit.factories import NOW, counts, make_command
from orders.models import Order, OrderDetail
from orders.services import place_order
from stock.models import StockRecord


def place(quantities=None, **changes):
    return place_order(command=make_command(quantities, **changes), now=NOW)


def assert_nothing_happened() -> None:
    assert not Order.objects.exists()
    assert not OrderDetail.objects.exists()
    assert not StockRecord.objects.exists()
    assert counts(1) == (5, 0, 0)


def errors_of(placed) -> list[type]:
    return [type(result.error) for result in placed]
