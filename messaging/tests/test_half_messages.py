"""Half messages: stored first, decided by their sender."""

from datetime import timedelta

import pytest
from django.db import transaction

from lab.kit.factories import later
from lab.kit.message_rows import Receiver
from messaging.models import Message
from messaging.relay import deliver_due
from messaging.services import Draft, HalfMessageGone, abort, prepare_many, submit
from messaging.tests.judged import RACE, Judge, make_half, row, states

pytestmark = pytest.mark.django_db


def test_prepare_stores_a_half_message_that_is_not_delivered(settings):
    settings.MESSAGE_FIRST_CHECK_SECONDS = 3600
    (message_id,) = prepare_many([Draft("topic", "5", {"order_id": "5"})])

    message = Message.objects.get(pk=message_id)
    assert (message.state, message.payload) == ("half", {"v": 1, "order_id": "5"})
    assert timedelta(minutes=55) < message.deliver_at - message.created_at < timedelta(minutes=65)
    assert deliver_due(now=later(10**6)) == 0


@RACE
def test_prepare_inside_a_transaction_is_refused():
    with pytest.raises(RuntimeError), transaction.atomic():
        prepare_many([Draft("topic", "5", {})])

    assert not Message.objects.exists()


def test_prepare_many_returns_the_ids_in_order():
    message_ids = prepare_many([Draft("topic", key, {}) for key in ("c", "a", "b")])

    assert [Message.objects.get(pk=message_id).key for message_id in message_ids] == ["c", "a", "b"]


def test_submit_lets_half_messages_be_delivered_once(topic):
    receiver = Receiver()
    topic(Judge(None), receiver)
    (message_id,) = prepare_many([Draft("topic", "5", {})])

    assert (submit([message_id]), submit([message_id])) == (1, 0)

    message = Message.objects.get(pk=message_id)
    assert deliver_due(now=message.deliver_at) == 1
    assert (receiver.calls, row(message).state) == ([["5"]], "done")


def test_abort_withdraws_half_messages():
    message_ids = prepare_many([Draft("topic", key, {}) for key in "ab"])

    with transaction.atomic():
        abort(message_ids)

    assert states() == {"a": "aborted", "b": "aborted"}
    assert submit(message_ids) == 0


@RACE
@pytest.mark.parametrize("decided", ["ready", "aborted", "dead", "done"])
def test_abort_of_a_decided_message_is_refused_with_all_of_its_transaction(decided):
    half, gone = make_half("half"), make_half("gone", state=decided)

    with pytest.raises(HalfMessageGone), transaction.atomic():
        abort([half.pk, gone.pk])

    assert states() == {"half": "half", "gone": decided}
