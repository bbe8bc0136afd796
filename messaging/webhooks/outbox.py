"""What was announced becomes a delivery for each endpoint that wants it."""

import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from django.db import connection

from charites.common.announcements import KINDS, Announcement, Data
from charites.common.ids import next_ids
from charites.common.rows import as_json, for_database
from charites.common.transactions import run
from messaging.models import Announced, WebhookDelivery, WebhookEndpoint

STORE = "INSERT INTO messaging_announced (created_at, events) VALUES ({now}, %s)"
log = structlog.get_logger(__name__)

SUBSCRIBED_SECONDS = 1.0  # so long a process may not know of a new subscription
ROWS = 50  # of Announced that are looked at, each of up to a few hundred events
MOST_EVENTS, MOST_DELIVERIES = 500, 2_000  # of one transaction: it is short, however many endpoints there are
INSERTED = 500  # by one statement


class Event(NamedTuple):
    """Something that happened. `data`: None where its kind reads it."""

    happened_at: datetime
    kind: str
    key: str
    data: Data | None


class Subscriptions:
    """Which kinds somebody wants, as it was a second ago. One who finds it older reads it anew, while the others go on
    with it."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """As new: in the child of a fork, whoever held the lock is not there."""
        self._turn = threading.Lock()
        self.assume(None)

    def assume(self, kinds: frozenset[str] | None) -> None:
        """Takes these for what is wanted now; None: whoever asks next has to read."""
        self._kinds, self._read_at = kinds, time.monotonic()

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
os.register_at_fork(after_in_child=_subscriptions.forget)
wanted, assume = _subscriptions.wanted, _subscriptions.assume


def store(announcements: Sequence[Announcement]) -> None:
    """Keeps announcements inside the caller's transaction, as one row: buyers wait for it."""
    events = as_json([(a.kind.name, a.key, a.data) for a in announcements])
    with connection.cursor() as cursor:
        cursor.execute(for_database(STORE, connection.vendor), [events])


def spread() -> int:
    """Makes deliveries of what was announced first; returns how many events that was. Any number of sweeps may do it:
    one at a time does."""
    if not Announced.objects.exists():
        return 0  # the usual case takes no lock
    numbers = next_ids(MOST_EVENTS)  # before the transaction; some are left over

    def work() -> int:
        locked = list(Announced.objects.select_for_update().order_by("pk").values_list("pk", flat=True)[:ROWS])
        if not locked:
            return 0
        # Once more, now that nobody else spreads: a row may have come in between two that were just locked, and what
        # came before a row of its key has committed by now.
        rows = list(Announced.objects.select_for_update().filter(pk__lte=locked[-1]).order_by("pk"))
        endpoints = list(WebhookEndpoint.objects.filter(is_enabled=True).order_by("pk"))
        events = take_events(rows, Counter(kind for endpoint in endpoints for kind in endpoint.kinds))
        deliveries = deliveries_of(list(with_data(events)), endpoints, numbers)
        WebhookDelivery.objects.bulk_create(deliveries, batch_size=INSERTED)
        Announced.objects.filter(pk__in=[row.pk for row in rows if not row.events]).delete()
        return len(events)

    return run(work, name="spread_events")


def take_events(rows: Sequence[Announced], wanting: Mapping[str, int]) -> list[Event]:
    """Takes the first events out of the rows, and returns them. A row that keeps some is written. `wanting`: kind ->
    how many endpoints want it."""
    taken: list[Event] = []
    deliveries = 0
    for row in rows:
        for number, (kind, key, data) in enumerate(row.events):
            deliveries += wanting[kind]
            if taken and (deliveries > MOST_DELIVERIES or len(taken) == MOST_EVENTS):
                if number:
                    row.events = row.events[number:]
                    row.save(update_fields=["events"])
                return taken
            taken.append(Event(row.created_at, kind, key, data))
        row.events = []
    return taken


def with_data(events: Sequence[Event]) -> Iterator[Event]:
    """The same events; those that were kept as their keys with what is told of them, read at once for each kind."""
    keys: dict[str, list[str]] = defaultdict(list)
    for event in events:
        if event.data is None:
            keys[event.kind].append(event.key)
    found = {kind: read(keys[kind]) for kind in keys if kind in KINDS and (read := KINDS[kind].read)}
    for event in events:
        data = event.data if event.data is not None else found.get(event.kind, {}).get(event.key)
        if data is None:
            log.error("webhook_event_without_its_row", kind=event.kind, key=event.key)
        else:
            yield event._replace(data=data)


def deliveries_of(
    events: Sequence[Event], endpoints: Sequence[WebhookEndpoint], numbers: Sequence[int]
) -> list[WebhookDelivery]:
    """A delivery for each event and each endpoint that wants it, in the order of the events."""
    return [
        WebhookDelivery(
            endpoint_id=endpoint.pk,
            event_id=number,
            kind=event.kind,
            key=event.key,
            data=event.data,
            happened_at=event.happened_at,
        )
        for number, event in zip(numbers, events, strict=False)  # there may be numbers left
        for endpoint in endpoints
        if event.kind in endpoint.kinds
    ]
