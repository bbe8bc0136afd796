"""What the Celery worker consumes with: `CELERY_WORKER_CONSUMER` names it."""

import time
from typing import Any

from celery.worker.consumer import Consumer

PAUSE_SECONDS = 2.0


class PatientConsumer(Consumer):
    """Waits before it connects anew.

    To a broker that answers and refuses writes (a replica; a master without its replicas) it would otherwise come back
    six times a second, and write an error each time, once a second with a traceback.
    """

    def on_connection_error_before_connected(self, exc: Any) -> None:
        super().on_connection_error_before_connected(exc)
        time.sleep(PAUSE_SECONDS)

    def on_connection_error_after_connected(self, exc: Any) -> None:
        super().on_connection_error_after_connected(exc)
        time.sleep(PAUSE_SECONDS)
