"""What servers do with their process once everything is loaded."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

COLLECT_AFTER = 20_000  # objects; Python's own 700 are three calls' worth


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
