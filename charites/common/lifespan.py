"""What every ASGI application has: the words of the protocol, and a life that ends in order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from charites.common import logs, tracing

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


async def live(receive: Receive, send: Send, close: Callable[[], None]) -> None:
    """Goes along with the server's life. At its end `close` runs in a thread, and the log is written: a server may end
    without the end that Python has."""
    event = ""
    while event != "lifespan.shutdown":
        event = (await receive())["type"]
        if event == "lifespan.shutdown":
            await asyncio.to_thread(close)
            await asyncio.to_thread(tracing.flush)
            logs.flush()
        await send({"type": f"{event}.complete"})
