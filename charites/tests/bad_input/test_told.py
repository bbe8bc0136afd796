"""What a caller is told is true over every protocol: of money, of the time, of why a call may be made again."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from charites.common import clock
from charites.tests.bad_input.protocols import Input, Protocol_, Refusal
from charites.tests.bad_input.scenario import SALE_OVER, items
from charites.tests.bad_input.test_matrix import PROTOCOLS
from lab.kit.admin_site import list_url, make_operator, sign_in
from lab.kit.factories import bearer, counts, later, make_goods, make_order
from lab.kit.interleaving import plain
from lab.kit.rest_client import error_of, staff
from lab.kit.wrappers import on_every_connection
from orders.models import Order

pytestmark = pytest.mark.django_db(transaction=True)

over_every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
AHEAD, BETWEEN = 600, 300  # seconds that the database is before this machine; a moment that has come there alone


def place(protocol: Protocol_, given: Input) -> Refusal | None:
    with protocol.connected():
        return protocol.refuse("place", given, bearer(), {})


@over_every_protocol
def test_amount_in_a_refusal_has_the_places_of_the_currency(protocol: Protocol_, settings: Settings) -> None:
    settings.CURRENCY = "JPY"
    make_goods(1, stock=5)

    refusal = place(protocol, {**items((1, 2)), "expected_amount": 19_000})

    assert refusal
    assert refusal.message == "The amount is 19,900\u00a0JPY now, not 19,000\u00a0JPY: the price has changed."


# The clock


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database's clock is ahead of this machine's, on every connection from now on."""
    options = connection.settings_dict["OPTIONS"]
    told = (timezone.now() + timedelta(seconds=AHEAD)).timestamp()
    monkeypatch.setitem(options, "init_command", f"{options['init_command']}, timestamp = {told}")
    monkeypatch.setattr(clock, "_clock", clock.unread())  # those that come after go on with the one that was read
    connection.close()
    yield
    connection.close()


@pytest.mark.servers
@pytest.mark.usefixtures("ahead")
@over_every_protocol
def test_sale_opens_and_ends_by_the_databases_time(protocol: Protocol_) -> None:
    moment = later(BETWEEN, start=timezone.now())
    make_goods(1, stock=5, sale_starts_at=moment)
    make_goods(2, stock=5, sale_ends_at=moment)

    opened, over = place(protocol, items((1, 1))), place(protocol, items((2, 1)))

    assert opened is None
    assert over
    assert over.code == SALE_OVER[1]
    assert (counts(1), counts(2)) == ((4, 1, 0), (5, 0, 0))


@pytest.mark.servers
@pytest.mark.usefixtures("ahead")
def test_admin_says_overdue_by_the_databases_time() -> None:
    make_goods(1, stock=5)
    make_order(now=later(BETWEEN - settings.ORDER_PAY_TIMEOUT_SECONDS, start=timezone.now()))

    page = sign_in(make_operator()).get(list_url(Order)).content.decode()

    assert "overdue" in page


# One number, one meaning


@pytest.fixture
def overtaken(settings: Settings) -> Iterator[None]:
    """Somebody else changes the stock before every UPDATE, on whatever connection: the version is another one."""
    settings.STOCK_STRATEGY, settings.STOCK_OPTIMISTIC_DEADLINE_SECONDS = "optimistic", 0

    def be_late(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if plain(sql).startswith("UPDATE shopping_stock "):
            params = (*params[:-1], params[-1] - 1)
        return execute(sql, params, many, context)

    with on_every_connection(be_late):
        yield


@over_every_protocol
def test_stock_that_changes_too_often_and_stock_that_has_changed_are_two_numbers(
    protocol: Protocol_, request: pytest.FixtureRequest
) -> None:
    make_goods(1, stock=5)
    changed = staff().put("/api/stock/1", {"available": 1, "version": 0})
    request.getfixturevalue("overtaken")

    contended = place(protocol, items((1, 1)))

    assert error_of(changed)[:2] == (409, 40010004)
    assert contended
    assert (contended.status, contended.code) == ("UNAVAILABLE" if protocol.name == "grpc" else 503, 40010009)
    assert counts(1) == (5, 0, 0)
