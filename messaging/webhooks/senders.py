"""The threads of a sweep that work for webhook endpoints: one that hangs holds up no other."""

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

THREADS = 16  # endpoints that are worked for at once, by one sweep
LOOK_SECONDS = 0.5
KEEP_FINISHED = timedelta(days=7)
PURGE_STEP = 500


class Senders:
    """One a sweep."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks")
        self._running: dict[int, Future[int]] = {}

    def round(self, *, now: datetime) -> int:
        """Spreads what was announced, and sets threads to work that are free; returns how much was done since the last
        round."""
        done = spread(now=now)
        if free := THREADS - len(self._running):
            for endpoint_id in sending.list_due(now=now, limit=2 * THREADS):
                if endpoint_id not in self._running and free:
                    self._running[endpoint_id] = self._pool.submit(in_thread, endpoint_id, now)
                    free -= 1
        if self._running:
            wait(self._running.values(), timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
        return done + self._reap()

    def finish(self, *, now: datetime) -> int:
        """Rounds until nothing is left that is due."""
        done = 0
        while (more := self.round(now=now)) or self._running:
            done += more
        return done

    def _reap(self) -> int:
        ended = {endpoint_id: work for endpoint_id, work in self._running.items() if work.done()}
        for endpoint_id, work in ended.items():
            del self._running[endpoint_id]
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
