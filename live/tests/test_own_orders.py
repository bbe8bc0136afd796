"""A visitor's own orders on the page of a room: none drops out of sight, and none is shown otherwise than it is."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from lab.kit.factories import SANDBOX, make_goods, make_order, make_payment, make_room
from lab.kit.interleaving import Interruption
from live.tests.test_room import state_of
from live.views import ORDERS_SHOWN
from orders.models import Order, Payment, Refund
from orders.payments.sandbox.ledger import act
from orders.services import reconciling

pytestmark = pytest.mark.django_db

# Ago. Of the day that there is to pay the last minute is too late to begin; what is late already stays so.
A_WHILE, TOO_LONG = timedelta(hours=1), timedelta(days=1, seconds=-30)


@pytest.fixture
def buyer_id(settings: Any) -> int:
    settings.DEMO = True
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.ORDER_PAY_TIMEOUT_SECONDS = 24 * 3600
    reconciling._asks.clear()
    make_goods(1, stock=10)
    make_room(1, goods_ids=[1])
    return int(get_user_model().objects.create_user("buyer", password="charites").pk)


def placed(buyer_id: int, ago: timedelta = timedelta(0)) -> Order:
    return make_order({1: 1}, now=timezone.now() - ago, user_id=buyer_id)


def page_of(order: Order) -> str:
    return str(Client().get(f"/rooms/1?order={order.order_id}").text)


def press(order: Order, action: str) -> Any:
    return Client().post(f"/rooms/1/orders/{order.order_id}/{action}")


def told(html: str) -> str:
    """The words of the order's section."""
    section, *_of_templates = re.findall(r'<section id="order".*?</section>', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", section).split())


def pay_and_lose_the_news(order: Order) -> None:
    payment = make_payment(order, now=order.created_at)
    act(payment_id=payment.payment_id, outcome="lose", now=timezone.now())


def test_countdown_ends_where_paying_ends(buyer_id: int) -> None:
    early, late = placed(buyer_id, A_WHILE), placed(buyer_id, TOO_LONG)

    last = early.expires_at - timedelta(minutes=1)
    assert f'datetime="{last.isoformat()}"' in page_of(early)
    assert 'data-testid="pay"' in page_of(early)
    assert 'data-testid="pay"' not in page_of(late)
    assert "It is too late to begin a payment. Its pieces go back in:" in told(page_of(late))
    assert state_of(page_of(late)) == "unpaid"


def test_press_that_comes_too_late_says_so_and_shows_the_order(buyer_id: int) -> None:
    order = placed(buyer_id, TOO_LONG)

    answer = press(order, "pay")

    assert answer.status_code == 409
    assert told(answer.text).startswith("It is too late to begin a payment.")
    assert f"Order {order.order_id}" in told(answer.text)


def test_orders_that_wait_for_their_payment_stay_in_sight(buyer_id: int) -> None:
    first, second = placed(buyer_id, A_WHILE), placed(buyer_id)
    too_late = placed(buyer_id, TOO_LONG)

    elsewhere, on_its_page = Client().get("/rooms/1").text, page_of(first)

    waiting = [re.findall(r"\?order=(\d+)#order\">Yours", html) for html in (elsewhere, on_its_page)]
    assert waiting == [[str(first.order_id), str(second.order_id)], [str(second.order_id)]]
    assert str(too_late.order_id) in elsewhere  # among all of them


def test_order_that_waits_stays_in_sight_however_many_came_after_it(buyer_id: int) -> None:
    order = placed(buyer_id, A_WHILE)
    for _ in range(ORDERS_SHOWN):
        Order.objects.filter(pk=placed(buyer_id).pk).update(status=Order.Status.PAID)

    html = Client().get("/rooms/1").text

    assert re.findall(r"\?order=(\d+)#order\">Yours", html) == [str(order.order_id)]
    assert "data-waits" in html


def test_money_whose_news_was_lost_is_asked_for(buyer_id: int) -> None:
    order = placed(buyer_id)
    assert 'data-testid="ask"' not in page_of(order)
    pay_and_lose_the_news(order)
    assert 'data-testid="ask"' in page_of(order)

    answer = press(order, "ask")

    assert state_of(Client().get(answer.url).text) == "paid"


def test_provider_that_knows_of_no_money_is_told(buyer_id: int) -> None:
    order = placed(buyer_id)
    make_payment(order, now=order.created_at)

    answer = press(order, "ask")

    assert "When you asked, the provider knew of no payment." in told(Client().get(answer.url).text)
    assert state_of(Client().get(answer.url).text) == "unpaid"


def test_provider_is_not_asked_for_ever(buyer_id: int) -> None:
    order = placed(buyer_id)
    make_payment(order, now=order.created_at)

    answers = [press(order, "ask").status_code for _ in range(11)]

    assert answers == [302] * 10 + [429]


def test_provider_that_is_away_is_told_and_the_order_stays(buyer_id: int, settings: Any) -> None:
    order = placed(buyer_id)
    Payment.objects.create(payment_id=1, order_id=order.order_id, channel="elsewhere", amount=1, currency="CNY")

    answer = press(order, "ask")

    assert answer.status_code == 503
    assert told(answer.text).startswith("The payment provider does not answer.")
    assert state_of(answer.text) == "unpaid"


def test_cancelling_in_a_busy_shop_is_not_called_ordering(buyer_id: int) -> None:
    order = placed(buyer_id)
    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="UPDATE shopping_order ", times=99)

    with connection.execute_wrapper(deadlock):
        answer = press(order, "cancel")

    assert answer.status_code == 503
    assert told(answer.text).startswith("The shop is busy. Nothing was changed. Press the button again.")
    assert state_of(answer.text) == "unpaid"


def test_order_that_was_paid_meanwhile_is_shown_where_it_cannot_be_cancelled(buyer_id: int) -> None:
    order = placed(buyer_id)
    pay_and_lose_the_news(order)

    answer = press(order, "cancel")

    assert answer.status_code == 409
    assert state_of(answer.text) == "paid"
    assert "See below how it stands. Order" in told(answer.text)
    assert "Paid. Thank you!" in told(answer.text)


def test_list_says_why_orders_are_closed(buyer_id: int) -> None:
    for closed_by in ("timeout", "user"):
        order = placed(buyer_id)
        Order.objects.filter(pk=order.pk).update(status=Order.Status.CLOSED, closed_by=closed_by)

    html = Client().get("/rooms/1").text

    assert re.findall(r'<span class="soft">([a-z ]+)</span></li>', html) == ["cancelled", "time is over"]


def test_money_that_came_too_late_is_told(buyer_id: int) -> None:
    order = placed(buyer_id)
    Order.objects.filter(pk=order.pk).update(status=Order.Status.CLOSED, closed_by="timeout")
    Refund.objects.create(payment_id=1, order_id=order.order_id, amount=1, currency="CNY", reason="late")

    assert told(page_of(order)).endswith("Money that came too late goes back to you.")


def test_somebody_elses_order_is_not_asked_about(buyer_id: int) -> None:
    order = placed(buyer_id + 1)
    make_payment(order, now=order.created_at)

    assert press(order, "ask").status_code == 404


def test_bar_counts_what_is_sold(buyer_id: int) -> None:
    order = placed(buyer_id)
    pay_and_lose_the_news(order)
    press(order, "ask")

    assert '<meter aria-hidden="true" max="10" value="9">' in Client().get("/rooms/1").text


def test_what_was_sent_back_of_a_paid_order_is_told_on_its_page_and_in_the_list(buyer_id: int) -> None:
    order, other = placed(buyer_id), placed(buyer_id)
    Order.objects.update(status=Order.Status.PAID)
    refund = {"payment_id": 1, "order_id": order.order_id, "currency": "CNY", "reason": "staff"}
    for amount, status in [(9000, "done"), (950, "done"), (1, "requested"), (2, "refused")]:
        Refund.objects.create(own_id=amount, idempotency_key=f"k{amount}", amount=amount, status=status, **refund)

    html = page_of(order)

    assert told(html).endswith("Paid. Thank you! 99.50 CNY sent back")
    assert "sent back" not in told(page_of(other))
    assert re.findall(r'<span class="soft">(paid[^<]*)</span></li>', html) == ["paid", "paid, 99.50 CNY sent back"]
