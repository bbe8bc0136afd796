"""Orders here, stock in another process, RabbitMQ between them: whatever dies or is lost, each message takes effect
once, and its row learns of it. The usual ways are those of calls, and tested with them."""

import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from google.rpc.status_pb2 import Status

from lab.kit import broker_queues
from lab.kit.factories import NOW, make_order, make_paid_order
from lab.kit.processes.shop import ROOT, STOP_SECONDS, wait_until
from lab.kit.processes.stock_service import StockService
from lab.kit.trials import Trials
from lab.servers import RabbitMQ
from messaging.broker.port import ANSWER, Envelope
from messaging.broker.rabbitmq import RabbitMQ as Client
from messaging.broker.sending import NO_ANSWER, about_of
from messaging.broker.signing import sign
from messaging.models import Message
from orders import remote
from orders.flows.half_message import CONFIRM_TOPIC, ROLL_BACK_TOPIC
from orders.models import Order
from orders.services import cancel_order
from orders.tests.flows.half_messages import (
    ANSWER_SECONDS,
    DEDUCTED,
    RESERVED,
    ROLLED_BACK,
    available,
    deliver,
    deliver_until_done,
    end_connections,
    is_answered,
    states,
    take_answers,
)

pytestmark = [
    pytest.mark.parametrize("stock", ["broker"], indirect=True, scope="module"),
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("split"),
]


def cancelled_order() -> Order:
    """Two pieces of product 1 are to be given back."""
    order = make_order({1: 2})
    cancel_order(order_id=order.order_id, user_id=order.user_id, closed_by=Order.ClosedBy.USER, now=NOW)
    return order


@contextmanager
def nobody_consumes(stock: StockService) -> Iterator[None]:
    stock.stop_sweep()
    try:
        yield
    finally:
        stock.start_sweep()


def last_error(topic: str = ROLL_BACK_TOPIC) -> str:
    return Message.objects.get(topic=topic).last_error


def test_message_waits_in_the_broker_for_a_consumer_and_its_row_learns_of_the_effect(stock: StockService) -> None:
    with nobody_consumes(stock):
        order = cancelled_order()
        assert deliver(answered=False) == 1
        assert (states(ROLL_BACK_TOPIC), last_error()) == (["ready"], NO_ANSWER)
        assert broker_queues.depth(stock.broker_url, "stock") == 1
        assert stock.records(order.order_id) == [(1, 2, RESERVED)]

    wait_until(lambda: is_answered(ROLL_BACK_TOPIC), seconds=ANSWER_SECONDS, what="the answer")

    assert (states(ROLL_BACK_TOPIC), last_error()) == (["done"], "")
    assert stock.records(order.order_id) == [(1, 2, ROLLED_BACK)]
    assert broker_queues.depth(stock.broker_url, "stock") == 0


@pytest.mark.long
def test_many_copies_take_effect_once(stock: StockService, trials: Trials) -> None:
    copies = trials.count(sample=20, full=500)
    order = make_paid_order({1: 2})
    sold = stock.counts(1)[2]
    with nobody_consumes(stock):
        for _ in range(copies):
            deliver(answered=False)
            Message.objects.filter(topic=CONFIRM_TOPIC).update(attempts=0)
        assert broker_queues.depth(stock.broker_url, "stock") == copies

    taken = 0
    while taken < copies:
        taken += wait_until(take_answers, seconds=ANSWER_SECONDS, what=f"{copies} answers; {taken} have come")

    assert states(CONFIRM_TOPIC) == ["done"]
    assert stock.records(order.order_id) == [(1, 2, DEDUCTED)]
    assert stock.counts(1) == (3, 0, sold + 2)
    trials.tell(f"a message {copies} times over RabbitMQ: one effect, one end of its row")


@pytest.mark.parametrize("loss", ["its queue is purged", "its queue is deleted", "the broker loses everything"])
def test_message_that_the_broker_loses_is_sent_again(stock: StockService, rabbitmq: RabbitMQ, loss: str) -> None:
    with nobody_consumes(stock):
        order = cancelled_order()
        deliver(answered=False)
        match loss:
            case "its queue is purged":
                broker_queues.purge(stock.broker_url, "stock")
            case "its queue is deleted":
                broker_queues.delete(stock.broker_url, "stock")
            case _:
                rabbitmq.empty()
        assert stock.records(order.order_id) == [(1, 2, RESERVED)]

    deliver_until_done(ROLL_BACK_TOPIC)

    assert stock.records(order.order_id) == [(1, 2, ROLLED_BACK)]
    assert available(stock) == 5


def test_answer_that_is_lost_is_asked_for_again(stock: StockService) -> None:
    order = cancelled_order()
    end_connections()  # nobody takes answers here
    deliver(answered=False)
    wait_until(
        lambda: broker_queues.depth(stock.broker_url, "orders") == 1, seconds=ANSWER_SECONDS, what="the answer is there"
    )
    broker_queues.purge(stock.broker_url, "orders")
    assert states(ROLL_BACK_TOPIC) == ["ready"]

    deliver()

    assert states(ROLL_BACK_TOPIC) == ["done"]
    assert stock.records(order.order_id) == [(1, 2, ROLLED_BACK)]
    assert available(stock) == 5


@pytest.mark.long
def test_broker_that_is_stopped_costs_time_alone(stock: StockService, rabbitmq: RabbitMQ) -> None:
    order = cancelled_order()
    rabbitmq.stop()
    try:
        assert deliver(answered=False) == 1
        assert (states(ROLL_BACK_TOPIC), "BrokerAway" in last_error()) == (["ready"], True)
    finally:
        rabbitmq.start()

    deliver_until_done(ROLL_BACK_TOPIC)

    assert stock.records(order.order_id) == [(1, 2, ROLLED_BACK)]


def test_consumer_that_is_killed_between_commit_and_acknowledgement_gives_it_to_the_next(
    stock: StockService, trials: Trials
) -> None:
    kills = trials.count(sample=1, full=10)
    for _ in range(kills):
        with nobody_consumes(stock):
            order = cancelled_order()
            with a_consumer_that_stands_still(stock) as consumer:
                deliver(answered=False)
                assert first_line(consumer) == "standing\n"
                assert stock.records(order.order_id) == [(1, 2, ROLLED_BACK)]
                assert states(ROLL_BACK_TOPIC)[-1] == "ready"

        wait_until(
            lambda: is_answered(ROLL_BACK_TOPIC),
            seconds=ANSWER_SECONDS,
            what="the one after it has answered",
        )
        assert stock.records(order.order_id) == [(1, 2, ROLLED_BACK)]
        assert available(stock) == 5
    trials.tell(f"{kills} consumers killed -9 after COMMIT and before the acknowledgement: nothing twice, nothing lost")


@contextmanager
def a_consumer_that_stands_still(stock: StockService) -> Iterator[subprocess.Popen[str]]:
    """In the place of the sweep; killed at the end."""
    command = [sys.executable, "-m", "lab.kit.processes.consumer"]
    consumer = subprocess.Popen(command, cwd=ROOT, env=stock.environment, stdout=subprocess.PIPE, text=True)
    try:
        yield consumer
    finally:
        consumer.kill()
        consumer.communicate(timeout=STOP_SECONDS)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], ANSWER_SECONDS)
    assert ready, "It says nothing."
    return process.stdout.readline()


RUBBISH = {
    "nothing": (b"", {}, {}),
    "no envelope": (b"\x00" * 1_000, {"a": [1, {"b": 2}]}, {"content_type": "application/x-python-serialize"}),
    "too large": (b"x" * 200_000, {}, {}),
    "not signed": (b"", {"signature": "Bearer token"}, {"type": "Stock.RollbackStock"}),
}


def test_rubbish_is_put_aside_on_both_sides_and_holds_up_nothing(stock: StockService) -> None:
    for service in ("stock", "orders"):
        for body, headers, properties in RUBBISH.values():
            given = {"correlation_id": "1.a", "reply_to": "orders", **properties}
            broker_queues.put(stock.broker_url, service, body, headers, **given)
    order = cancelled_order()

    deliver()

    assert stock.records(order.order_id) == [(1, 2, ROLLED_BACK)]
    assert states(ROLL_BACK_TOPIC) == ["done"]
    for service in ("stock", "orders"):
        dead = broker_queues.take_dead(stock.broker_url, service)
        assert len(dead) == len(RUBBISH)
        assert all(letter.headers["reason"] for letter in dead)


def test_question_that_no_service_of_ours_has_signed_moves_no_stock(stock: StockService) -> None:
    order = make_paid_order({1: 2})
    question = remote.rolling_back(order_id=order.order_id)
    client = Client()
    client.publish("stock", Envelope(question.method, "1.a", "orders", question.request, "Bearer token"))
    client.close()

    (dead,) = wait_until(
        lambda: broker_queues.take_dead(stock.broker_url, "stock"), seconds=ANSWER_SECONDS, what="it was put aside"
    )
    assert dead.headers["reason"] == "no service of ours has signed it"
    deliver()
    assert stock.records(order.order_id) == [(1, 2, DEDUCTED)]


@pytest.mark.long
def test_answer_that_another_service_has_signed_ends_no_message(stock: StockService) -> None:
    with nobody_consumes(stock):
        cancelled_order()
        deliver(answered=False)
        message = Message.objects.get(topic=ROLL_BACK_TOPIC)
        forged = Envelope(ANSWER, about_of(message), "orders", Status().SerializeToString())
        client = Client()
        client.publish("orders", sign(forged, name="goods"))
        client.close()

        broker_queues.put(stock.broker_url, "orders", b"behind it")
        wait_until(
            lambda: take_answers() and broker_queues.take_dead(stock.broker_url, "orders"),
            seconds=ANSWER_SECONDS,
            what="it has come, and what is behind it",
        )

        assert states(ROLL_BACK_TOPIC) == ["ready"]
    deliver()
