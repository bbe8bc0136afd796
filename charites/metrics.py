"""What `/metrics` shows: the counters of all processes together, and gauges read from the database."""

import os
from collections.abc import Iterator

import structlog
from django.conf import settings
from django.db import Error
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import REGISTRY, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from charites.common import clock
from charites.health import alive
from messaging.selectors import count_by_state, oldest_due_at
from orders.selectors import oldest_overdue_at

log = structlog.get_logger(__name__)


class StateCollector(Collector):
    """Gauges that are the same whichever process answers, because they come from the database."""

    def collect(self) -> Iterator[Metric]:
        try:
            now = clock.now()
            messages, due = count_by_state(), oldest_due_at(now=now)
            overdue = oldest_overdue_at(now=now) if "orders" in settings.APPS else None
        except Error as error:
            log.warning("metrics_without_database", error=repr(error))
            return
        states = GaugeMetricFamily("charites_messages", "Messages by state.", labels=["state"])
        for state, count in messages.items():
            states.add_metric([state], count)
        yield states
        for name, meaning, since in (
            ("charites_oldest_overdue_order_seconds", "How long the longest overdue unpaid order waits.", overdue),
            ("charites_oldest_due_message_seconds", "How long the longest waiting due message waits.", due),
        ):
            yield GaugeMetricFamily(name, meaning, value=(now - since).total_seconds() if since else 0)


class Heartbeats(Collector):
    """What `/statusz` says of the background processes and of the sweep's loops."""

    def collect(self) -> Iterator[Metric]:
        beats = GaugeMetricFamily("charites_heartbeat", "1: it gave a sign of life lately.", labels=["process"])
        for process, is_alive in alive().items():
            beats.add_metric([process], is_alive)
        yield beats


def exposition() -> bytes:
    """Returns the text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(StateCollector())
    registry.register(Heartbeats())
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY) + generate_latest(registry)
    MultiProcessCollector(registry)
    return generate_latest(registry)
