from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from lab.kit import factories
from lab.kit.admin_site import ask, confirm, list_url, make_operator, page_url, sign_in
from lab.kit.providers import Scripted
from messaging.models import Message
from orders import services
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payloads import RefundOrder
from orders.payments import sandbox
from orders.payments.port import RefundRefused

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    factories.make_goods(1, stock=10)
    return sign_in(make_operator())


def listed(client: Client, **query: Any) -> list[int]:
    return [order.order_id for order in client.get(list_url(Order), query).context["cl"].result_list]


def test_order_list_shows_what_an_operator_looks_for(client: Client) -> None:
    buyer = factories.make_user("buyer")
    order = factories.make_order({1: 2}, user_id=buyer.pk, now=timezone.now())

    page = client.get(list_url(Order)).content.decode()

    for text in (str(order.order_id), "buyer", "unpaid", "199.00\xa0CNY", "29\xa0minutes"):
        assert text in page, text


def test_order_list_shows_amounts_in_the_places_of_the_currency(client: Client, settings: Any) -> None:
    settings.CURRENCY = "JPY"
    factories.make_order({1: 2})

    assert "19,900\xa0JPY" in client.get(list_url(Order)).content.decode()


def test_order_of_an_unknown_user_is_shown_with_the_id(client: Client) -> None:
    factories.make_order(user_id=987654)

    assert "987654" in client.get(list_url(Order)).content.decode()


def test_order_that_is_overdue_says_so(client: Client) -> None:
    factories.make_order()

    assert "overdue" in client.get(list_url(Order)).content.decode()


def test_orders_are_found_by_number_user_name_and_phone(client: Client) -> None:
    buyer = factories.make_user("buyer")
    first = factories.make_order(user_id=buyer.pk, phone="13911112222").order_id
    second = factories.make_order(user_id=424242).order_id

    assert listed(client, q=str(first)) == [first]
    assert listed(client, q="buyer") == [first]
    assert listed(client, q="424242") == [second]
    assert listed(client, q="1391111") == [first]
    assert listed(client) == [second, first]


def test_orders_are_filtered_by_status_and_by_who_closed_them(client: Client) -> None:
    unpaid = factories.make_order().order_id
    closed = factories.make_closed_order().order_id

    assert listed(client, status__exact=100) == [unpaid]
    assert listed(client, closed_by__exact="user") == [closed]


def test_order_page_shows_lines_payments_refunds_and_records(client: Client) -> None:
    order = factories.make_order({1: 2})
    payment = factories.make_payment(order)
    for capture in [factories.make_capture(payment), factories.make_capture(payment)]:
        assert services.record_captures(captures=[capture]) == [None]

    sections = client.get(page_url(order)).context["sections"]

    shown = {str(section.title): section.rows for section in sections}
    assert {title: len(rows) for title, rows in shown.items()} == {
        "Lines": 1,
        "Payments": 2,
        "Refunds": 1,
        "Stock records": 1,
    }
    assert shown["Lines"][0][1:] == ["Goods 1", "99.50\xa0CNY", 2, None, "199.00\xa0CNY"]
    assert shown["Refunds"][0][1:4] == ["199.00\xa0CNY", None, "double"]
    assert shown["Stock records"][0][2] == "deducted"


def test_closing_asks_first_and_changes_nothing(client: Client) -> None:
    order = factories.make_order()

    page = ask(client, "close_orders", [order])

    assert page.status_code == 200
    assert f"order {order.order_id}" in page.content.decode()
    assert factories.stored(order).status == Order.Status.UNPAID


def test_closing_closes_unpaid_orders_and_names_the_others(client: Client) -> None:
    unpaid, also_unpaid = factories.make_order(), factories.make_order()
    paid = factories.make_paid_order()

    messages = confirm(client, "close_orders", [unpaid, paid, also_unpaid])

    assert messages == ["Done for 2 rows.", f"Order {paid.order_id} cannot be cancelled: it is paid."]
    for order in (unpaid, also_unpaid):
        closed = factories.stored(order)
        assert (closed.status, closed.closed_by) == (Order.Status.CLOSED, Order.ClosedBy.STAFF)
    assert factories.stored(paid).status == Order.Status.PAID
    assert factories.counts(1) == (9, 0, 1)
    assert {entry.object_id for entry in LogEntry.objects.all()} == {str(unpaid.pk), str(also_unpaid.pk)}


def test_closing_an_order_with_a_begun_payment_closes_the_payment(client: Client, settings: Any) -> None:
    settings.PAYMENT_PROVIDER = factories.SANDBOX
    order = factories.make_order()
    payment = factories.make_payment(order)

    assert confirm(client, "close_orders", [order]) == ["Done for 1 row."]

    assert factories.stored(order).status == Order.Status.CLOSED
    assert Payment.objects.get(pk=payment.pk).status == Payment.Status.CLOSED


def test_closing_without_an_answer_of_the_provider_leaves_the_order(client: Client, settings: Any) -> None:
    order = factories.make_order()
    factories.make_payment(order)
    settings.PAYMENT_PROVIDER = ""

    messages = confirm(client, "close_orders", [order])

    assert messages == ["Payments are not available at present. Try again in a moment."]
    assert factories.stored(order).status == Order.Status.UNPAID


@pytest.mark.parametrize("changes", [{"amount": -9950}, {"amount": "9950"}, {"trade_id": ""}, {"currency": "YUAN"}])
def test_closing_with_a_senseless_answer_of_the_provider_leaves_the_order(
    client: Client, provider: type[Scripted], changes: dict[str, Any]
) -> None:
    order = factories.make_order()
    provider.script["close"] = factories.make_capture(factories.make_payment(order), **changes)

    data = {"action": "close_orders", "_selected_action": [order.pk], "confirmed": "yes"}
    page = client.post(list_url(Order), data).content.decode()

    assert "The payment provider did not say what became of this." in page
    assert factories.stored(order).status == Order.Status.UNPAID
    assert Payment.objects.get().status == Payment.Status.BEGUN


def test_completing_completes_paid_orders_and_names_the_others(client: Client) -> None:
    paid, unpaid = factories.make_paid_order(), factories.make_order()

    messages = confirm(client, "complete_orders", [paid, unpaid])

    assert messages == ["Done for 1 row.", f"Order {unpaid.order_id} is not paid."]
    completed = factories.stored(paid)
    assert (completed.status, completed.updated_by) == (Order.Status.COMPLETED, "operator")
    assert factories.stored(unpaid).status == Order.Status.UNPAID


def test_action_of_somebody_who_may_only_look_does_nothing() -> None:
    factories.make_goods(1, stock=10)
    order = factories.make_order()
    client = sign_in(make_operator(may_change=False))

    data = {"action": "close_orders", "_selected_action": [order.pk], "confirmed": "yes"}
    client.post(list_url(Order), data)

    assert factories.stored(order).status == Order.Status.UNPAID


def test_more_rows_than_an_action_takes_are_refused(client: Client) -> None:
    factories.make_stock(1, 1000)
    commands = [factories.make_command() for _ in range(101)]
    assert all(placed.created for placed in services.place_orders(commands=commands, now=factories.NOW))

    assert confirm(client, "close_orders", list(Order.objects.all())) == ["Choose 100 rows at most."]

    assert Order.objects.filter(status=Order.Status.UNPAID).count() == 101


def test_payment_page_shows_its_messages_and_the_notice_can_be_sent_again(client: Client, settings: Any) -> None:
    settings.PAYMENT_PROVIDER = factories.SANDBOX
    payment = factories.make_payment(factories.make_order(), outcome="now")
    unpaid = factories.make_payment(factories.make_order())
    notices = Message.objects.filter(topic="payment_notify")
    for state, number in ((Message.State.READY, 2), (Message.State.DONE, 3), (Message.State.DEAD, 3)):
        notices.update(state=state, attempts=8, last_error="503")

        messages = confirm(client, "send_notice_again", [payment, unpaid])

        assert messages == ["Done for 1 row.", f"The sandbox has no money of payment {unpaid.payment_id}."]
        assert notices.count() == number
        assert notices.filter(state=Message.State.READY, attempts=0).exists()

    sections = {str(section.title): section.rows for section in client.get(page_url(payment)).context["sections"]}
    assert {row[1] for row in sections["Messages"]} == {"payment_notify"}
    assert len(sections["Messages"]) == 3


def test_provider_is_asked_on_an_operators_word(client: Client, settings: Any) -> None:
    settings.PAYMENT_PROVIDER = factories.SANDBOX
    order = factories.make_order()
    payment = factories.make_payment(order)
    sandbox.capture_payment(payment_id=payment.payment_id, now=factories.NOW, announced=False)

    assert confirm(client, "ask_provider", [payment]) == ["Done for 1 row."]
    assert factories.stored(order).status == Order.Status.PAID


def test_refund_that_the_provider_refuses_now_is_not_said_to_be_done(client: Client, provider: type[Scripted]) -> None:
    order = factories.make_paid_order({1: 2})
    command = RefundOrder(order.order_id, 100, "broken", "staff:3", "k")
    refund = services.refund_order(command=command).refund
    provider.script["refund"] = RefundRefused("disputed")

    assert confirm(client, "send_now", [refund]) == [f"Refund {refund.refund_id} is refused: disputed"]
    assert Refund.objects.get().status == Refund.Status.REFUSED


def test_refund_is_sent_on_an_operators_word(client: Client, settings: Any) -> None:
    settings.PAYMENT_PROVIDER = factories.SANDBOX
    payment = factories.make_payment(factories.make_order(), outcome="now")
    (trade_id,) = SandboxPayment.objects.values_list("trade_id", flat=True)
    services.record_captures(captures=[factories.make_capture(payment, trade_id=trade_id, amount=5)])
    refund = Refund.objects.get()

    assert confirm(client, "send_now", [refund]) == ["Done for 1 row."]
    assert Refund.objects.get().status == Refund.Status.DONE
    assert client.get(page_url(refund)).status_code == 200
