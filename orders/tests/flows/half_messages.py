"""Rounds of delivery and of checking, and what they left here and at the stock service."""

import os
from datetime import datetime
from functools import cache
from itertools import count

import pytest
from django.conf import settings

from charites.common.ids import next_id
from lab.kit.factories import BUYER_ID, NOW, later, make_command
from lab.kit.processes.shop import wait_until
from lab.kit.processes.stock_service import StockService
from messaging.broker.port import BrokerAway
from messaging.broker.receiving import Receiver
from messaging.broker.sending import NO_ANSWER, Sender
from messaging.check_back import check_back
from messaging.models import Message
from messaging.relay import deliver_due
from orders import services
from orders.flows import half_message
from orders.models import Order

RESERVED, ROLLED_BACK, DEDUCTED = 1, 2, 3

ROCKETMQ = os.environ.get("ROCKETMQ_ENDPOINT", "")  # of one with the topics charites-stock, -orders and -goods
EACH_WAY = pytest.mark.parametrize(
    "stock",
    ["calls", pytest.param("broker", marks=pytest.mark.servers), *(["rocketmq"] if ROCKETMQ else [])],
    indirect=True,
    scope="module",
)
ANSWER_SECONDS = 60  # a bound for busy machines
TOPICS = (half_message.UNPLACED_TOPIC, half_message.CONFIRM_TOPIC, half_message.ROLL_BACK_TOPIC)


@cache
def sender() -> Sender:
    return Sender()


@cache
def receiver() -> Receiver:
    return Receiver()


def states(topic: str = half_message.UNPLACED_TOPIC) -> list[str]:
    return list(Message.objects.filter(topic=topic).order_by("pk").values_list("state", flat=True))


def available(stock: StockService, goods_id: int = 1) -> int:
    return stock.counts(goods_id)[0]


days = count(2 * 10**3)


def deliver(*, answered: bool = True) -> int:
    """A round on a day of its own: whatever was put on its ladder is due again. Over a broker it ends with the answers,
    unless nobody is there to give any."""
    now = later(86_400 * next(days))
    count = deliver_due(now=now)
    if settings.MEETS_AT_BROKER:
        count += sender().round(now=now)
        if answered:
            await_answers(now)
    return count


def await_answers(now: datetime) -> None:
    """Takes what comes until every message that was sent has its answer."""

    wait_until(
        lambda: not unanswered() or (take_answers(now) and not unanswered()),
        seconds=ANSWER_SECONDS,
        what="the answers are there",
    )


def take_answers(now: datetime = NOW) -> int:
    """A round of whoever consumes here; one that finds no broker is followed by the next, as in a sweep."""
    try:
        return receiver().round(now=now)
    except BrokerAway:
        return 0


def deliver_until_done(topic: str) -> None:
    """Sends again what was lost, and what the broker did not take. Whatever it has taken is answered, since the queue
    for answers is there."""
    wait_until(is_in_reach, seconds=ANSWER_SECONDS, what="the queue for answers is there")
    deliver(answered=False)

    def is_done() -> bool:
        if not unanswered():
            deliver(answered=False)
        return is_answered(topic)

    wait_until(is_done, seconds=120, what="it was sent again")


def is_in_reach() -> bool:
    """Whether a round finds a broker."""
    try:
        receiver().round(now=NOW)
    except BrokerAway:
        return False
    return True


def is_answered(topic: str) -> bool:
    """Takes what has come; whether the last message of a topic is done."""
    take_answers()
    return states(topic)[-1:] == ["done"]


def unanswered() -> int:
    return Message.objects.filter(state=Message.State.READY, last_error=NO_ANSWER).count()


def consume() -> None:
    """Makes the queues of this process, and drops what tests before have left in them."""
    while receiver().round(now=NOW):
        pass


def end_connections() -> None:
    for made in (sender, receiver):
        made()._broker.close()
        made.cache_clear()


def check() -> int:
    return check_back(now=later(10**8))


def make_order_leave(order: Order) -> None:
    """Cancels an order and lets stock know, so that the next test finds nothing reserved."""
    services.cancel_order(order_id=order.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=NOW)
    deliver()


def reserve_and_die() -> tuple[half_message.Move, int]:
    """Goes as far as the reservation, as a process that is killed then. Returns the move and its compensation."""
    command = make_command({1: 2})
    catalogue = services.placing.find_catalogue([command])
    move = services.placing.placing(command, next_id(), catalogue.goods, NOW)
    (message_id,) = half_message.prepare_many([half_message.compensation(move)])
    assert half_message.reserve([move]) == {move: half_message.OK}
    return move, message_id
