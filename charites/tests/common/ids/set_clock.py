"""A clock set by hand, and what an id is made of."""

from datetime import UTC, datetime, timedelta

from django.utils import timezone

from charites.common.ids import EPOCH_MS, Snowflake
from charites.common.models import Node

START_MS = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)


class Clock:
    """A wall clock and a monotonic one, set by hand."""

    def __init__(self, wall_ms: int = START_MS) -> None:
        self.wall_ms, self.seconds = wall_ms, 1000.0

    def snowflake(self) -> Snowflake:
        return Snowflake(wall_ms=lambda: self.wall_ms, monotonic=lambda: self.seconds)

    def advance(self, seconds: float) -> None:
        self.wall_ms += int(seconds * 1000)
        self.seconds += seconds


def parts(number: int) -> tuple[int, int, int]:
    """Returns (milliseconds since the epoch of Unix, node, sequence) of an id."""
    return (number >> 22) + EPOCH_MS, number >> 12 & 0x3FF, number & 0xFFF


def expire_leases() -> None:
    """The leases of all nodes have run out, as far as the database knows."""
    Node.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
