"""Whether this process can place an order now, for balancers, and each dependency and background process by name, for
operators."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.core.cache import cache
from django_redis import get_redis_connection

from charites.common import draining
from charites.common.writable import ReadOnly, ping_database
from messaging import wakeups
from messaging.broker import chosen

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 15
ROUND_SECONDS = 60  # a loop of the sweep ends a round each second, and a long one within this
# Of the sweep. In the split form another service's sweep looks after the orders.
LOOPS = [
    *(["close"] if "orders" in settings.APPS else []),
    *("call", "check", "webhooks", "tidy"),
    *(["send", "receive"] if settings.MEETS_AT_BROKER else []),
]
LIFETIMES = {
    "worker": HEARTBEAT_SECONDS,
    "sweep": HEARTBEAT_SECONDS,
    **{f"sweep-{loop}": ROUND_SECONDS for loop in LOOPS},
}


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    detail: str


def beat(process: str) -> None:
    """Notes that a background process, or a loop of the sweep, is at work; best effort, as everything in Redis."""
    cache.set(f"heartbeat:{process}", 1, timeout=LIFETIMES[process])


def alive() -> dict[str, bool]:
    """Returns which background processes and loops gave a sign of life lately; without Redis, none."""
    try:
        found = cache.get_many([f"heartbeat:{process}" for process in LIFETIMES])
    except ValueError:  # who asks how the shop is shall hear it, whatever somebody else has written there
        log.warning("heartbeats_unreadable")
        found = {}
    return {process: f"heartbeat:{process}" in found for process in LIFETIMES}


def check_placing() -> list[Check]:
    """Checks what an order cannot be placed without, and that this process does not end."""
    checks = [answers("database", ping_database)]
    return [*checks, Check("process", False, "is about to end")] if draining.has_begun() else checks


def check_all() -> list[Check]:
    """Checks everything, in a second or two at most."""
    return [
        *check_placing(),
        answers("redis", ping_redis),
        answers("broker", wakeups.ping),
        *([answers("remote-broker", chosen.ping)] if settings.MEETS_AT_BROKER else []),
        *(beats(process, is_alive) for process, is_alive in alive().items()),
    ]


def answers(name: str, ping: Callable[[], None]) -> Check:
    """Whether a dependency answers. What it says when it does not goes to the log, not to the caller."""
    try:
        ping()
    except ReadOnly:
        return Check(name, False, "takes no writes")
    except Exception as error:  # noqa: BLE001 (any failure is the answer)
        log.warning("not_ready", check=name, error=repr(error))
        return Check(name, False, "does not answer")
    return Check(name, True, "answers")


def beats(process: str, is_alive: bool) -> Check:
    return Check(process, is_alive, f"{'heartbeat' if is_alive else 'no heartbeat'} in the last {LIFETIMES[process]} s")


def ping_redis() -> None:
    get_redis_connection("default").ping()
