"""Counts stop at a bound, and read an index on their way to it; one that lost its index is seen by these tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from charites.tests.plans.shop import FEW, PLANS, faults_of
from lab.kit.plans import Sent
from messaging import selectors as messages
from messaging.models import Message
from orders import selectors as orders
from orders.models import Order, Payment, Refund

pytestmark = PLANS

MOST = FEW // 4
COUNTS: dict[str, tuple[type[Model], Callable[[], Any]]] = {
    "dead messages": (Message, lambda: messages.count_dead(most=MOST)),
    "refunds not made yet": (Refund, lambda: orders.count_unsent_refunds(most=MOST)),
    "overdue orders": (Order, lambda: orders.count_due(now=timezone.now() + timedelta(days=99))),
    "messages by state": (Message, messages.count_by_state),
    "payments by status": (Payment, orders.count_payments_by_status),
    "refunds by status": (Refund, orders.count_refunds_by_status),
}


@contextmanager
def without_indexes(model: type[Model]) -> Iterator[None]:
    with connection.schema_editor() as editor:
        for index in model._meta.indexes:
            editor.remove_index(model, index)
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            for index in model._meta.indexes:
                editor.add_index(model, index)


@pytest.mark.parametrize("name", COUNTS)
def test_count_that_lost_its_index_is_seen(name: str, sent: list[Sent]) -> None:
    model, count = COUNTS[name]

    with without_indexes(model):
        count()
    (found,) = faults_of(sent)

    assert f"{model._meta.db_table}: ALL by None" in found
    sent.clear()
    count()  # with its index it is as it should be
