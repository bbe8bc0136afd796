"""What every ASGI application has: the words of the protocol, and a life that ends in order."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any

from charites.common import draining, logs, tracing

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
ENDS = (signal.SIGINT, signal.SIGTERM)


async def live(
    receive: Receive,
    send: Send,
    close: Callable[[], None],
    before: Callable[[], None] = lambda: None,
    delay_seconds: float = 0,
) -> None:
    """Goes along with the server's life. At its end `close` runs in a thread, and the log is written: a server may end
    without the end that Python has. `before` is called, in a signal handler, as soon as the process is asked to end:
    the server says so only when all answers are at their end, and some would never be. With `delay_seconds` the process
    is asked to end so much later: until then it drains."""
    event = ""
    while event != "lifespan.shutdown":
        event = (await receive())["type"]
        if event == "lifespan.startup":
            call_when_asked_to_end(before)
            if delay_seconds:
                put_off_end(delay_seconds)
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


def put_off_end(seconds: float) -> None:
    """Has SIGTERM begin the draining, and be followed by SIGINT, which servers take for the same."""
    loop = asyncio.get_running_loop()

    def drain() -> None:
        if not draining.has_begun():
            draining.begin()
            loop.call_later(seconds, signal.raise_signal, signal.SIGINT)

    loop.add_signal_handler(signal.SIGTERM, drain)


def call_both(first: Callable[[], None], then: Callable[[int, Any], Any], number: int, frame: Any) -> None:
    first()
    then(number, frame)
