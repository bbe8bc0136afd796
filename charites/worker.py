"""What the Celery worker consumes with: `CELERY_WORKER_CONSUMER` names it."""

import select
import time
from typing import Any

from celery.worker.consumer import Consumer, delayed_delivery
from redis.exceptions import ConnectionError as NoAnswer

PAUSE_SECONDS = 2.0
# Redis answers the wait for a message every second. A silence of so long is noticed before an acknowledgement is given
# up (`socket_timeout`, 5 s): one that was lost would keep its place among those that a worker takes at once, for good.
SILENT_SECONDS, LOOK_SECONDS = 3.5, 1.0
# When it connects, a worker declares what keeps countdowns at every node of a cluster. One is enough, and one that is
# dead is asked once: in the third of a minute for which Celery would ask it again, nothing wakes the worker, and with
# two such nodes RabbitMQ ends the connection for its silence, and all of it begins anew.
delayed_delivery.MAX_RETRIES = 0


class PatientConsumer(Consumer):
    """Waits before it connects anew, and leaves a Redis that hangs.

    To a broker that answers and refuses writes (a replica; a master without its replicas) it would otherwise come back
    six times a second, and write an error each time, once a second with a traceback. From one that keeps connections
    and answers nothing it would hear nothing for most of a minute.
    """

    _looking: Any = None

    def on_connection_error_before_connected(self, exc: Any) -> None:
        super().on_connection_error_before_connected(exc)
        time.sleep(PAUSE_SECONDS)

    def on_connection_error_after_connected(self, exc: Any) -> None:
        super().on_connection_error_after_connected(exc)
        time.sleep(PAUSE_SECONDS)

    def loop_args(self) -> Any:
        """Called when a loop begins, each time on another connection."""
        if self._looking:
            self._looking.cancel()
        if self.hub:
            self._looking = self.hub.call_repeatedly(LOOK_SECONDS, self.leave_silence)
        return super().loop_args()

    def leave_silence(self) -> None:
        """Raises what ends the loop, which begins again on another connection, where Redis owes an answer for long."""
        cycle = getattr(self.connection.transport, "cycle", None) if self.connection else None
        if cycle and any(map(is_silent, cycle._channels)):
            raise NoAnswer(f"Redis has not answered for {SILENT_SECONDS} s.")


def is_silent(channel: Any) -> bool:
    """Whether a channel of kombu's waits for a message for too long, and no answer lies there that nobody has read."""
    waiting = getattr(channel, "_in_poll", None)
    if not waiting or time.monotonic() - channel._brpop_sent_at < SILENT_SECONDS:
        return False
    socket = waiting._sock
    return socket is not None and not select.select([socket], [], [], 0)[0]
