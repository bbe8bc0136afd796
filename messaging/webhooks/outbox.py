"""What was announced becomes a delivery for each endpoint that wants it."""

import os
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from charites.common.announcements import Announcement
from charites.common.ids import next_ids
from charites.common.transactions import run
from messaging.models import Announced, WebhookDelivery, WebhookEndpoint

SUBSCRIBED_SECONDS = 1.0  # so long a process may not know of a new subscription
BATCH = 50  # rows of Announced, each of up to a few hundred events


class Subscriptions:
    """Which kinds somebody wants, as it was a second ago. One who finds it older reads it anew, while the others go on
    with it."""

    def __init__(self) -> None:
        self.assume(None)

    def assume(self, kinds: frozenset[str] | None) -> None:
        """Takes these for what is wanted now; None: whoever asks next has to read."""
        self._kinds, self._read_at = kinds, time.monotonic()
        self._turn = threading.Lock()

    def wanted(self) -> frozenset[str]:
        """Returns the names of the kinds that an endpoint wants."""
        kinds = self._kinds
        if kinds is None:
            return self._read()
        if time.monotonic() - self._read_at > SUBSCRIBED_SECONDS and self._turn.acquire(blocking=False):
            try:
                return self._read()
            finally:
                self._turn.release()
        return kinds

    def _read(self) -> frozenset[str]:
        read_at = time.monotonic()
        enabled = WebhookEndpoint.objects.filter(is_enabled=True).values_list("kinds", flat=True)
        self._kinds = frozenset(kind for kinds in enabled for kind in kinds)
        self._read_at = read_at
        return self._kinds


_subscriptions = Subscriptions()
os.register_at_fork(after_in_child=lambda: _subscriptions.assume(None))
wanted, assume = _subscriptions.wanted, _subscriptions.assume


def store(announcements: Sequence[Announcement]) -> None:
    """Keeps announcements inside the caller's transaction, as one row."""
    Announced.objects.create(events=[[a.kind.name, a.key, dict(a.data)] for a in announcements])


def spread(*, now: datetime) -> int:
    """Makes deliveries of what was announced; returns how many rows that was. Any number of sweeps may do it: one at a
    time does."""
    waiting = Announced.objects.order_by("pk").values_list("events", flat=True)[:BATCH]
    numbers = next_ids(sum(map(len, waiting)))  # before the transaction; rows for which there are none wait
    if not numbers:
        return 0  # the usual case takes no lock

    def work() -> int:
        locked = list(Announced.objects.select_for_update().order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not locked:
            return 0
        # Once more, now that nobody else spreads: a row may have come in between two that were just locked, and what
        # came before a row of its key has committed by now.
        rows = fitting(Announced.objects.select_for_update().filter(pk__lte=locked[-1]).order_by("pk"), len(numbers))
        WebhookDelivery.objects.bulk_create(deliveries_of(rows, numbers))
        Announced.objects.filter(pk__in=[row.pk for row in rows]).delete()
        return len(rows)

    return run(work, name="spread_events")


def fitting(rows: Iterable[Announced], events: int) -> list[Announced]:
    """The first of the rows, with so many events at most."""
    chosen = []
    for row in rows:
        events -= len(row.events)
        if events < 0:
            break
        chosen.append(row)
    return chosen


def deliveries_of(rows: Sequence[Announced], numbers: Sequence[int]) -> list[WebhookDelivery]:
    """A delivery for each event and each endpoint that wants it, in the order of the events."""
    endpoints = list(WebhookEndpoint.objects.filter(is_enabled=True).order_by("pk"))
    events = [(row.created_at, *event) for row in rows for event in row.events]
    return [
        WebhookDelivery(
            endpoint_id=endpoint.pk, event_id=number, kind=kind, key=key, data=data, happened_at=happened_at
        )
        for number, (happened_at, kind, key, data) in zip(numbers, events, strict=False)  # there may be numbers left
        for endpoint in endpoints
        if kind in endpoint.kinds
    ]
