"""What delivering messages reads, and deciding about half ones."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from charites.tests.plans.shop import BATCH, FEW, PLANS
from messaging import check_back, relay
from messaging import selectors as messages
from messaging.services import Draft, abort, prepare_many, publish_many, submit

pytestmark = PLANS


def test_delivery_reads_few_messages_however_many_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "PURGE_STEP", 100)
    now = timezone.now()
    with transaction.atomic():
        publish_many([Draft("payment_notify", "5", {})])

    assert relay.deliver_due(now=now) > 0
    assert relay.hold_unknown(now=now) == 0
    assert messages.oldest_due_at(now=now) is not None
    assert messages.list_by_key(topic="payment_notify", key="5")
    assert sum(messages.count_by_state().values()) > FEW
    assert relay.purge(now=now + timedelta(days=8)) == relay.PURGE_STEP


def test_half_messages_are_decided_by_reading_few_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_back, "CHECK_BATCH", BATCH)
    first, second = (prepare_many([Draft("topic", str(n), {}) for n in range(BATCH)]) for _ in range(2))

    assert submit(first) == BATCH
    with transaction.atomic():
        abort(second)
    assert check_back.check_back(now=timezone.now() + timedelta(days=1)) > 0
