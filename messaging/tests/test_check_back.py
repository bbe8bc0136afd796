"""The check-back, which decides when the sender was silent."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, transaction

from lab.kit.factories import NOW, later
from lab.kit.interleaving import Background, LostCommit, Parked
from lab.kit.message_rows import Receiver, make_message, received
from messaging.check_back import CHECK_BATCH, check_back
from messaging.errors import MessageNotFound
from messaging.models import Message
from messaging.registry import Answer
from messaging.services import HalfMessageGone, abort, check_again, send_again
from messaging.tests.judged import RACE, Judge, make_half, row, states

pytestmark = pytest.mark.django_db


# What the check-back does


@pytest.mark.parametrize(("answer", "state"), [(Answer.SUBMIT, "ready"), (Answer.ABORT, "aborted")])
def test_check_back_decides(topic, answer, state):
    judge = topic(Judge(answer))
    due, young = make_half("due"), make_half("young", deliver_at=later(1))

    assert check_back(now=NOW) == 1

    assert judge.calls == [["due"]]
    assert (row(due).state, due.checks, due.deliver_at) == (state, 1, NOW)
    assert (row(young).state, young.checks) == ("half", 0)
    assert check_back(now=NOW) == 0


def test_check_back_asks_again_every_interval_and_gives_up_after_the_last_one(topic):
    topic(Judge(None))
    half, now = make_half(), NOW

    for checks in range(1, settings.MESSAGE_CHECKS):
        assert check_back(now=now) == 1
        assert (row(half).state, half.checks) == ("half", checks)
        assert half.deliver_at == now + timedelta(seconds=settings.MESSAGE_CHECK_SECONDS)
        assert check_back(now=now) == 0
        now = half.deliver_at
    check_back(now=now)

    assert (row(half).state, half.died_half) == ("dead", True)
    assert half.last_error == f"the check gave up after {settings.MESSAGE_CHECKS} times: no answer"


@RACE
@pytest.mark.parametrize(("carried_out", "told"), [(True, ["message_dead"]), (False, [])])
def test_half_message_is_told_to_be_dead_when_it_is(topic, caplog, carried_out, told):
    topic(Judge(None))
    half = make_half(checks=settings.MESSAGE_CHECKS - 1)

    if carried_out:
        check_back(now=NOW)
    else:
        with LostCommit(carried_out=False, error=OperationalError(2013, "Lost connection")):
            assert check_back(now=NOW) == 0

    assert row(half).state == ("dead" if carried_out else "half")
    assert [record.msg["event"] for record in caplog.records if record.levelname == "ERROR"] == told


def test_a_dead_half_message_is_checked_again_and_never_sent_again(topic):
    topic(Judge(Answer.SUBMIT))
    half = make_half(state="dead", died_half=True, checks=15)

    with pytest.raises(MessageNotFound):
        send_again(message_ids=[half.pk], now=NOW)
    assert check_again(message_ids=[half.pk], now=NOW) == 1

    assert (row(half).state, half.checks, half.died_half) == ("half", 0, False)
    check_back(now=NOW)
    assert row(half).state == "ready"


def test_a_dead_delivery_is_not_checked_again():
    dead = make_message(state="dead", attempts=17)

    with pytest.raises(MessageNotFound):
        check_again(message_ids=[dead.pk], now=NOW)

    assert row(dead).state == "dead"


def test_a_check_that_raises_harms_no_neighbour(topic):
    judge = topic(Judge(Answer.SUBMIT, bad=["c"]))
    for key in "abcde":
        make_half(key)

    check_back(now=NOW)

    assert states() == {"a": "ready", "b": "ready", "c": "half", "d": "ready", "e": "ready"}
    bad = Message.objects.get(key="c")
    assert (bad.checks, bad.last_error) == (1, "ConnectionError('no answer today')")
    assert judge.calls[0] == list("abcde")


def test_a_half_message_that_nobody_knows_waits_a_day_for_newer_code(topic):
    topic(Judge(Answer.SUBMIT))
    stranger, newer = make_half("a", topic="nobody_takes_it"), make_half("b", payload={"v": 2})

    for seconds in range(0, 20 * 60, 30):
        check_back(now=later(seconds))
    assert [(row(half).state, half.checks, half.last_error) for half in (stranger, newer)] == [
        ("half", 0, "no check yet")
    ] * 2

    check_back(now=later(86_401))
    assert [(row(half).state, half.died_half) for half in (stranger, newer)] == [("dead", True)] * 2


def test_check_back_takes_bounded_steps(topic):
    topic(Judge(Answer.ABORT))
    Message.objects.bulk_create(
        Message(topic="topic", key=str(n), payload={"v": 1}, state="half", deliver_at=NOW)
        for n in range(CHECK_BATCH + 1)
    )

    assert [check_back(now=NOW) for _ in range(3)] == [CHECK_BATCH, 1, 0]


def test_check_back_takes_few_statements_for_many_messages(topic, django_assert_max_num_queries):
    topic(Judge(Answer.SUBMIT))
    for key in range(50):
        make_half(str(key))

    with django_assert_max_num_queries(8):
        check_back(now=NOW)


# Races: both sides on connections of their own


@RACE
@pytest.mark.servers
def test_check_back_leaves_a_message_whose_local_transaction_is_open_and_waits_for_no_lock(topic):
    judge = topic(Judge(Answer.SUBMIT))
    half = make_half()

    def local_transaction() -> None:
        with transaction.atomic():
            abort([half.pk])
            Receiver()([half])  # its effect

    with Parked(local_transaction, at="INSERT INTO auth_group"):
        assert check_back(now=NOW) == 0
        assert judge.calls == []

    assert (row(half).state, received()) == ("aborted", ["5"])


@RACE
@pytest.mark.servers
def test_a_local_transaction_that_comes_after_the_check_has_no_effect(topic):
    topic(Judge(Answer.SUBMIT))
    half = make_half()

    def local_transaction() -> None:
        with transaction.atomic():
            abort([half.pk])
            Receiver()([half])

    with Parked(local_transaction, at="UPDATE messaging_message") as sender:
        assert check_back(now=NOW) == 1
        with pytest.raises(HalfMessageGone):
            sender.go()

    assert (row(half).state, received()) == ("ready", [])


@RACE
@pytest.mark.servers
def test_two_sweeps_check_a_message_once(topic):
    judge = topic(Judge(Answer.SUBMIT))
    make_half()

    with Parked(lambda: check_back(now=NOW), at="UPDATE messaging_message SET") as first:
        with Background(lambda: check_back(now=NOW)) as second:
            assert second.result() == 0
        assert first.go() == 1

    assert judge.calls == [["5"]]
