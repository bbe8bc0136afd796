"""What the database says of a text that it cannot hold is no outage: to try again is no use, so it is not busy."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from charites.common.errors import InternalError, Kind, as_service_error, is_outage
from charites.tests.bad_input.protocols import Protocol_
from charites.tests.bad_input.scenarios import items
from charites.tests.bad_input.test_matrix import PROTOCOLS
from lab.kit.admin_site import make_operator, page_url, sign_in, submit
from lab.kit.factories import bearer, make_command, make_goods
from orders.errors import OrderFailed
from orders.models import Order
from orders.services import place_orders
from stock.models import Stock

COLUMNS = {
    "address": "ALTER TABLE shopping_order MODIFY receive_address varchar(255) CHARACTER SET {} NOT NULL",
    "title": "ALTER TABLE shopping_goods MODIFY title varchar(128) CHARACTER SET {} NOT NULL",
}
# Said of a statement or its values, whoever says it and whenever.
OF_THE_STATEMENT = (1054, 1064, 1146, 1264, 1265, 1267, 1270, 1271, 1300, 1366, 1406, 1977)


@contextmanager
def narrow(column: str) -> Iterator[None]:
    """The column is in a character set without Chinese."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS[column].format("latin1"))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(COLUMNS[column].format("utf8mb4"))


@pytest.fixture
def _narrow_address(transactional_db: None) -> Iterator[None]:
    with narrow("address"):
        yield


@pytest.fixture
def _narrow_title(transactional_db: None) -> Iterator[None]:
    with narrow("title"):
        yield


@pytest.mark.servers
@pytest.mark.usefixtures("_narrow_address")
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


@pytest.mark.servers
@pytest.mark.usefixtures("_narrow_address")
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_caller_with_an_address_that_the_database_cannot_hold_is_not_told_to_try_again(protocol: Protocol_) -> None:
    make_goods(1, stock=5)

    with protocol.connected():
        refusal = protocol.refuse("place", {**items((1, 1)), "address": "北京路 1"}, bearer(), {})

    assert refusal
    assert (refusal.status, refusal.code) == ("INTERNAL" if protocol.name == "grpc" else 500, OrderFailed.code)
    assert not Order.objects.exists()


@pytest.mark.servers
@pytest.mark.usefixtures("_narrow_title")
def test_operator_with_a_title_that_the_database_cannot_hold_is_not_told_that_nobody_knows() -> None:
    goods = make_goods(1)
    client = sign_in(make_operator())
    form = client.get(page_url(goods)).context["adminform"].form
    sent = {name: "" if form[name].value() is None else form[name].value() for name in form.fields}

    told = submit(client, page_url(goods), {**sent, "title": "茶杯"})

    assert told == [InternalError().message]


@pytest.mark.once
@pytest.mark.parametrize("code", OF_THE_STATEMENT)
def test_error_of_a_statement_is_no_outage(code: int) -> None:
    error = OperationalError(code, "said of the statement")

    assert not is_outage(error)
    assert type(as_service_error(error)) is InternalError
