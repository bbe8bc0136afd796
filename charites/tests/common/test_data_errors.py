"""What the database says of a text that it cannot hold is no outage: to try again is no use, so it is not busy."""

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from charites.common.errors import InternalError, Kind, as_service_error, is_outage
from lab.kit.factories import make_command, make_goods
from orders.errors import OrderFailed
from orders.models import Order
from orders.services import place_orders
from stock.models import Stock

COLUMN = "ALTER TABLE shopping_order MODIFY receive_address varchar(255) CHARACTER SET {} NOT NULL"
# Said of a statement or its values, whoever says it and whenever.
OF_THE_STATEMENT = (1054, 1064, 1146, 1264, 1265, 1267, 1270, 1271, 1300, 1366, 1406, 1977)


@pytest.fixture
def _narrow(transactional_db: None) -> Iterator[None]:
    """The order's address is in a character set without Chinese."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMN.format("latin1"))
    yield
    with connection.cursor() as cursor:
        cursor.execute(COLUMN.format("utf8mb4"))


@pytest.mark.servers
@pytest.mark.usefixtures("_narrow")
@pytest.mark.parametrize("address", ["北京路 1", "🏠"])
def test_order_whose_address_the_database_cannot_hold_is_no_busy_shop(address: str) -> None:
    make_goods(1, stock=5)
    commands = [make_command({1: 1}, address=words) for words in (address, "1 Road", address)]

    first, other, last = place_orders(commands=commands, now=timezone.now())

    assert type(first.error) is type(last.error) is OrderFailed
    assert OrderFailed.kind is Kind.INTERNAL
    assert other.error is None
    assert Order.objects.get().receive_address == "1 Road"
    assert Stock.objects.get(goods_id=1).reserved == 1


@pytest.mark.once
@pytest.mark.parametrize("code", OF_THE_STATEMENT)
def test_error_of_a_statement_is_no_outage(code: int) -> None:
    error = OperationalError(code, "said of the statement")

    assert not is_outage(error)
    assert type(as_service_error(error)) is InternalError
