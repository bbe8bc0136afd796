"""What a page of a list of the API reads, wherever it lies: with each filter, and with pairs of them."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import combinations, product
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from charites.common import pages
from charites.common.pages import Cursor, Page
from charites.tests.plans.shop import FEW, FILLED, PLANS
from goods import selectors as goods
from goods.models import Room
from goods.rest.serializers import ListRoomsSerializer
from lab.kit.plans import Sent
from messaging import selectors as messages
from messaging.models import Message
from messaging.rest.views import ListMessagesSerializer
from orders import lists
from orders.lists import OrderFilter
from orders.models import Order, Payment, Refund
from orders.rest.serializers import ListOrdersSerializer, ListPaymentsSerializer, ListRefundsSerializer
from stock import selectors as stock
from stock.rest.serializers import ListStockSerializer

pytestmark = PLANS

CURSORS = (Cursor(), Cursor(before=4_000), Cursor(before=500), Cursor(after=500))
IN_BETWEEN = timezone.now() - timedelta(days=1, minutes=30)  # the orders are of one hour and forty minutes
# Where a second filter leaves next to nothing of what the first one finds, and an index of either leads astray.
OFTEN_SOLD, SELDOM_SOLD, FULL_ROOM, KEEN_BUYER = 900, 5, 7, 9
LOPSIDED = (
    f"UPDATE shopping_order_detail SET goods_id = {OFTEN_SOLD} WHERE order_id % 10 = 0 AND id % 2",
    f"UPDATE shopping_order SET room_id = {FULL_ROOM} WHERE order_id % 3",
    f"UPDATE shopping_order SET user_id = {KEEN_BUYER} WHERE order_id % 2",
    "UPDATE messaging_message SET topic = 'order_unplaced' WHERE id % 2",
    "UPDATE messaging_message SET state = 'dead' WHERE id < 80",
    "UPDATE shopping_payment SET status = 'closed', next_question_at = NULL WHERE id > 1000",
    f"ANALYZE TABLE {', '.join(FILLED)}",
)
FILTERS: dict[str, tuple[type, Callable[..., Page[Any]], dict[str, list[Any]]]] = {
    "orders": (
        ListOrdersSerializer,
        lambda cursor, **wanted: lists.page_orders(OrderFilter(**wanted), cursor),
        {
            "status": [*Order.Status],
            "room_id": [5, FULL_ROOM, 404],
            "goods_id": [OFTEN_SOLD, SELDOM_SOLD, 404],
            "user_id": [5, KEEN_BUYER],
            "placed_from": [IN_BETWEEN],
            "placed_until": [IN_BETWEEN],
        },
    ),
    "payments": (
        ListPaymentsSerializer,
        lists.page_payments,
        {"status": Payment.Status.values, "order_id": [500]},
    ),
    "refunds": (ListRefundsSerializer, lists.page_refunds, {"status": Refund.Status.values, "order_id": [500]}),
    "stock": (ListStockSerializer, stock.page_stock, {"goods_id": [5]}),
    "messages": (
        ListMessagesSerializer,
        messages.page_messages,
        {"state": Message.State.values, "topic": ["payment_notify", "order_unplaced", "unheard_of"], "key": ["500"]},
    ),
    "rooms": (
        ListRoomsSerializer,
        lambda cursor, status=None: goods.page_rooms(status, cursor),
        {"status": [*Room.Status]},
    ),
}


def choices(values: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """No filter, each alone, and each pair."""
    for count in (0, 1, 2):
        for names in combinations(values, count):
            for chosen in product(*(values[name] for name in names)):
                yield dict(zip(names, chosen, strict=True))


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_of_a_list_is_asked_for_here(name: str) -> None:
    serializer_class, _page, values = FILTERS[name]

    assert set(serializer_class().fields) - {"before", "after", "limit"} == set(values)
    assert goods.get_goods(goods_id=5)  # what is sent in each test is looked at


@pytest.mark.parametrize("name", FILTERS)
def test_page_of_a_list_reads_few_rows_whatever_is_asked_for(
    name: str, sent: list[Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound in ("MOST_LOOKED_AT", "FEW"):
        monkeypatch.setattr(pages, bound, FEW // 8)  # a row may be met several times
    monkeypatch.setattr(lists, "CLOCKS_DIFFER", timedelta(days=9_000))  # the numbers here are not of their time
    with connection.cursor() as cursor:
        for statement in LOPSIDED:
            cursor.execute(statement)
        cursor.fetchall()
    sent.clear()
    _serializer, page, values = FILTERS[name]
    most = {}

    for wanted in choices(values):
        for place in CURSORS:
            before = len(sent)
            page(place, **wanted)
            most[f"{wanted} {place}"] = sum(one.rows_read for one in sent[before:])

    assert {asked: read for asked, read in most.items() if read > FEW} == {}


def test_page_with_a_product_that_many_buy_ends_where_it_is_full(
    sent: list[Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FEW", 10)
    with connection.cursor() as cursor:
        cursor.execute(LOPSIDED[0])
    sent.clear()

    page = lists.page_orders(OrderFilter(goods_id=OFTEN_SOLD), Cursor(limit=5))

    (read,) = (one.rows_read for one in sent if "EXISTS" in one.sql)
    sent[:] = [one for one in sent if "EXISTS" not in one.sql and "OFFSET" not in one.sql]
    assert len(page.items) == 5
    assert read < FEW
