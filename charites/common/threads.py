"""Work in other threads: what of the caller goes with it, slow calls side by side, and turns for an event loop."""

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

import structlog
from django.db import close_old_connections, connection
from django.utils import translation

log = structlog.get_logger(__name__)

Item = TypeVar("Item")
Given = ParamSpec("Given")
Result = TypeVar("Result")

AT_ONCE = 8


def with_context(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Returns the function for one call in another thread, where it sees the request id and the language of here.

    Django keeps the language out of a context that another thread runs, so it is carried by itself.
    """
    context, language = copy_context(), translation.get_language()

    def call(*arguments: Given.args, **named: Given.kwargs) -> Result:
        with translation.override(language):
            return function(*arguments, **named)

    return partial(context.run, call)


def each_at_once(function: Callable[[Item], object], items: Sequence[Item]) -> None:
    """Calls something slow for each item, at most 8 at once, so that one that hangs holds up few others.

    Every call sees the request id and the language of the caller, and every item has its call, whatever becomes of the
    others. Raises the first of their exceptions, in the order of the items, and logs the others.
    """
    if len(items) == 1:
        function(items[0])
        return
    errors = errors_of_all(function, items)
    for error in errors[1:]:
        log.error("call_failed_beside_another", exc_info=error)
    if errors:
        raise errors.pop(0)  # kept here, it and this frame would keep each other, and the caller's request with them


def errors_of_all(function: Callable[[Item], object], items: Sequence[Item]) -> list[BaseException]:
    """Calls the function for each item, in threads, and returns what was raised."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="at-once") as pool:
        calls = [pool.submit(with_context(call_in_thread), function, item) for item in items]
    return [error for call in calls if (error := call.exception())]


def call_in_thread(function: Callable[[Item], object], item: Item) -> None:
    """Calls the function in a pool's thread, whose database connection nobody else would close."""
    close_old_connections()
    try:
        function(item)
    finally:
        connection.close()


class Turns:
    """Threads for an event loop. Who waits for one waits in the loop: whoever gives up leaves nothing in a queue."""

    def __init__(self, threads: int, name: str, most_waiting: float = math.inf) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = asyncio.Semaphore(threads)
        self._waiting, self._most_waiting = 0, most_waiting

    async def begin(self, job: Callable[[], Result], seconds: float) -> "asyncio.Future[Result]":
        """Begins a job as soon as a thread is free. Raises TimeoutError when none is in time, or too many wait: it was
        not begun."""
        if self._free.locked():
            await self._wait(seconds)
        else:
            await self._free.acquire()
        try:
            running = asyncio.wrap_future(self._threads.submit(job))
        except BaseException:
            self._free.release()
            raise
        running.add_done_callback(lambda _: self._free.release())
        return running

    async def _wait(self, seconds: float) -> None:
        if self._waiting >= self._most_waiting:
            raise TimeoutError
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        finally:
            self._waiting -= 1

    def close(self, *, wait: bool = True) -> None:
        """Waits for the jobs that have begun."""
        self._threads.shutdown(wait=wait, cancel_futures=True)
