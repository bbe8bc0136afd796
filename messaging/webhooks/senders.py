"""The threads of a sweep that work for webhook endpoints. Those that fail have threads of their own: a thousand of them
that hang hold up none that works."""

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import close_old_connections, connection

from charites.common.transactions import run
from messaging.models import WebhookDelivery, WebhookEndpoint
from messaging.webhooks import sending
from messaging.webhooks.outbox import spread

log = structlog.get_logger(__name__)

THREADS = 12  # endpoints that are worked for at once, by one sweep
FAILING_THREADS = 4  # and that fail
LOOK_SECONDS = 0.5
KEEP_FINISHED = timedelta(days=7)
PURGE_STEP = 500


class Senders:
    """One a sweep."""

    def __init__(self) -> None:
        self._crews = [Crew(THREADS, is_failing=False), Crew(FAILING_THREADS, is_failing=True)]

    def round(self, *, now: datetime) -> int:
        """Spreads what was announced, and sets threads to work that are free; returns how much was done since the last
        round."""
        done = spread(now=now)
        for crew in self._crews:
            crew.send_out(now)
        if self.running:
            wait(self.running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
        return done + sum(crew.reap() for crew in self._crews)

    def finish(self, *, now: datetime) -> int:
        """Rounds until nothing is left that is due."""
        done = 0
        while (more := self.round(now=now)) or self.running:
            done += more
        return done

    @property
    def running(self) -> list[Future[int]]:
        return [work for crew in self._crews for work in crew.running.values()]


class Crew:
    """Threads for endpoints that fail, or for the others."""

    def __init__(self, threads: int, *, is_failing: bool) -> None:
        self.running: dict[int, Future[int]] = {}  # by endpoint
        self._threads, self._is_failing = threads, is_failing
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="webhooks")

    def send_out(self, now: datetime) -> None:
        """Sets the threads that are free to work."""
        if free := self._threads - len(self.running):
            due = sending.list_due(now=now, is_failing=self._is_failing, limit=2 * self._threads)
            for endpoint_id in [found for found in due if found not in self.running][:free]:
                self.running[endpoint_id] = self._pool.submit(in_thread, endpoint_id, now)

    def reap(self) -> int:
        """Returns how much was taken by the endpoints whose threads have ended."""
        ended = {endpoint_id: work for endpoint_id, work in self.running.items() if work.done()}
        for endpoint_id, work in ended.items():
            del self.running[endpoint_id]
            if error := work.exception():
                log.warning("webhook_round_failed", endpoint=endpoint_id, error=repr(error))
        return sum(work.result() for work in ended.values() if not work.exception())


def in_thread(endpoint_id: int, now: datetime) -> int:
    """Works for one endpoint in a pool's thread, whose database connection nobody else would close."""
    close_old_connections()
    try:
        return sending.serve(endpoint_id, now=now)
    finally:
        connection.close()


def purge(*, now: datetime) -> int:
    """Deletes one small step of deliveries that ended more than 7 days ago, or whose endpoint was removed; returns how
    many."""
    ended = WebhookDelivery.State.DONE, WebhookDelivery.State.DEAD
    old = WebhookDelivery.objects.filter(state__in=ended, done_at__lt=now - KEEP_FINISHED).order_by("state", "done_at")
    keys = list(old.values_list("pk", flat=True)[:PURGE_STEP])
    if gone := told_endpoints() - set(WebhookEndpoint.objects.values_list("pk", flat=True)):
        keys += WebhookDelivery.objects.filter(endpoint_id__in=gone).values_list("pk", flat=True)[:PURGE_STEP]
    remove = partial(WebhookDelivery.objects.filter(pk__in=keys).delete)
    return run(lambda: remove()[0], name="purge_deliveries") if keys else 0


def told_endpoints() -> set[int]:
    """Endpoints that have deliveries; looked for before the endpoints themselves, so that a new one is not missed."""
    return set(WebhookDelivery.objects.values_list("endpoint_id", flat=True).distinct())
