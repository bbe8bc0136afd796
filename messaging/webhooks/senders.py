"""The threads of a sweep that work for webhook endpoints. Those that fail or are slow have threads of their own: a
thousand of them hold up none that is quick."""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import structlog
from django.db import close_old_connections, connection

from charites.common.transactions import run
from messaging.models import WebhookDelivery, WebhookEndpoint
from messaging.webhooks import sending
from messaging.webhooks.outbox import spread

log = structlog.get_logger(__name__)
State = WebhookDelivery.State

THREADS = 12  # endpoints that are worked for at once, by one sweep
PATIENT_THREADS = 8  # and that fail or are slow
SLOW_SECONDS = 2.0  # for a portion
SPREADS = 10  # transactions that spread, a round
LOOK_SECONDS = 0.5
KEEP_FINISHED = timedelta(days=7)
KEEP_WAITING = timedelta(days=30)  # for an endpoint that is off
PURGE_STEP = 500


class Worked(NamedTuple):
    """What a thread has done for an endpoint."""

    taken: int
    seconds: float


class Senders:
    """One a sweep."""

    def __init__(self) -> None:
        self.slow: set[int] = set()  # endpoints, as they were when they were worked for last
        self._crews = [Crew(THREADS, self.slow), Crew(PATIENT_THREADS, self.slow, is_patient=True)]

    def round(self, *, now: datetime) -> int:
        """Spreads what was announced, and sets threads to work that are free; returns how much was done since the last
        round."""
        done = spread_some()
        for crew in self._crews:
            crew.send_out(now)
        if self.running:
            wait(self.running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
        return done + sum(crew.reap() for crew in self._crews)

    def finish(self, *, clock: Callable[[], datetime]) -> int:
        """Rounds until one has nothing more to do."""
        done = 0
        while (more := self.round(now=clock())) or self.running:
            done += more
        return done

    @property
    def running(self) -> list[Future[Worked]]:
        return [work for crew in self._crews for work in crew.running.values()]


def spread_some() -> int:
    """Returns how many events were spread: as many as there are, or as a round may take."""
    done = 0
    for _ in range(SPREADS):
        if not (more := spread()):
            break
        done += more
    return done


class Crew:
    """Threads for endpoints that fail or are slow, or for the others."""

    def __init__(self, threads: int, slow: set[int], *, is_patient: bool = False) -> None:
        self.running: dict[int, Future[Worked]] = {}  # by endpoint
        self._threads, self._slow, self._is_patient = threads, slow, is_patient
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="webhooks")

    def send_out(self, now: datetime) -> None:
        """Sets the threads that are free to work."""
        if free := self._threads - len(self.running):
            limit = 2 * self._threads
            due = sending.list_due(now=now, is_held_up=self._is_patient, slow=self._slow, limit=limit)
            for endpoint_id in [found for found in due if found not in self.running][:free]:
                self.running[endpoint_id] = self._pool.submit(in_thread, endpoint_id, now)

    def reap(self) -> int:
        """Returns how much was taken by the endpoints whose threads have ended."""
        ended = {endpoint_id: work for endpoint_id, work in self.running.items() if work.done()}
        taken = 0
        for endpoint_id, work in ended.items():
            del self.running[endpoint_id]
            if error := work.exception():
                log.warning("webhook_round_failed", endpoint=endpoint_id, error=repr(error))
                continue
            taken += work.result().taken
            if work.result().seconds > SLOW_SECONDS:
                self._slow.add(endpoint_id)
            else:
                self._slow.discard(endpoint_id)
        return taken


def in_thread(endpoint_id: int, now: datetime) -> Worked:
    """Works for one endpoint in a pool's thread, whose database connection nobody else would close."""
    begun = time.monotonic()
    close_old_connections()
    try:
        return Worked(sending.serve(endpoint_id, now=now), time.monotonic() - begun)
    finally:
        connection.close()


def purge(*, now: datetime) -> int:
    """Deletes one small step of deliveries that ended more than 7 days ago, whose endpoint was removed, or that wait
    for one that has been off for 30 days; returns how many."""
    ended = State.DONE, State.DEAD
    old = WebhookDelivery.objects.filter(state__in=ended, done_at__lt=now - KEEP_FINISHED).order_by("state", "done_at")
    keys = list(old.values_list("pk", flat=True)[:PURGE_STEP])
    told = set(WebhookDelivery.objects.values_list("endpoint_id", flat=True).distinct())  # read first: none is too new
    if removed := told - set(WebhookEndpoint.objects.values_list("pk", flat=True)):
        keys += WebhookDelivery.objects.filter(endpoint_id__in=removed).values_list("pk", flat=True)[:PURGE_STEP]
    long_off = WebhookEndpoint.objects.filter(is_enabled=False, updated_at__lt=now - KEEP_WAITING)
    if off := list(long_off.values_list("pk", flat=True)):
        waiting = WebhookDelivery.objects.filter(endpoint_id__in=off, state=State.READY)
        keys += waiting.values_list("pk", flat=True)[:PURGE_STEP]
    remove = partial(WebhookDelivery.objects.filter(pk__in=keys).delete)
    return run(lambda: remove()[0], name="purge_deliveries") if keys else 0
