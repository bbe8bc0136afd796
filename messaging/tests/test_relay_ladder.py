"""Messages that are not delivered: their ladder, their death, and what nobody takes."""

import re
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from charites.common.errors import Busy
from lab.kit.factories import NOW, later
from lab.kit.interleaving import Interruption, plain
from lab.kit.message_rows import Receiver, make_message, state_of
from lab.kit.rest_client import anybody
from messaging import registry
from messaging.models import Message
from messaging.registry import RETRY_LADDER
from messaging.relay import deliver_due, hold_unknown
from messaging.services import send_again

pytestmark = pytest.mark.django_db

CHANGE = re.compile("UPDATE messaging_message .* WHERE .*lease = ")


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


def lose(message: Message):
    """Another sweep claims the message and has it delivered."""
    Message.objects.filter(pk=message.pk).update(state="done", lease="another claim", attempts=9)


def deliveries(outcome: str) -> float:
    return REGISTRY.get_sample_value("charites_deliveries_total", {"topic": "topic", "outcome": outcome}) or 0.0


def dead_in_metrics() -> float:
    """What /metrics says."""
    families = text_string_to_metric_families(anybody().get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == "charites_deliveries_total"]
    return sum(sample.value for sample in samples if sample.labels == {"topic": "topic", "outcome": "dead"})


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


def test_metrics_tell_of_no_death_of_a_message_that_another_sweep_has_delivered(receive):
    message = make_message(attempts=len(RETRY_LADDER))
    receive(Receiver(bad=["5"], meanwhile=lambda: lose(message)))
    before = dead_in_metrics()

    deliver_due(now=NOW)
    late = dead_in_metrics()
    make_message(attempts=len(RETRY_LADDER))
    deliver_due(now=NOW)

    assert (late, dead_in_metrics()) == (before, before + 1)


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


@pytest.mark.django_db(transaction=True)
def test_message_that_was_taken_but_could_not_be_marked_is_no_failure_of_its_receiver(receive):
    receiver = receive(Receiver())
    message = make_message(attempts=len(RETRY_LADDER))
    full = Interruption(OperationalError(1040, "Too many connections"), at=CHANGE.pattern, times=9)

    with connection.execute_wrapper(full), pytest.raises(Busy):
        deliver_due(now=NOW)

    assert (receiver.calls, state_of(message)) == ([["5"]], "ready")
