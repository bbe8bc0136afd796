"""The list of orders: those of a room, and what is listed in all."""

from typing import Any

import pytest
from django.test import Client

from charites.common import admin_lists
from charites.common.admin import ROWS_PER_PAGE
from lab.kit import factories
from lab.kit.admin_site import list_url, make_operator, sign_in
from orders import services
from orders.models import Order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    factories.make_goods(1, stock=1000)
    for room_id in (1, 2):
        factories.make_room(room_id, goods_ids=[1])
    return sign_in(make_operator())


def totals(client: Client, **query: Any) -> str | None:
    page = client.get(list_url(Order), query).content.decode()
    _, found, rest = page.partition('<p class="totals">')
    return " ".join(rest.partition("</p>")[0].split(" ")).strip() if found else None


def test_orders_are_filtered_by_room(client: Client) -> None:
    factories.make_order(room_id=1)
    in_second = factories.make_order(room_id=2).order_id

    def listed(room: str) -> list[int]:
        return [order.order_id for order in client.get(list_url(Order), {"room": room}).context["cl"].result_list]

    assert listed("2") == [in_second]
    assert len(listed("")) == len(listed("nonsense")) == len(listed("3")) == 2
    assert "?room=2" in client.get(list_url(Order)).content.decode()


def test_list_says_what_its_orders_are_for_together_on_every_page(client: Client) -> None:
    commands = [factories.make_command({1: 1}) for _ in range(ROWS_PER_PAGE + 1)]
    assert all(placed.created for placed in services.place_orders(commands=commands, now=factories.NOW))

    for page in ("1", "2"):
        assert totals(client, p=page) == "51 orders listed: 5,074.50\u00a0CNY together"


def test_total_is_of_what_the_filter_leaves(client: Client) -> None:
    factories.make_order({1: 2})
    factories.make_closed_order()

    assert totals(client, status__exact="100") == "1 order listed: 199.00\u00a0CNY"
    assert totals(client, q="nothing") == "0 orders listed: 0.00\u00a0CNY together"


def test_total_of_a_list_that_is_cut_is_that_of_the_newest(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_lists, "LISTED", 2)
    for number in (1, 2, 3):
        factories.make_order({1: number})

    assert totals(client) == "2 orders listed: 497.50\u00a0CNY together"
