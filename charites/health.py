"""Whether this deployment can do its work: each dependency and each background process by name."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.core.cache import cache
from django.db import connection
from django_redis import get_redis_connection

from messaging.wakeups import impatient_connection

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 15
BROKER_TIMEOUT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    detail: str


def beat(process: str) -> None:
    """Notes that a background process is alive; best effort, as everything in Redis."""
    cache.set(f"heartbeat:{process}", 1, timeout=HEARTBEAT_SECONDS)


def check_all() -> list[Check]:
    """Checks everything, in a second or two at most."""
    return [
        answers("database", ping_database),
        answers("redis", ping_redis),
        answers("broker", ping_broker),
        beats("worker"),
        beats("sweep"),
    ]


def answers(name: str, ping: Callable[[], None]) -> Check:
    """Whether a dependency answers. What it says when it does not goes to the log, not to the caller."""
    try:
        ping()
    except Exception as error:  # noqa: BLE001 (any failure is the answer)
        log.warning("not_ready", check=name, error=repr(error))
        return Check(name, False, "does not answer")
    return Check(name, True, "answers")


def beats(process: str) -> Check:
    """Whether a background process gave a sign of life lately."""
    alive = bool(cache.get(f"heartbeat:{process}"))
    detail = f"{'heartbeat' if alive else 'no heartbeat'} in the last {HEARTBEAT_SECONDS} s"
    return Check(process, alive, detail)


def ping_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def ping_redis() -> None:
    get_redis_connection("default").ping()


def ping_broker() -> None:
    with impatient_connection() as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=BROKER_TIMEOUT_SECONDS)
