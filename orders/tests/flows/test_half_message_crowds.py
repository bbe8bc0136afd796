"""Orders here, stock in another process: many buyers, and many copies of each message."""

import threading
from copy import copy

import pytest
from django.db import connection

from lab.kit.factories import BUYER_ID, NOW, later, make_command, make_order, make_paid_order
from lab.kit.processes.stock_service import StockService
from messaging.models import Message
from messaging.services import submit
from orders import services
from orders.flows import half_message
from orders.models import Order
from orders.tests.flows.half_messages import DEDUCTED, ROLLED_BACK, TOPICS, deliver, reserve_and_die, states

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("split")]
COPIES = 100


@pytest.mark.long
def test_concurrent_buyers_never_take_more_than_there_is(stock: StockService) -> None:
    placed: list[bool] = []

    def buy() -> None:
        try:
            (result,) = services.place_orders(commands=[make_command({1: 1})], now=NOW)
            placed.append(result.created)
        finally:
            connection.close()

    buyers = [threading.Thread(target=buy) for _ in range(12)]
    for buyer in buyers:
        buyer.start()
    for buyer in buyers:
        buyer.join()

    while deliver():
        pass
    assert placed.count(True) == Order.objects.count() <= 5
    assert stock.counts(1)[:2] == (5 - placed.count(True), placed.count(True))
    services.close_due(now=later(86_400))
    while deliver():
        pass


def test_a_hundred_copies_of_each_message_at_once_take_effect_once(stock: StockService) -> None:
    sold = stock.counts(1)[2]
    paid, closed = make_paid_order({1: 1}), make_order({1: 1})
    services.cancel_order(order_id=closed.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=NOW)
    died, message_id = reserve_and_die()
    submit([message_id])
    for message in Message.objects.filter(topic__in=TOPICS, state="ready"):
        message.pk = None
        Message.objects.bulk_create([copy(message) for _ in range(COPIES - 1)])
    assert Message.objects.filter(topic__in=TOPICS, state="ready").count() == len(TOPICS) * COPIES

    def sweep() -> None:
        try:
            while deliver():
                pass
        finally:
            connection.close()

    sweeps = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in sweeps:
        thread.start()
    for thread in sweeps:
        thread.join()
    while deliver():  # busy answers have gone one step down their ladder
        pass

    assert set(states() + states(half_message.CONFIRM_TOPIC) + states(half_message.ROLL_BACK_TOPIC)) == {
        "done",
        "aborted",
    }
    assert stock.records(paid.order_id) == [(1, 1, DEDUCTED)]
    assert stock.records(closed.order_id) == [(1, 1, ROLLED_BACK)]
    assert stock.records(died.order_id) == [(1, 2, ROLLED_BACK)]
    assert stock.counts(1) == (4, 0, sold + 1)
