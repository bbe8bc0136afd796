"""The Celery app. It is only an alarm clock: every task calls a function that the sweep calls anyway."""

import os
from typing import Any

from celery import Celery
from celery.signals import heartbeat_sent, worker_ready
from kombu.transport.redis import QoS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")

app = Celery("charites")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# When a connection ends, kombu's Redis transport gives back the countdowns that the worker holds. If the connection is
# broken it fails, with an error that ends the whole worker. The rows are the truth: an alarm that stays behind is only
# late, and the sweep is there.
QoS.restore_at_shutdown = False


@worker_ready.connect
def begin_to_beat(**kwargs: Any) -> None:
    """Not earlier: the first heartbeats are sent before the worker has made the queues of its countdowns."""
    heartbeat_sent.connect(beat)
    beat()


def beat(**kwargs: Any) -> None:
    """Tells `/readyz` that a worker is alive, every other second."""
    from charites import health  # noqa: PLC0415 (Django is set up only now)

    health.beat("worker")
