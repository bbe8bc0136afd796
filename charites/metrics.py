"""What `/metrics` shows: the counters of all processes together, and the state that is read from the database.

The state is the same whichever process answers. It is read at most every FRESH_SECONDS, by one process for all, in a
thread that nobody waits longer for than WAIT_SECONDS: a database that hangs costs these numbers, and nothing else.
"""

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import Error, connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import REGISTRY, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from charites import health
from charites.audit import Result
from charites.common import clock
from charites.health import alive
from messaging.selectors import count_by_state, oldest_due_at
from messaging.webhooks import reading
from orders import selectors

log = structlog.get_logger(__name__)

FRESH_SECONDS, WAIT_SECONDS = 5.0, 1.0
STALE_SECONDS = 60.0  # an older state is not shown
READING, READ, AUDIT = "metrics:reading", "metrics:read", "metrics:audit"
ONLY = ""  # the label of a number that stands alone

State = Mapping[str, Mapping[str, float]]  # name -> label -> value


class Shown(NamedTuple):
    """What a number of the state means, and the name of its label."""

    meaning: str
    label: str = ""


STATE = {
    "charites_ready": Shown("Whether what the shop needs answers (1), as /statusz says it.", "check"),
    "charites_messages": Shown("Messages by state, 10,000 at most.", "state"),
    "charites_payments_by_status": Shown("Payments by status, 10,000 at most.", "status"),
    "charites_refunds_by_status": Shown("Refunds by status, 10,000 at most.", "status"),
    "charites_due_orders": Shown("Unpaid orders whose time is up, 10,000 at most."),
    "charites_oldest_overdue_order_seconds": Shown("How long the longest overdue unpaid order waits."),
    "charites_oldest_due_message_seconds": Shown("How long the longest waiting due message waits."),
    "charites_oldest_webhook_seconds": Shown("How long the oldest event waits for a webhook endpoint that is on."),
    "charites_last_order_timestamp_seconds": Shown("When the newest order was placed."),
    "charites_audit_findings": Shown("What the last audit found, and did not have to."),
    "charites_audit_timestamp_seconds": Shown("When the last audit ran."),
}


def read_state() -> State:
    """Reads all of it; without a database what does not need one."""
    state = {"charites_ready": {check.name: float(check.ok) for check in health.check_all()}, **read_audit()}
    try:
        now = clock.now()
        state |= read_messages(now) | (read_orders(now) if "orders" in settings.APPS else {})
    except Error as error:
        log.warning("metrics_without_database", error=repr(error))
    return state


def read_messages(now: datetime) -> dict[str, dict[str, float]]:
    return {
        "charites_messages": {**count_by_state()},
        "charites_oldest_due_message_seconds": {ONLY: seconds_since(oldest_due_at(now=now), now)},
        "charites_oldest_webhook_seconds": {ONLY: seconds_since(reading.oldest_waiting_at(), now)},
    }


def read_orders(now: datetime) -> dict[str, dict[str, float]]:
    placed_at = selectors.last_placed_at()
    return {
        "charites_payments_by_status": {**selectors.count_payments_by_status()},
        "charites_refunds_by_status": {**selectors.count_refunds_by_status()},
        "charites_due_orders": {ONLY: selectors.count_due(now=now)},
        "charites_oldest_overdue_order_seconds": {ONLY: seconds_since(selectors.oldest_overdue_at(now=now), now)},
        "charites_last_order_timestamp_seconds": {ONLY: placed_at.timestamp()} if placed_at else {},
    }


def seconds_since(moment: datetime | None, now: datetime) -> float:
    return (now - moment).total_seconds() if moment else 0.0


def note_audit(results: Sequence[Result], now: datetime) -> None:
    """Keeps what an audit found, for whoever watches; best effort, as everything in Redis."""
    found = {"findings": sum(result.total for result in results), "at": now.timestamp()}
    cache.set(AUDIT, found, timeout=None)


def read_audit() -> dict[str, dict[str, float]]:
    """The last audit, unless it is forgotten."""
    found = cache.get(AUDIT)
    if not found:
        return {}
    return {
        "charites_audit_findings": {ONLY: found["findings"]},
        "charites_audit_timestamp_seconds": {ONLY: found["at"]},
    }


def read_for_all() -> State:
    """Reads the state, unless another process has just done so. Without Redis each reads for itself."""
    if not cache.add(READING, 1, timeout=FRESH_SECONDS) and (found := cache.get(READ)):
        return found
    state = read_state()
    cache.set(READ, state, timeout=STALE_SECONDS)
    return state


class StateReader:
    """Reads the state in the background, one reading at a time."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Starts from nothing. A forked child does: it has no thread."""
        self._mutex = threading.Lock()
        self._reading: threading.Thread | None = None
        self._state: State = {}
        self._read_at = -STALE_SECONDS

    def latest(self) -> State:
        """Returns the state as it was a few seconds ago; empty when nobody could tell for a while."""
        with self._mutex:
            is_fresh = time.monotonic() - self._read_at < FRESH_SECONDS
            if not is_fresh and not (self._reading and self._reading.is_alive()):
                self._reading = threading.Thread(target=self._read, name="metrics", daemon=True)
                self._reading.start()
            reading = self._reading
        if reading:
            reading.join(WAIT_SECONDS)
        return self._state if time.monotonic() - self._read_at < STALE_SECONDS else {}

    def _read(self) -> None:
        try:
            self._state = read_for_all()
            self._read_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 (who watches sees the counters at least)
            log.warning("metrics_without_state", error=repr(error))
        finally:
            connection.close()


READER = StateReader()
os.register_at_fork(after_in_child=READER.forget)


class StateCollector(Collector):
    """The state as gauges."""

    def collect(self) -> Iterator[Metric]:
        for name, values in READER.latest().items():
            shown = STATE[name]
            gauge = GaugeMetricFamily(name, shown.meaning, labels=[shown.label] if shown.label else [])
            for label, value in values.items():
                gauge.add_metric([label] if shown.label else [], value)
            yield gauge


class Heartbeats(Collector):
    """What `/statusz` says of the background processes and of the sweep's loops."""

    def collect(self) -> Iterator[Metric]:
        beats = GaugeMetricFamily("charites_heartbeat", "1: it gave a sign of life lately.", labels=["process"])
        for process, is_alive in alive().items():
            beats.add_metric([process], is_alive)
        yield beats


def exposition() -> bytes:
    """Returns the text that Prometheus reads: counters, and the state."""
    registry = CollectorRegistry()
    registry.register(StateCollector())
    registry.register(Heartbeats())
    return counters() + generate_latest(registry)


def counters() -> bytes:
    """Returns what was counted here: by all processes that share METRICS_DIR, or by this one."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    forget_the_dead(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)


def forget_the_dead(folder: Path) -> None:
    """Leaves out the queues of processes that have ended: nobody waits in them any more."""
    for number in {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*.db")}:
        if not is_alive(int(number)):
            with suppress(FileNotFoundError):  # somebody else looks, too
                mark_process_dead(int(number))


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
