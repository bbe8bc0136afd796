"""Refunds that an operator asks for on the page of an order."""

import re
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from goods.models import Goods
from lab.kit.admin_site import ask, confirm, list_url, make_operator, page_url, sign_in, submit
from lab.kit.factories import make_clerk, make_closed_order, make_goods, make_paid_order
from orders.models import Order, Refund, RefundLine
from orders.payloads import RefundOrder
from orders.selectors import refunded_of
from orders.services import refund_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order() -> Order:
    make_goods(1, stock=10, title="Mug")
    return make_paid_order({1: 2})


def refund_url(order: Order) -> str:
    return page_url(order, "refund")


def form_of(client: Client, order: Order) -> dict[str, str]:
    """What a browser sends when nothing was typed but the reason."""
    page = client.get(refund_url(order)).content.decode()
    fields = re.findall(r'<input[^>]* name="([^"]+)"[^>]*?(?: value="([^"]*)")', page)
    return {name: unescape(value) for name, value in fields if name != "csrfmiddlewaretoken"} | {"reason": "broken"}


def test_page_of_a_paid_order_leads_to_its_refund(order: Order) -> None:
    client = sign_in(make_operator())

    assert refund_url(order) in client.get(page_url(order)).content.decode()
    page = client.get(refund_url(order)).content.decode()

    assert "199.00\u00a0CNY of 199.00\u00a0CNY are left" in page
    assert "came back: Mug" in page.replace("Came back", "came back")


def test_all_that_is_left_is_sent_back_unless_less_is_typed(order: Order) -> None:
    client = sign_in(make_operator())

    shown = submit(client, refund_url(order), form_of(client, order) | {"pieces-1": "1"})

    assert shown == ["Done for 1 row.", "199.00\u00a0CNY are on their way; 0.00\u00a0CNY are left."]
    refund = Refund.objects.get()
    assert (refund.amount, refund.note, refund.actor, refund.status) == (19_900, "broken", "operator", "requested")
    assert [(line.goods_id, line.num) for line in RefundLine.objects.all()] == [(1, 1)]
    page = client.get(page_url(order)).content.decode()
    assert refund_url(order) not in page
    assert str(refund.refund_id) in page


@pytest.mark.parametrize("pieces", ["0", "1", "2"])
def test_same_form_twice_is_one_refund(order: Order, pieces: str) -> None:
    client = sign_in(make_operator())
    form = form_of(client, order) | {"amount": "10.00", "pieces-1": pieces}

    shown = [submit(client, refund_url(order), form) for _ in range(2)]

    told = "10.00\u00a0CNY are on their way; 189.00\u00a0CNY are left."
    assert shown == [["Done for 1 row.", told]] * 2
    assert [refund.amount for refund in Refund.objects.all()] == [1000]
    assert sum(line.num for line in RefundLine.objects.all()) == int(pieces)


def test_form_that_showed_what_was_left_before_somebody_else_came_sends_nothing(order: Order) -> None:
    client = sign_in(make_operator())
    form = form_of(client, order) | {"amount": "10.00"}
    refund_order(command=RefundOrder(order.order_id, 1000, "broken", "somebody", "k"))

    page = client.post(refund_url(order), form)

    assert "Somebody else has refunded this order meanwhile" in page.content.decode()
    assert "189.00\u00a0CNY of 199.00\u00a0CNY are left" in page.content.decode()
    assert Refund.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [{"amount": "0"}, {"amount": "199.01"}, {"amount": "x"}, {"reason": ""}, {"pieces-1": "3"}, {"pieces-1": "-1"}],
)
def test_wrong_field_is_refused_and_nothing_is_sent(order: Order, changes: dict[str, str]) -> None:
    client = sign_in(make_operator())

    client.post(refund_url(order), form_of(client, order) | changes)

    assert not Refund.objects.exists()


def test_too_much_money_and_too_many_pieces_are_named_together(order: Order) -> None:
    client = sign_in(make_operator())

    page = client.post(refund_url(order), form_of(client, order) | {"amount": "199.01", "pieces-1": "3"})

    assert page.context["form"].errors == {"amount": ["At most 199.00\u00a0CNY."], "pieces-1": ["At most 2."]}


def test_page_names_products_as_they_were_ordered_and_leads_through_the_order(order: Order) -> None:
    Goods.objects.update(title="Cup")
    client = sign_in(make_operator())

    page = client.get(refund_url(order)).content.decode()

    assert ("Came back: Mug" in page, "Cup" in page) == (True, False)
    assert f'<a href="{page_url(order)}">Order {order.order_id}</a>' in page
    required = re.findall(r'<label for="id_(\w+)" class="required">', page)
    assert required == ["amount", "reason"]


def test_nothing_is_left_and_the_page_says_so(order: Order) -> None:
    client = sign_in(make_operator())
    submit(client, refund_url(order), form_of(client, order))

    page = client.get(refund_url(order), follow=True)

    assert [str(message) for message in page.context["messages"]][-1] == "Of this order there is nothing to refund."


def test_closed_order_has_no_refund() -> None:
    make_goods(1, stock=10)
    order = make_closed_order({1: 1})
    client = sign_in(make_operator())

    assert refund_url(order) not in client.get(page_url(order)).content.decode()
    assert client.get(refund_url(order)).status_code == 302


@pytest.mark.parametrize("permissions", [["orders.view_order", "orders.change_order"], ["orders.add_refund"]])
def test_who_may_not_see_orders_or_add_refunds_is_kept_out(order: Order, permissions: list[str]) -> None:
    form = {"amount": "1.00", "reason": "broken", "key": "k", "left": str(order.pay_amount)}
    client = sign_in(make_clerk(*permissions))

    assert client.get(refund_url(order)).status_code in (403, 404, 302)
    assert client.post(refund_url(order), form).status_code in (403, 404, 302)
    assert not Refund.objects.exists()
    if "orders.view_order" in permissions:
        assert refund_url(order) not in client.get(page_url(order)).content.decode()


def refund(order: Order, amount: int, pieces: int = 0, key: str = "k") -> Refund:
    command = RefundOrder(order.order_id, amount, "broken", "staff:1", key, returned={1: pieces} if pieces else {})
    requested = refund_order(command=command)
    assert requested.refund
    return requested.refund


def rows_of(client: Client, order: Order, title: str) -> list[list[str]]:
    (found,) = [s for s in client.get(page_url(order)).context["sections"] if s.title == title]
    return [[str(cell) for cell in row] for row in found.rows]


def test_list_shows_how_much_of_each_order_was_refunded_and_filters_by_it(order: Order) -> None:
    other, refused = make_paid_order({1: 1}), make_paid_order({1: 1})
    refund(order, 1000)
    refund(order, 50, key="k2")
    refund(refused, 500)
    Refund.objects.filter(order_id=refused.order_id).update(status=Refund.Status.REFUSED)
    double = {"payment_id": 7, "amount": other.pay_amount, "currency": "CNY", "reason": Refund.Reason.DOUBLE}
    Refund.objects.create(order_id=other.order_id, **double)  # what paid the order is kept
    client = sign_in(make_operator())

    def listed(**query: str) -> dict[int, int]:
        found = client.get(list_url(Order), query).context["cl"].result_list
        return {row.order_id: refunded_of(row) for row in found}

    assert listed() == {order.order_id: 1050, other.order_id: 0, refused.order_id: 0}
    assert listed(refunded="yes") == {order.order_id: 1050}
    assert set(listed(refunded="no")) == {other.order_id, refused.order_id}
    assert client.get(list_url(Order), {"refunded": "maybe"}).url == f"{list_url(Order)}?e=1"
    assert "10.50\u00a0CNY" in client.get(list_url(Order)).content.decode()


def test_list_of_many_refunded_orders_asks_as_few_statements_as_of_one(
    order: Order, django_assert_num_queries: Any
) -> None:
    client = sign_in(make_operator())
    refund(order, 1000)
    with CaptureQueriesContext(connection) as of_one:
        client.get(list_url(Order))
    for _ in range(3):
        refund(make_paid_order({1: 1}), 1000)

    with django_assert_num_queries(len(of_one)):
        client.get(list_url(Order))


def test_completing_says_how_many_of_the_orders_were_refunded(order: Order) -> None:
    other = make_paid_order({1: 1})
    client = sign_in(make_operator())
    assert "refunded" not in ask(client, "complete_orders", [order, other]).content.decode()

    refund(order, 1000)
    page = ask(client, "complete_orders", [order, other]).content.decode()

    assert "1 of them has been refunded, wholly or in part." in page
    assert f"order {order.order_id}: 10.00\u00a0CNY refunded" in page
    assert confirm(client, "complete_orders", [order, other]) == ["Done for 2 rows."]


def test_page_of_an_order_shows_which_pieces_came_back(order: Order) -> None:
    refund(order, 1000, pieces=1)
    refund(order, 1000, pieces=1, key="k2")
    refund(order, 1, key="k3")
    client = sign_in(make_operator())

    assert [row[3:5] for row in rows_of(client, order, "Lines")] == [["2", "2"]]
    assert [row[2] for row in rows_of(client, order, "Refunds")] == ["Mug × 1", "Mug × 1", "None"]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "Refund; amount: 1.00\u00a0CNY; reason: amount=5, 10% key=left"),
        ("zh-hans", "退款; 金额: 1.00\u00a0CNY; 原因: amount=5, 10% key=left"),
    ],
)
def test_history_tells_a_refund_in_words(order: Order, language: str, expected: str) -> None:
    client = sign_in(make_operator())
    typed = {"amount": "1.00", "reason": "amount=5, 10% key=left", "pieces-1": "1"}
    submit(client, refund_url(order), form_of(client, order) | typed)

    (entry,) = client.get(page_url(order, "history"), headers={"Accept-Language": language}).context["action_list"]

    assert entry.change_message == expected
