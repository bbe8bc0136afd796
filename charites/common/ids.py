"""Order numbers: Snowflake ids on leased nodes.

41 bits of milliseconds since 2021-12-31, 10 bits of node, 12 bits of sequence (the layout of Twitter's Snowflake,
2010). A node is leased in `charites_node` by a guarded UPDATE. Ids are handed out only below `used_until_ms`, which
every renewal sets ahead, and only while the monotonic clock is inside the lease; whoever leases the node next starts
above it. So neither a stopped process, nor a clock that steps back, nor a restart inside a millisecond repeats an id.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError
from django.db.models.functions import Now

from charites.common.errors import Why, busy, is_outage
from charites.common.models import Node
from charites.common.transactions import outermost

log = structlog.get_logger(__name__)

EPOCH_MS = int(datetime(2021, 12, 31, tzinfo=UTC).timestamp() * 1000)
NODE_BITS, SEQUENCE_BITS = 10, 12
SEQUENCES = 1 << SEQUENCE_BITS
LEASE_SECONDS = 60
RENEW_BEFORE_SECONDS = 30  # half the lease: two processes' clocks may run apart a little
TRY_AGAIN_SECONDS = 1.0  # after a renewal that failed
LEASE_TRIES = 20
CLOCKS_DIFFER = timedelta(days=1)  # an id may be so much older or newer than what it numbers, and is found by time


@dataclass(slots=True)
class Lease:
    node: int
    until_monotonic: float
    used_until_ms: int
    renew_at_monotonic: float


def lease_from(started: float, node: int, used_until_ms: int) -> Lease:
    """A lease that was asked for at `started`, by the monotonic clock."""
    until = started + LEASE_SECONDS
    return Lease(node, until, used_until_ms, until - RENEW_BEFORE_SECONDS)


class Snowflake:
    """Hands out ids. One instance per process; safe for threads.

    `next_ids` talks to the database about twice per minute and must not be called inside a transaction.
    """

    def __init__(
        self,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall_ms, self._monotonic = wall_ms, monotonic
        self.forget()

    def forget(self) -> None:
        """Starts as a new owner. A forked child does: its parent has the node, and nobody there would open the lock."""
        self._mutex = threading.Lock()
        self._owner = f"{socket.gethostname()[:24]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
        self._lease: Lease | None = None
        self._last_ms = 0
        self._sequence = 0

    def next_ids(self, count: int) -> list[int]:
        """Returns `count` ids, ascending. Raises Busy when no node can be leased."""
        with self._mutex:
            return [self._next_id() for _ in range(count)]

    def _next_id(self) -> int:
        now_ms = self._wall_ms()
        if now_ms > self._last_ms:
            self._last_ms, self._sequence = now_ms, 0
        elif self._sequence == SEQUENCES - 1:
            # This millisecond is used up, or the clock stepped back: borrow the next one.
            self._last_ms, self._sequence = self._last_ms + 1, 0
        else:
            self._sequence += 1
        lease = self._valid_lease()
        return (self._last_ms - EPOCH_MS) << (NODE_BITS + SEQUENCE_BITS) | lease.node << SEQUENCE_BITS | self._sequence

    def _valid_lease(self) -> Lease:
        """The present lease, renewed when it ends soon, or a new one. Raises `_last_ms` above what is used."""
        lease, now = self._lease, self._monotonic()
        if lease and now < lease.renew_at_monotonic and self._last_ms < lease.used_until_ms:
            return lease
        if lease and now < lease.until_monotonic and (renewed := self._renewed(lease)):
            self._lease = renewed
        else:
            self._lease, floor_ms = self._acquire()
            if self._last_ms <= floor_ms:
                self._last_ms, self._sequence = floor_ms + 1, 0
        return self._lease

    def _horizon_ms(self, floor_ms: int) -> int:
        return max(self._wall_ms(), self._last_ms, floor_ms) + LEASE_SECONDS * 1000

    def _renewed(self, lease: Lease) -> Lease | None:
        """The lease with more time; while the database is away, as long as it holds: with the next try in a moment."""
        try:
            return self._renew(lease)
        except (DatabaseError, InterfaceError) as error:
            if not (is_outage(error) and self._last_ms < lease.used_until_ms):
                raise
            log.warning("lease_not_renewed", node=lease.node, error=repr(error))
            return replace(lease, renew_at_monotonic=self._monotonic() + TRY_AGAIN_SECONDS)

    def _renew(self, lease: Lease) -> Lease | None:
        """Sets lease and horizon ahead, or returns None when the node belongs to somebody else by now."""
        started, used_until_ms = self._monotonic(), self._horizon_ms(0)
        with outermost():
            renewed = Node.objects.filter(node=lease.node, owner=self._owner).update(
                leased_until=Now() + timedelta(seconds=LEASE_SECONDS), used_until_ms=used_until_ms
            )
        return lease_from(started, lease.node, used_until_ms) if renewed else None

    def _acquire(self) -> tuple[Lease, int]:
        """Leases a free node of the configured range; returns it and the millisecond below which all is used."""
        for _ in range(LEASE_TRIES):
            with suppress(IntegrityError), outermost():  # another process was faster; the next try looks again
                if taken := self._take_over() or self._take_new():
                    return taken
        raise busy(Why.NUMBERS)

    def _take_over(self) -> tuple[Lease, int] | None:
        """Leases a node whose lease has run out by the database's clock."""
        in_range = Node.objects.filter(node__range=(settings.NODE_FIRST, settings.NODE_LAST))
        free = in_range.filter(leased_until__lt=Now()).order_by("leased_until").first()
        if free is None:
            return None
        started, used_until_ms = self._monotonic(), self._horizon_ms(free.used_until_ms)
        taken = Node.objects.filter(node=free.node, owner=free.owner, leased_until=free.leased_until).update(
            owner=self._owner, leased_until=Now() + timedelta(seconds=LEASE_SECONDS), used_until_ms=used_until_ms
        )
        return (lease_from(started, free.node, used_until_ms), free.used_until_ms) if taken else None

    def _take_new(self) -> tuple[Lease, int] | None:
        """Leases a node that nobody ever had."""
        known = Node.objects.filter(node__range=(settings.NODE_FIRST, settings.NODE_LAST)).order_by("-node").first()
        node = known.node + 1 if known else settings.NODE_FIRST
        if node > settings.NODE_LAST:
            return None
        started, used_until_ms = self._monotonic(), self._horizon_ms(0)
        Node.objects.create(
            node=node,
            owner=self._owner,
            leased_until=Now() + timedelta(seconds=LEASE_SECONDS),
            used_until_ms=used_until_ms,
        )
        return lease_from(started, node, used_until_ms), 0


_snowflake = Snowflake()
os.register_at_fork(after_in_child=_snowflake.forget)


def first_id_at(moment: datetime) -> int:
    """The lowest id of a moment: those that are handed out later are higher, as far as clocks agree."""
    return max(0, int(moment.timestamp() * 1000) - EPOCH_MS) << (NODE_BITS + SEQUENCE_BITS)


def next_ids(count: int) -> list[int]:
    """Returns `count` new ids, ascending. Call it outside a transaction. Raises Busy when no node can be leased."""
    return _snowflake.next_ids(count)


def next_id() -> int:
    """Returns one new id; see `next_ids`."""
    return next_ids(1)[0]
