import pytest
from django.db import transaction

from charites.common.logs import request_context
from charites.common.transactions import NoTransaction
from lab.kit.factories import NOW, later
from lab.kit.message_rows import make_message
from messaging.errors import MessageNotFound
from messaging.models import Message
from messaging.selectors import count_by_state, list_by_key, oldest_due_at
from messaging.services import Draft, publish, publish_many, send_again

pytestmark = pytest.mark.django_db


def test_publish_stores_a_ready_message():
    with transaction.atomic():
        publish("topic", {"order_id": "5"}, key="5", deliver_at=later(9))

    message = Message.objects.get()
    assert (message.topic, message.key, message.state, message.deliver_at) == ("topic", "5", "ready", later(9))
    assert message.payload == {"v": 1, "order_id": "5"}
    assert (message.headers, message.attempts, message.lease) == ({}, 0, "")


def test_publish_carries_the_request_id():
    with request_context("request-1"), transaction.atomic():
        publish("topic", {}, key="5")

    assert Message.objects.get().headers == {"request_id": "request-1"}


def test_publish_many_stores_each_with_its_version():
    with transaction.atomic():
        publish_many([Draft("a", "1", {}), Draft("b", "2", {})])

    assert [(row.topic, row.key, row.payload) for row in Message.objects.order_by("pk")] == [
        ("a", "1", {"v": 1}),
        ("b", "2", {"v": 1}),
    ]


@pytest.mark.django_db(transaction=True)
def test_publish_outside_of_a_transaction_is_refused():
    with pytest.raises(NoTransaction):
        publish("topic", {}, key="5")

    assert not Message.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_publish_is_rolled_back_with_its_caller():
    def publish_and_fail() -> None:
        with transaction.atomic():
            publish("topic", {}, key="5")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        publish_and_fail()

    assert not Message.objects.exists()


def test_send_again_makes_a_dead_message_ready_with_a_fresh_ladder():
    dead = make_message(state="dead", attempts=17, lease="old", claimed_until=NOW)

    assert send_again(message_ids=[dead.pk], now=later(5)) == 1

    dead.refresh_from_db()
    assert (dead.state, dead.attempts, dead.lease, dead.claimed_until, dead.deliver_at) == (
        "ready",
        0,
        "",
        None,
        later(5),
    )


@pytest.mark.parametrize("state", ["half", "ready", "done", "aborted"])
def test_send_again_of_a_message_that_is_not_dead_is_refused(state):
    message = make_message(state=state)

    with pytest.raises(MessageNotFound):
        send_again(message_ids=[message.pk], now=later(5))

    message.refresh_from_db()
    assert (message.state, message.deliver_at) == (state, NOW)


def test_selectors_count_find_and_tell_the_oldest():
    assert oldest_due_at(now=later(99)) is None
    make_message(key="a", deliver_at=later(5))
    second = make_message(key="b", deliver_at=later(3))
    make_message(key="b", state="dead", deliver_at=NOW)

    assert oldest_due_at(now=later(2)) is None
    assert oldest_due_at(now=later(9)) == later(3)
    assert count_by_state() == {"half": 0, "ready": 2, "done": 0, "aborted": 0, "dead": 1}
    assert list_by_key(topic="topic", key="b")[0] == second
