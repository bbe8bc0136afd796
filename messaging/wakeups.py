"""The best-effort wake-ups in front of the sweep; the only caller of Celery.

One wake-up per five-second slot: a Celery countdown that carries the slot and no ids, so that ten thousand orders of
one slot cost one task. It is set from a thread of its own with a bounded queue and half-second time-outs: a broker that
hangs delays no order. When it cannot be set, that is counted and forgotten; the sweep does the work a second later.
The reason is in docs/adr/0004-wake-up-per-slot.md.
"""

import os
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context, copy_context
from datetime import UTC, datetime
from typing import Any

import structlog
from celery import Celery, current_app
from django.core.cache import cache
from kombu import Connection
from prometheus_client import Counter

from charites.common import clock, tracing

log = structlog.get_logger(__name__)

SLOT_SECONDS = 5
QUEUE_LENGTH = 256
REMEMBERED_SLOTS = 1024
TIMEOUT_SECONDS = 0.5
# By what the client of each broker calls them. RabbitMQ confirms: without that, a wake-up that it refused, or for which
# it has no queue, would count as set.
IMPATIENCE: dict[str, dict[str, Any]] = {
    "redis": {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS},
    "amqp": {"read_timeout": TIMEOUT_SECONDS, "write_timeout": TIMEOUT_SECONDS, "confirm_publish": True},
}

WAKE_UPS = Counter("charites_wakeups", "Wake-ups for time slots.", ["outcome"])


class WakeUps:
    """Sets wake-ups in the background. One instance per process; the thread starts with the first wake-up."""

    def __init__(self, publish: Callable[[str, int], None]) -> None:
        self._publish = publish
        self.forget()

    def forget(self) -> None:
        """Starts from nothing. A forked child does: it has no thread, and nobody there would open the lock."""
        self._mutex = threading.Lock()
        self._is_running = False
        self._queue: queue.Queue[tuple[str, int, Context]] = queue.Queue(QUEUE_LENGTH)
        self._asked: OrderedDict[tuple[str, int], None] = OrderedDict()

    def set(self, task: str, at: datetime) -> None:
        """Asks for `task` to run when the slot of `at` has passed. Returns at once and never raises."""
        wake_up = (task, int(at.timestamp()) // SLOT_SECONDS)
        with self._mutex:
            if wake_up in self._asked:
                return
            self._asked[wake_up] = None
            if len(self._asked) > REMEMBERED_SLOTS:
                self._asked.popitem(last=False)
            try:
                self._start_thread()
                self._queue.put_nowait((*wake_up, copy_context()))
            except (queue.Full, RuntimeError):  # RuntimeError: this machine has no thread left
                WAKE_UPS.labels("dropped").inc()

    def _start_thread(self) -> None:
        if not self._is_running:
            threading.Thread(target=self._run, name="wakeups", daemon=True).start()
            self._is_running = True

    def _run(self) -> None:
        while True:
            task, slot, context = self._queue.get()
            try:
                # Many processes see the same slot; the first one sets the wake-up. Without Redis nobody does.
                first = cache.add(f"wake-up:{task}:{slot}", 1, timeout=24 * 3600)
                if first:
                    context.run(self._publish, task, slot)
                WAKE_UPS.labels("set" if first else "left").inc()
            except Exception as error:  # noqa: BLE001 (a wake-up is never worth more than a count)
                WAKE_UPS.labels("failed").inc()
                log.warning("wake_up_failed", task=task, slot=slot, error=repr(error))
            finally:
                self._queue.task_done()


def impatient_connection() -> Connection:
    """Returns a connection to the broker, not yet open, on which no step takes longer than half a second.

    Each of several addresses is tried: the first one may be of a node that is gone, and answers nothing.
    """
    app: Celery = current_app._get_current_object()
    connection: Connection = app.connection_for_write(connect_timeout=TIMEOUT_SECONDS)
    addresses = max(1, len(connection.alt))
    connection.transport_options = {
        **app.conf.broker_transport_options,
        **IMPATIENCE[connection.transport.driver_type],
        "max_retries": max(1, addresses - 1),
        "interval_start": 0,
        "interval_max": 0,
        "connect_retries_timeout": TIMEOUT_SECONDS * addresses,
    }
    return connection


def ping() -> None:
    """Raises what kombu or the broker's client raises when no address answers in time."""
    with impatient_connection() as connection:
        options = connection.transport_options
        connection.ensure_connection(
            max_retries=options["max_retries"],
            interval_start=0,
            interval_step=0,
            timeout=options["connect_retries_timeout"],
        )


def publish(task: str, slot: int) -> None:
    """Sends the countdown, and returns when the broker has it. Raises what Celery, kombu or the broker's client raises.

    Such an error includes RabbitMQ's 404 as long as no worker has made the delayed queues.
    """
    app: Celery = current_app._get_current_object()
    kwargs = {"slot": slot, **tracing.carried()}
    eta = datetime.fromtimestamp((slot + 1) * SLOT_SECONDS, tz=UTC)
    connection = impatient_connection()
    try:
        app.send_task(task, kwargs=kwargs, eta=eta, connection=connection, retry=False, confirm_timeout=TIMEOUT_SECONDS)
    except BaseException:
        drop(connection)
        raise
    connection.release()  # type: ignore[no-untyped-call]


def drop(connection: Connection) -> None:
    """Frees what a failed connection holds, without a farewell for whose answer it would wait."""
    transport = connection.transport
    connection.collect()  # type: ignore[no-untyped-call]
    if transport.driver_type == "redis":
        transport.cycle.poller.close()  # kombu leaves it open until its garbage is collected


_wakeups = WakeUps(publish)
os.register_at_fork(after_in_child=_wakeups.forget)


def wake_up_at(task: str, at: datetime) -> None:
    """Asks for a Celery task to run soon after `at`, best effort; not for the past, where the sweep looks already.

    Call it after commit.
    """
    if at > clock.now():
        _wakeups.set(task, at)
