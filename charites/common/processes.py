"""What servers do with their process once everything is loaded."""

import asyncio
import gc
import os
import resource
from collections.abc import Coroutine
from typing import Any

OPEN_FILES = 65_536
COLLECT_AFTER = 50_000  # objects; 512 calls under way are 20,000, and Python's own 700 three


class ProcessNumber:
    """The number of this process. To ask the system for it with every step of a counter costs more than the step."""

    def __init__(self) -> None:
        self._look()
        os.register_at_fork(after_in_child=self._look)

    def _look(self) -> None:
        self._number = os.getpid()

    def __call__(self) -> int:
        return self._number


def allow_connections() -> None:
    """Lets the process have as many open files as it may: each viewer of a room is one, and many shells and units begin
    with 1,024."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(most, OPEN_FILES)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def settle_in() -> None:
    """Tells the garbage collector that what is loaded by now is here to stay, and to look less often.

    What a call makes ends with the call, by counting. Under load the collector looked through all of Django several
    times a second all the same: that was a tenth of a server's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


def run_server(server: Coroutine[Any, Any, None]) -> None:
    """Runs a server's coroutine to its end, in uvloop where there is one for this platform, else in asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 (there are wheels for Linux and macOS)
    except ImportError:
        asyncio.run(server)
    else:
        uvloop.run(server)
