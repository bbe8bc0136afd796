"""The Celery app. It only wakes up: every task calls a function that the sweep calls anyway."""

import os
import threading
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, heartbeat_sent, worker_ready
from kombu import compression
from kombu.exceptions import ContentDisallowed
from kombu.transport.redis import QoS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")

app = Celery("charites")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# When a connection ends, kombu's Redis transport gives back the countdowns that the worker holds. If the connection is
# broken it fails, with an error that ends the whole worker. The rows are the truth: a wake-up that stays behind is only
# late, and the sweep is there.
QoS.restore_at_shutdown = False


def refuse_packed(body: bytes) -> bytes:
    """kombu would unpack what says that it is packed, into however much memory that takes. No wake-up is packed."""
    raise ContentDisallowed("packed")


for packing in compression.encoders():
    compression.register(compression.get_encoder(packing)[0], refuse_packed, packing)


@app.on_configure.connect
def load_settings(**kwargs: Any) -> None:
    """Celery would show a traceback of settings that are wrong."""
    from django.conf import settings  # noqa: PLC0415

    from charites.start import refusals  # noqa: PLC0415

    with refusals():
        settings.INSTALLED_APPS  # noqa: B018 (loads them)


@celeryd_init.connect
def refuse_to_start(**kwargs: Any) -> None:
    """Before the worker takes anything."""
    from charites.start import prepare_to_serve  # noqa: PLC0415 (only a worker of this app serves)

    prepare_to_serve()
    from charites.counters import show_counters  # noqa: PLC0415 (needs what has just been loaded)

    show_counters()


is_ready = threading.Event()


@worker_ready.connect
def begin_to_beat(**kwargs: Any) -> None:
    """The first heartbeats are sent before the worker has made the queues of its countdowns; they do not count."""
    is_ready.set()
    beat()


@heartbeat_sent.connect  # here and now: a worker that finds nobody connected when it starts never sends it
def beat(**kwargs: Any) -> None:
    """Tells `/statusz` that a worker is alive, every other second."""
    from charites import health  # noqa: PLC0415 (Django is set up only now)

    if is_ready.is_set():
        health.beat("worker")
