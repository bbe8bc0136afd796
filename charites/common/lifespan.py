"""What every ASGI application has: the words of the protocol, and a life that ends in order."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any

from charites.common import logs, tracing

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
ENDS = (signal.SIGINT, signal.SIGTERM)


async def live(
    receive: Receive, send: Send, close: Callable[[], None], before: Callable[[], None] = lambda: None
) -> None:
    """Goes along with the server's life. At its end `close` runs in a thread, and the log is written: a server may end
    without the end that Python has. `before` is called, in a signal handler, as soon as the process is asked to end:
    the server says so only when all answers are at their end, and some would never be."""
    event = ""
    while event != "lifespan.shutdown":
        event = (await receive())["type"]
        if event == "lifespan.startup":
            call_when_asked_to_end(before)
        if event == "lifespan.shutdown":
            await asyncio.to_thread(close)
            await asyncio.to_thread(tracing.flush)
            logs.flush()
        await send({"type": f"{event}.complete"})


def call_when_asked_to_end(call: Callable[[], None]) -> None:
    """Has something called by the signals that end a server, before what the server itself does then."""
    if threading.current_thread() is threading.main_thread():
        for number in ENDS:
            if callable(there := signal.getsignal(number)):
                signal.signal(number, partial(call_both, call, there))


def call_both(first: Callable[[], None], then: Callable[[int, Any], Any], number: int, frame: Any) -> None:
    first()
    then(number, frame)
