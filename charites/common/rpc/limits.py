"""What every transport of gRPC bounds alike."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from django.conf import settings

from charites.common.addresses import network_of
from charites.common.errors import Why, busy

METADATA_BYTES = 8 * 1024
DRAIN_SECONDS = 10.0
MOST_STREAMS = 128  # of each kind: health's, reflection's two. They need no token, and may have no end
STREAMS_OF_AN_ADDRESS = MOST_STREAMS // 2  # so that one caller does not have all of them
CALLS_A_CONNECTION = 100  # at once, streams included; HTTP/2 makes the others wait at their caller
MOST_CONNECTIONS = 8192
GRACE_SECONDS = 30  # for calls on a connection that is as old as it may be
HANDSHAKE_SECONDS = 10


def allowed_seconds(given: float | None) -> float:
    """How long a call may take, whatever its caller gives it."""
    most = float(settings.GRPC_DEADLINE_SECONDS)
    return most if given is None else min(given, most)


def connection_seconds() -> int:
    """After how long a caller connects anew, and finds servers that are new, too."""
    return int(settings.GRPC_CONNECTION_SECONDS)


def message_bytes() -> int:
    """How long a message may be for the transport, so that one a little too large gets an answer with our error."""
    return int(4 * settings.REQUEST_MAX_BYTES)


def calls_on_their_way() -> int:
    """How many calls may be open whose request has not arrived, before the oldest gives way to the next."""
    return max(1, 2 * int(settings.GRPC_MAX_CONCURRENT))


class Unheard:
    """Calls whose request has not arrived. Whoever opens calls and sends nothing takes no place from those who send:
    the oldest of too many is given up, and each after the longest time that a call may take."""

    def __init__(self) -> None:
        self._calls: OrderedDict[Hashable, tuple[float, Callable[[], object]]] = OrderedDict()

    def begin(self, call: Hashable, give_up: Callable[[], object]) -> None:
        """A call has begun; `give_up` ends it, and does nothing to one that has ended."""
        self._calls[call] = (time.monotonic(), give_up)
        if len(self._calls) > calls_on_their_way():
            self._give_up_oldest()

    def heard(self, call: Hashable) -> bool:
        """Its request has arrived, or nobody waits for it any more. False: it was given up before."""
        return self._calls.pop(call, None) is not None

    def give_up_late(self) -> None:
        """Ends those whose time is up; to be called about once a second."""
        latest = time.monotonic() - allowed_seconds(None)
        while self._calls and next(iter(self._calls.values()))[0] < latest:
            self._give_up_oldest()

    def _give_up_oldest(self) -> None:
        _call, (_since, give_up) = self._calls.popitem(last=False)
        give_up()


class Streams:
    """Places for streams that may have no end, by kind."""

    def __init__(self) -> None:
        self._open: Counter[Hashable] = Counter()

    @contextmanager
    def place(self, kind: str, address: str) -> Iterator[None]:
        """A place while the block runs. Raises Busy when there is none, or too many are of this address."""
        mine = (kind, network_of(address))
        if self._open[kind] >= MOST_STREAMS or self._open[mine] >= STREAMS_OF_AN_ADDRESS:
            raise busy(Why.STREAMS)
        self._open.update((kind, mine))
        try:
            yield
        finally:
            self._open -= Counter((kind, mine))  # which keeps nothing of those who have gone


async def each_second(work: Callable[[], object]) -> None:
    """Calls it once a second, until cancelled."""
    while True:
        await asyncio.sleep(1)
        work()
