"""A message for another service, from its row to the broker and back: what is sent when, and what an answer ends."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.status_pb2 import Status
from prometheus_client import REGISTRY

from charites.common.errors import Busy, Why, busy
from charites.common.threads import AT_ONCE
from lab.kit.factories import NOW, later
from lab.kit.interleaving import Interruption, plain
from lab.kit.message_rows import make_message, state_of
from messaging import registry
from messaging.broker.port import ANSWER, Envelope
from messaging.broker.sending import ANSWER_SECONDS, BATCH, NO_ANSWER
from messaging.broker.signing import sender_of, sign
from messaging.models import Message
from messaging.registry import Remote
from messaging.relay import claim, deliver_due
from messaging.services import send_again
from messaging.tests.broker.asked import Between, Refusal, Warehouse, ask

pytestmark = pytest.mark.django_db

LADDER = (timedelta(seconds=3), timedelta(seconds=7))


@pytest.fixture
def between(settings) -> Iterator[Between]:
    settings.APPS = ["orders"]
    settings.REMOTE_BROKER_URL, settings.MEETS_AT_BROKER = "amqp://127.0.0.1", True
    registry.register("topic", Remote(Warehouse(), ask), ladder=LADDER)
    yield Between()
    registry.unregister("topic")


def make(what: str = "5 apples", **columns) -> Message:
    return make_message(payload={"v": 1, "what": what}, **columns)


def due_after(message: Message) -> float:
    message.refresh_from_db()
    return (message.deliver_at - NOW).total_seconds()


def deliveries(outcome: str) -> float:
    return REGISTRY.get_sample_value("charites_deliveries_total", {"topic": "topic", "outcome": outcome}) or 0.0


# Sent


def test_message_that_is_due_is_sent_signed_and_waits_for_its_answer(between):
    message = make(headers={"request_id": "r-1"})

    assert between.sender.round(now=NOW) == 1

    (asked,) = between.asked()
    message.refresh_from_db()
    assert (asked.kind, asked.body, asked.reply_to) == ("Warehouse.Send", b"5 apples", "orders")
    assert asked.about == f"{message.pk}.{message.created_at:%Y%m%d%H%M%S%f}.{message.lease}"
    assert sender_of(asked).name == "orders"
    assert asked.headers == {"request_id": "r-1"}
    assert (message.state, message.attempts, message.last_error) == ("ready", 1, NO_ANSWER)
    assert (due_after(message), message.claimed_until) == (ANSWER_SECONDS + 3, None)
    assert between.sender.round(now=later(ANSWER_SECONDS + 2)) == 0


def test_message_for_another_service_is_not_called_where_a_broker_is(between):
    make()

    assert deliver_due(now=NOW) == 0


def test_messages_of_a_round_cost_the_same_statements_as_one(between):
    def statements(count: int) -> int:
        for _ in range(count):
            make()
        with CaptureQueriesContext(connection) as queries:
            assert between.sender.round(now=NOW) == count
        return len(queries)

    assert statements(BATCH) == statements(1)


def test_message_that_has_nothing_to_ask_is_done(between):
    message, other = make_message(), make()

    between.sender.round(now=NOW)

    assert (state_of(message), state_of(other)) == ("done", "ready")
    assert len(between.asked()) == 1


def test_message_that_cannot_be_read_goes_to_its_ladder_and_holds_up_no_other(between):
    before, poison, after = make("1"), make_message(payload={"v": 1, "what": 5}), make("2")

    between.sender.round(now=NOW)

    assert [asked.body for asked in between.asked()] == [b"1", b"2"]
    poison.refresh_from_db()
    assert (poison.state, due_after(poison)) == ("ready", 3)
    assert "AttributeError" in poison.last_error
    assert (state_of(before), state_of(after)) == ("ready", "ready")


def test_message_of_newer_code_waits_a_minute_and_costs_no_step(between):
    message = make_message(payload={"v": 2, "what": "?"})

    between.sender.round(now=NOW)

    message.refresh_from_db()
    assert (message.attempts, due_after(message), between.asked()) == (0, 60, [])


# Not sent


def test_message_without_a_queue_is_not_sent_and_goes_to_its_ladder(between):
    del between.queues.waiting["warehouse"]
    message, before = make(), (deliveries("failed"), deliveries("sent"))

    between.sender.round(now=NOW)

    message.refresh_from_db()
    assert (message.state, due_after(message)) == ("ready", 3)
    assert "there is no queue warehouse" in message.last_error
    assert (deliveries("failed"), deliveries("sent")) == (before[0] + 1, before[1])


def test_broker_that_is_away_costs_every_message_a_step_and_the_round_one_wait(between):
    messages = [make(), make()]
    between.queues.is_away = True

    between.sender.round(now=NOW)

    assert [due_after(message) for message in messages] == [3, 3]
    between.queues.is_away = False
    between.sender.round(now=later(3))
    assert len(between.asked()) == 2


# Answered


def test_answer_ends_the_message(between):
    message, before = make(), deliveries("done")
    between.sender.round(now=NOW)

    between.answer(between.asked()[0])
    between.receiver.round(now=NOW)

    assert (state_of(message), message.last_error) == ("done", "")
    assert deliveries("done") == before + 1
    assert between.sender.round(now=later(10**6)) == 0
    assert between.queues.envelopes("orders") == between.queues.dead == []


def test_answers_of_a_round_cost_the_same_statements_as_one(between):
    def statements(count: int) -> int:
        between.queues.waiting["warehouse"].clear()
        for _ in range(count):
            make()
        between.sender.round(now=NOW)
        for asked in between.asked():
            between.answer(asked)
        with CaptureQueriesContext(connection) as queries:
            between.receiver.round(now=NOW)
        return len(queries)

    assert statements(AT_ONCE) == statements(1)
    assert not Message.objects.exclude(state="done").exists()


def test_message_without_an_answer_is_sent_again_on_its_ladder_and_is_dead_in_the_end(between, caplog):
    message = make()

    waits, now = [], NOW
    while state_of(message) == "ready":
        between.sender.round(now=now)
        message.refresh_from_db()
        waits.append((message.deliver_at - now).total_seconds())
        now = message.deliver_at

    assert waits == [63, 67, 60, 0]
    assert len(between.asked()) == 3
    assert (message.state, message.last_error) == ("dead", f"no answer after 3 tries: {NO_ANSWER}")
    assert [record.msg["event"] for record in caplog.records if record.levelname == "ERROR"] == ["message_dead"]


def test_dead_message_that_is_sent_again_has_its_ladder_again(between):
    message = make(attempts=3, state="dead")

    send_again(message_ids=[message.pk], now=NOW)
    between.sender.round(now=NOW)
    between.answer(between.asked()[0])
    between.receiver.round(now=NOW)

    assert state_of(message) == "done"


def test_answer_twice_changes_nothing_more(between):
    message = make()
    between.sender.round(now=NOW)
    for _ in range(3):
        between.answer(between.asked()[0])

    between.receiver.round(now=NOW)
    updated_at = Message.objects.get().updated_at
    between.answer(between.asked()[0])
    between.receiver.round(now=later(60))

    assert state_of(message) == "done"
    assert message.updated_at == updated_at


def test_refusal_of_a_try_before_the_last_one_changes_nothing_and_the_last_ones_answer_does(between):
    message = make()
    between.sender.round(now=NOW)
    between.sender.round(now=later(63))
    first, second = between.asked()

    between.answer(first, Refusal())
    between.receiver.round(now=later(64))
    assert (state_of(message), message.last_error) == ("ready", NO_ANSWER)
    between.answer(second)
    between.receiver.round(now=later(64))

    assert state_of(message) == "done"


def test_success_of_a_try_before_the_last_one_ends_the_message(between):
    message = make()
    between.sender.round(now=NOW)
    between.sender.round(now=later(63))
    first, _second = between.asked()

    between.answer(first)
    between.receiver.round(now=later(64))

    assert (state_of(message), message.last_error) == ("done", "")
    assert between.sender.round(now=later(10**6)) == 0


def test_success_ends_a_message_that_is_dead_by_then_and_a_refusal_says_nothing_new(between):
    message = make(attempts=2)
    between.sender.round(now=NOW)
    between.sender.round(now=later(60))
    (asked,) = between.asked()
    assert state_of(message) == "dead"

    between.answer(asked, Refusal())
    between.receiver.round(now=later(61))
    assert (state_of(message), message.last_error) == ("dead", f"no answer after 3 tries: {NO_ANSWER}")
    between.answer(asked)
    between.receiver.round(now=later(61))

    assert (state_of(message), message.last_error) == ("done", "")


def test_success_counts_also_where_another_sweep_claims_the_message_in_between(between):
    message = make()
    between.sender.round(now=NOW)
    between.answer(between.asked()[0])
    claims = iter([lambda: claim(Q(topic="topic"), limit=1, now=later(63))])
    claimed = []

    def claim_after_the_look(execute, sql, params, many, context):
        found = execute(sql, params, many, context)
        if "FROM messaging_message" in plain(sql) and (claim_it := next(claims, None)):
            claimed.extend(claim_it())
        return found

    with connection.execute_wrapper(claim_after_the_look):
        between.receiver.round(now=later(63))

    assert claimed == [message]
    assert state_of(message) == "done"


def test_refusal_goes_to_the_ladder_with_what_was_said(between):
    message = make()
    between.sender.round(now=NOW)

    between.answer(between.asked()[0], busy(Why.QUEUE))
    between.receiver.round(now=later(1))

    message.refresh_from_db()
    assert (message.state, due_after(message)) == ("ready", 1 + 3)
    assert str(Busy.code) in message.last_error
    assert busy(Why.QUEUE).message in message.last_error


def test_refusal_that_comes_again_does_not_put_the_next_try_off(between):
    message = make()
    between.sender.round(now=NOW)
    (asked,) = between.asked()
    between.answer(asked, busy(Why.QUEUE))
    between.receiver.round(now=later(1))

    between.answer(asked, busy(Why.QUEUE))
    between.receiver.round(now=later(3))

    assert (state_of(message), due_after(message)) == ("ready", 1 + 3)
    assert between.sender.round(now=later(1 + 3)) == 1


def test_refusal_that_cannot_be_read_goes_to_the_ladder(between):
    message = make()
    between.sender.round(now=NOW)
    (asked,) = between.asked()
    refusal = Status(code=14, details=[AnyMessage(type_url="type.googleapis.com/Error", value=b"\xff\xff")])
    between.queues.put(
        "orders", sign(Envelope(ANSWER, asked.about, "orders", refusal.SerializeToString()), name="warehouse")
    )

    between.receiver.round(now=later(1))

    assert (state_of(message), due_after(message)) == ("ready", 1 + 3)
    assert "DecodeError" in message.last_error


def test_refusal_of_the_last_try_is_death(between):
    message = make(attempts=2)
    between.sender.round(now=NOW)

    between.answer(between.asked()[0], busy(Why.QUEUE))
    between.receiver.round(now=NOW)

    assert state_of(message) == "dead"
    assert message.last_error.startswith("delivery gave up after 3 tries: ")


def test_refusal_that_the_topic_knows_what_to_do_about_ends_the_message(between):
    seen = []
    registry.unregister("topic")
    handler = Remote(Warehouse(), ask, lambda message, error: seen.append((message.key, error.code)))
    registry.register("topic", handler, ladder=LADDER)
    message = make()
    between.sender.round(now=NOW)

    between.answer(between.asked()[0], Refusal())
    between.receiver.round(now=NOW)

    assert (state_of(message), seen) == ("done", [("5", Refusal.code)])


# Not believed


@pytest.mark.parametrize("name", ["goods", "orders"])
def test_answer_of_another_service_ends_nothing(between, name):
    message = make()
    between.sender.round(now=NOW)

    between.answer(between.asked()[0], name=name)
    between.receiver.round(now=NOW)

    assert (state_of(message), message.last_error) == ("ready", NO_ANSWER)


def test_answer_that_somebody_else_was_given_and_sends_on_ends_nothing(between):
    """Whoever may ask the warehouse chooses what the question is about, and gets the warehouse's word on that."""
    message = make()
    between.sender.round(now=NOW)
    (asked,) = between.asked()
    given = sign(Envelope(ANSWER, asked.about, "goods", Status().SerializeToString()), name="warehouse")

    between.queues.put("orders", given)
    between.receiver.round(now=NOW)

    assert (state_of(message), message.last_error) == ("ready", NO_ANSWER)
    assert between.queues.dead == [("orders", "it is an answer to 'goods'")]


def test_refusal_that_names_another_lease_changes_nothing(between):
    message = make()
    between.sender.round(now=NOW)
    (asked,) = between.asked()
    row, _, _lease = asked.about.rpartition(".")

    between.answer(asked, Refusal(), about=f"{row}.0123456789abcdef0123456789abcdef")
    between.receiver.round(now=NOW)

    assert (state_of(message), message.last_error) == ("ready", NO_ANSWER)


def test_answer_about_a_row_that_had_the_id_before_ends_nothing(between):
    """As after a database was restored, while the broker was not."""
    message = make()
    between.sender.round(now=NOW)
    between.answer(between.asked()[0])
    Message.objects.update(created_at=message.created_at + timedelta(microseconds=1))

    between.receiver.round(now=NOW)

    assert state_of(message) == "ready"


@pytest.mark.parametrize(
    ("about", "body"),
    [
        ("", b""),
        ("5", b""),
        ("5.lease", b""),
        ("5..lease", b""),
        ("5.20260101.", b""),
        ("five.20260101.lease", b""),
        ("٥.20260101.lease", b""),
        ("9223372036854775808.20260101.lease", b""),
        ("9" * 200 + ".20260101.lease", b""),
        ("5.20260101.lease", b"\xff\xff"),
    ],
)
def test_answer_that_says_nothing_is_put_aside(between, about, body):
    between.queues.put("orders", sign(Envelope(ANSWER, about, "orders", body), name="warehouse"))

    between.receiver.round(now=NOW)

    ((queue, reason),) = between.queues.dead
    assert (queue, reason.startswith("it is an answer, and ")) == ("orders", True)


def test_answer_that_nobody_signed_is_put_aside_and_ends_nothing(between, caplog):
    message = make()
    between.sender.round(now=NOW)
    (asked,) = between.asked()
    between.queues.put("orders", Envelope(ANSWER, asked.about, "orders", b"", "rubbish"))

    between.receiver.round(now=NOW)

    assert state_of(message) == "ready"
    assert between.queues.dead == [("orders", "no service of ours has signed it")]
    assert [record.msg["event"] for record in caplog.records] == ["dead_letter"]


def test_answer_that_comes_while_the_database_is_away_comes_again(between):
    message = make()
    between.sender.round(now=NOW)
    between.answer(between.asked()[0])
    broken = Interruption(OperationalError(2006, "gone"), at="SELECT .* FROM messaging_message", times=1)
    with connection.execute_wrapper(broken), pytest.raises(OperationalError):
        between.receiver.round(now=NOW)
    assert len(between.queues.envelopes("orders")) == 1
    between.receiver.round(now=NOW)

    assert state_of(message) == "done"
