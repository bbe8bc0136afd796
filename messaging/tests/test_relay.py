import re
import threading
from datetime import timedelta

import pytest
from django.db import connection
from prometheus_client import REGISTRY

from charites.common.logs import current_request_id
from charites.common.threads import AT_ONCE
from lab.kit.factories import NOW, later
from lab.kit.interleaving import Parked, plain
from lab.kit.message_rows import Receiver, make_message, received
from messaging import registry
from messaging.models import Message
from messaging.registry import RETRY_LADDER, find_registration, list_topics, register, unregister
from messaging.relay import (
    CLAIM_SECONDS,
    deliver_due,
    hold_unknown,
    purge,
)
from messaging.services import send_again

pytestmark = pytest.mark.django_db

CHANGE = re.compile("UPDATE messaging_message .* WHERE .*lease = ")


@pytest.fixture
def receive():
    """Registers receivers of the topic "topic" and forgets them after the test."""

    def registered(receiver, **options):
        register("topic", receiver, **options)
        return receiver

    yield registered
    unregister("topic")


def state_of(message: Message) -> str:
    message.refresh_from_db()
    return message.state


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


class BeforeTheChange:
    """Runs a function once, right before the first UPDATE of messages that have been claimed."""

    def __init__(self, function):
        self.function, self.is_done = function, False

    def __call__(self, execute, sql, params, many, context):
        if not self.is_done and CHANGE.match(plain(sql)):
            self.is_done = True
            self.function()
        return execute(sql, params, many, context)


# The ladder


def test_ladder_is_that_of_rocketmq():
    seconds = [step.total_seconds() for step in RETRY_LADDER]

    assert seconds == [10, 30, *range(60, 601, 60), 1200, 1800, 3600, 7200]


def test_delivery_that_always_fails_climbs_the_ladder_and_is_dead(receive):
    receive(Receiver(bad=["5"]), ladder=(timedelta(seconds=3), timedelta(seconds=7)))
    message = make_message()

    waits, now = [], NOW
    while state_of(message) == "ready":
        assert deliver_due(now=now) == 1
        message.refresh_from_db()
        waits.append((message.deliver_at - now).total_seconds())
        now = max(message.deliver_at, now)

    assert waits == [3, 7, 0]
    assert (message.state, message.attempts) == ("dead", 3)
    assert message.last_error == "delivery gave up after 3 tries: ConnectionError('refused')"
    assert deliver_due(now=later(10**6)) == 0


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


def lose(message: Message):
    """Another sweep claims the message and has it delivered."""
    Message.objects.filter(pk=message.pk).update(state="done", lease="another claim", attempts=9)


def deliveries(outcome: str) -> float:
    return REGISTRY.get_sample_value("charites_deliveries_total", {"topic": "topic", "outcome": outcome}) or 0.0


def told(caplog) -> list[str]:
    return [record.msg["event"] for record in caplog.records]


@pytest.mark.parametrize("attempts", [0, len(RETRY_LADDER)], ids=["on the ladder", "after its last step"])
def test_message_that_another_sweep_has_delivered_meanwhile_is_neither_failed_nor_dead(receive, caplog, attempts):
    message = make_message(attempts=attempts)
    receive(Receiver(bad=["5"], meanwhile=lambda: lose(message)))
    before = deliveries("failed"), deliveries("dead"), deliveries("done")

    deliver_due(now=NOW)

    assert told(caplog) == ["lease_lost"]
    assert (deliveries("failed"), deliveries("dead"), deliveries("done")) == before
    assert (state_of(message), message.lease, message.attempts) == ("done", "another claim", 9)


def test_message_that_dies_is_logged_and_counted_once(receive, caplog):
    message = make_message(attempts=len(RETRY_LADDER))
    receive(Receiver(bad=["5"]))
    before = deliveries("failed"), deliveries("dead")

    deliver_due(now=NOW)

    assert told(caplog) == ["message_dead"]
    assert (deliveries("failed"), deliveries("dead")) == (before[0], before[1] + 1)
    assert state_of(message) == "dead"


@pytest.mark.parametrize("now", [NOW, later(86_401)], ids=["first met", "a day later"])
def test_unknown_topic_that_another_sweep_has_taken_over_is_left_to_it(caplog, now):
    message = make_message(topic="unheard of", headers={"held_since": NOW.isoformat()}, last_error="")

    with connection.execute_wrapper(BeforeTheChange(lambda: lose(message))):
        assert hold_unknown(now=now) == 1

    assert told(caplog) == ["lease_lost"]
    assert (state_of(message), message.last_error) == ("done", "")


# What nobody takes


def test_unknown_topic_is_held_for_a_day_and_then_dead():
    message = make_message(topic="unheard of")

    assert hold_unknown(now=NOW) == 1
    assert (state_of(message), message.deliver_at, message.claimed_until) == ("ready", later(60), None)
    assert hold_unknown(now=later(59)) == 0
    assert hold_unknown(now=later(86_400)) == 1
    assert state_of(message) == "ready"
    hold_unknown(now=later(86_461))

    assert state_of(message) == "dead"
    assert message.last_error == "no handler for topic 'unheard of', version 1, within a day"


def test_newer_version_is_held_until_newer_code_takes_it(receive, monkeypatch):
    receiver = receive(Receiver())
    message = make_message(payload={"v": 2})

    assert deliver_due(now=NOW) == 1
    assert (state_of(message), message.deliver_at, receiver.calls) == ("ready", later(60), [])
    monkeypatch.setattr(registry, "VERSION", 2)
    deliver_due(now=later(60))

    assert state_of(message) == "done"


@pytest.mark.parametrize("payload", [{}, {"v": "1"}, {"v": None}, [], "text", 5])
def test_payload_without_a_version_is_held(receive, payload):
    receiver = receive(Receiver())
    message = make_message(payload=payload)

    deliver_due(now=NOW)

    assert (state_of(message), receiver.calls) == ("ready", [])


def test_being_held_uses_up_no_step_of_the_ladder(receive):
    message = make_message()
    for minute in range(5):
        assert hold_unknown(now=later(60 * minute)) == 1

    receive(Receiver(bad=["5"]), ladder=(timedelta(seconds=3),))
    deliver_due(now=later(300))

    assert (state_of(message), message.attempts, message.deliver_at) == ("ready", 1, later(303))


def test_message_for_the_far_future_has_its_day_when_it_is_due():
    message = make_message(topic="unheard of", deliver_at=later(5 * 86_400))

    hold_unknown(now=later(5 * 86_400))

    assert state_of(message) == "ready"


def test_dead_message_that_is_sent_again_has_its_day_again():
    message = make_message(topic="unheard of")
    hold_unknown(now=NOW)
    hold_unknown(now=later(86_461))
    assert state_of(message) == "dead"

    send_again(message_ids=[message.pk], now=later(90_000))
    hold_unknown(now=later(90_000))

    assert state_of(message) == "ready"


# The registry


def test_register_of_a_topic_twice_is_refused(receive):
    receive(Receiver())

    with pytest.raises(ValueError, match="topic"):
        register("topic", Receiver())


def test_topics_of_orders_are_registered():
    assert list_topics() == ["payment_notify", "payment_refund"]
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
