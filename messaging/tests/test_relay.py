"""Delivery: what is handed over, and to whom."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from charites.common.logs import current_request_id
from charites.common.threads import AT_ONCE
from lab.kit.factories import NOW, later
from lab.kit.interleaving import Parked
from lab.kit.message_rows import Receiver, make_message, received, state_of
from messaging.models import Message
from messaging.registry import find_registration, list_topics, register
from messaging.relay import CLAIM_SECONDS, deliver_due, purge

pytestmark = pytest.mark.django_db


# Delivery


def test_deliver_due_hands_over_what_is_due_and_marks_it(receive):
    receiver = receive(Receiver())
    due, young = make_message(key="a"), make_message(key="b", deliver_at=later(1))

    assert deliver_due(now=NOW) == 1

    assert receiver.calls == [["a"]]
    assert (state_of(due), state_of(young)) == ("done", "ready")
    assert (due.attempts, due.claimed_until, due.last_error) == (1, None, "")
    assert young.attempts == 0


def test_deliver_due_again_delivers_nothing_more(receive):
    receiver = receive(Receiver())
    make_message(key="a")
    deliver_due(now=NOW)

    assert deliver_due(now=later(3600)) == 0

    assert receiver.calls == [["a"]]


@pytest.mark.parametrize("state", ["half", "done", "aborted", "dead"])
def test_deliver_due_leaves_every_other_state_alone(receive, state):
    receiver = receive(Receiver())
    make_message(state=state)

    assert deliver_due(now=NOW) == 0

    assert receiver.calls == []


@pytest.mark.django_db(transaction=True)
def test_deliver_due_takes_the_longest_waiting_first(receive):
    receive(Receiver())
    for n in range(AT_ONCE):
        make_message(key=str(n), deliver_at=later(-1))
    make_message(key="young")
    make_message(key="old", deliver_at=later(-2))

    assert deliver_due(now=NOW) == AT_ONCE

    assert list(Message.objects.filter(state="ready").values_list("key", flat=True)) == [str(AT_ONCE - 1), "young"]
    assert deliver_due(now=NOW) == 2


def test_deliver_due_claim_that_was_never_finished_is_taken_over(receive):
    receiver = receive(Receiver())
    message = make_message(lease="a dead sweep", claimed_until=later(CLAIM_SECONDS), attempts=1)

    assert deliver_due(now=later(CLAIM_SECONDS)) == 0
    assert deliver_due(now=later(CLAIM_SECONDS + 1)) == 1

    assert receiver.calls == [["5"]]
    assert state_of(message) == "done"
    assert message.attempts == 2


@pytest.mark.django_db(transaction=True)
def test_deliver_due_hands_over_one_message_outside_of_any_transaction(receive):
    seen = []
    receiver = receive(Receiver(meanwhile=lambda: seen.append((connection.in_atomic_block, current_request_id()))))
    message = make_message(headers={"request_id": "request-1"})

    assert deliver_due(now=NOW) == 1

    assert receiver.calls == [["5"]]
    assert seen == [(False, "request-1")]
    assert state_of(message) == "done"


@pytest.mark.django_db(transaction=True)
def test_deliver_due_with_a_receiver_that_raises_retries_only_that_one(receive):
    receive(Receiver(bad=["b"]))
    messages = [make_message(key=key) for key in "abc"]

    assert deliver_due(now=NOW) == 3

    assert [state_of(message) for message in messages] == ["done", "ready", "done"]
    assert (messages[1].attempts, messages[1].deliver_at, messages[1].claimed_until) == (1, later(10), None)
    assert messages[1].last_error == "ConnectionError('refused')"


@pytest.mark.django_db(transaction=True)
def test_deliver_due_does_at_most_eight_at_once(receive):
    barrier = threading.Barrier(AT_ONCE)
    receive(lambda messages: barrier.wait(120))  # passes only when eight run side by side
    for n in range(9):
        make_message(key=str(n))

    assert deliver_due(now=NOW) == AT_ONCE == 8

    assert Message.objects.filter(state="done").count() == 8
    assert Message.objects.get(state="ready").attempts == 0


@pytest.mark.django_db(transaction=True)
def test_deliver_due_whose_lease_was_lost_marks_nothing(receive):
    receive(Receiver(meanwhile=lambda: Message.objects.update(lease="another claim")))
    message = make_message()

    deliver_due(now=NOW)

    assert (state_of(message), message.lease) == ("ready", "another claim")


# The registry


def test_register_of_a_topic_twice_is_refused(receive):
    receive(Receiver())

    with pytest.raises(ValueError, match="topic"):
        register("topic", Receiver())


def test_topics_of_orders_are_registered():
    assert list_topics() == ["order_refund", "payment_notify", "payment_refund", "stock_returned"]
    assert find_registration(Message(topic="payment_refund", payload={"v": 1})).topic == "payment_refund"


# Purge


def test_purge_deletes_what_was_finished_a_week_ago():
    week = timedelta(days=7)
    for state in ("half", "ready", "done", "aborted", "dead"):
        make_message(key=state, state=state)
    make_message(key="young", state="done", deliver_at=later(1))

    assert purge(now=NOW + week) == 0
    assert purge(now=later(1) + week) == 2

    assert sorted(Message.objects.values_list("key", flat=True)) == ["dead", "half", "ready", "young"]


# Side by side


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_sweeps_share_the_messages_and_neither_waits(receive):
    receiver = receive(Receiver())
    for n in range(AT_ONCE + 3):
        make_message(key=str(n))

    with Parked(lambda: deliver_due(now=NOW), at="UPDATE messaging_message ", after=True) as first:
        assert deliver_due(now=NOW) == 3
        assert first.go() == AT_ONCE

    assert sorted(receiver.calls) == sorted([str(n)] for n in range(AT_ONCE + 3))
    assert len(received()) == AT_ONCE + 3


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_sweep_that_sleeps_past_its_claim_changes_nothing(receive):
    receiver = receive(Receiver())
    message = make_message()

    with Parked(lambda: deliver_due(now=NOW), at="UPDATE messaging_message .* WHERE .*lease = ") as sleeper:
        assert deliver_due(now=later(CLAIM_SECONDS + 1)) == 1
        sleeper.go()

    assert receiver.calls == [["5"], ["5"]]
    assert (state_of(message), message.attempts, message.last_error) == ("done", 2, "")
