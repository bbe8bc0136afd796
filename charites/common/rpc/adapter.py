"""Between a transport of gRPC and a method: threads, deadlines, limits, logs; nothing internal leaves.

A transport brings a method, metadata and the bytes of a request, and takes away bytes or a status; it is asyncio. What
a method waits for costs no thread, or one of a few: a client that is slow to send, a call that waits for its turn,
health and reflection occupy none. A call whose deadline passes while it waits is dropped, untouched.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import NamedTuple, TypeVar

from django.conf import settings
from django.db import close_old_connections
from django.utils.translation import gettext_lazy as _
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from prometheus_client import Counter, Histogram

from charites.common import logs, tracing
from charites.common.addresses import FORWARDED_FOR, caller_address
from charites.common.auth import identify_at_once, read_authorization
from charites.common.errors import (
    Invalid,
    OutcomeUnknown,
    ServiceError,
    Why,
    as_service_error,
    busy,
    joined,
    too_large_body,
)
from charites.common.languages import speaking
from charites.common.near import is_near
from charites.common.refused import count_refusal
from charites.common.rpc.servicer import DeadlinePassed, Job, Method, Read
from charites.common.rpc.status import as_status, status_code
from charites.common.threads import Turns, with_context

REQUEST_ID_KEY = "x-request-id"
Answer = TypeVar("Answer")
Parsed = TypeVar("Parsed", bound=Message)
Near = Callable[[], bool]  # whether a caller is on this machine; asked only where that matters


def told(cause: Exception) -> ServiceError:
    """What a caller may know of an exception; what it may not is logged.

    Where it was raised is forgotten: the frames there know the error, and it would keep them until the garbage
    collector comes, which costs a refusal a sixth of its time.
    """
    error = as_service_error(cause)
    logs.log_unforeseen(error, cause)
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def work(method: Method, metadata: Mapping[str, str], data: bytes, is_near: Near) -> Message | ServiceError:
    """Runs in a thread: answers one call. What it raises is logged and becomes an error of the catalogue."""
    try:
        return method.answer(metadata, partial(parse, method.request_class, data), is_near)
    except Exception as cause:  # noqa: BLE001 (nothing internal leaves)
        return told(cause)


def look(question: Callable[[], Answer]) -> Answer | ServiceError:
    """Runs in a thread: something that may take a look at the database."""
    close_old_connections()
    try:
        return question()
    except Exception as cause:  # noqa: BLE001 (nothing internal leaves)
        return told(cause)
    finally:
        close_old_connections()


def parse(message_class: type[Parsed], data: bytes) -> Parsed:
    """Reads a request. Raises Invalid for one that is too large or is not such a message."""
    limit = settings.REQUEST_MAX_BYTES
    if len(data) > limit:
        raise too_large_body(limit)
    try:
        message: Parsed = message_class.FromString(data)
    except DecodeError as error:
        raise Invalid("body", _("is not a valid message")) from error
    return message


def texts(metadata: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str]:
    """Returns the metadata that are text; what comes several times is one value with commas, as in HTTP."""
    found: dict[str, str] = {}
    for key, value in metadata or ():
        if isinstance(value, str):
            found[key] = joined(key, found[key], value) if key in found else value
    return found


class Answered(NamedTuple):
    """A serialised reply, or what is said instead, and the id of the request, which goes back in the trailers."""

    outcome: bytes | Status
    request_id: str


class Adapter:
    """Answers calls: at most GRPC_MAX_WORKERS at once, at most GRPC_MAX_CONCURRENT with those that wait."""

    def __init__(self) -> None:
        self._turns = Turns(settings.GRPC_MAX_WORKERS, "grpc")
        self._calls = 0

    async def answer(
        self, method: Method, metadata: Mapping[str, str], data: bytes, seconds: float, peer: str
    ) -> Answered:
        """Answers one call within so many seconds. `peer`: the address at the other end of the connection."""
        started = time.monotonic()
        accepted = metadata.get("accept-language", "")
        address = caller_address(peer, metadata.get(FORWARDED_FOR, ""))
        with logs.request_context(metadata.get(REQUEST_ID_KEY), address=address) as request_id, speaking(accepted):
            near = partial(is_near, peer, metadata)
            with tracing.span(method.name, kind="SERVER", carrier=metadata, request_id=request_id):
                answer = await self._answer(method, metadata, data, seconds, near)
                if isinstance(answer, ServiceError):
                    tracing.note(method.name, **{"error.type": type(answer).__name__})
            error = answer if isinstance(answer, ServiceError) else None
            account(method.name, error, time.monotonic() - started)
            if isinstance(answer, ServiceError):
                return Answered(as_status(answer), request_id)
            return Answered(answer if isinstance(answer, bytes) else answer.SerializeToString(), request_id)

    async def _answer(
        self, method: Method, metadata: Mapping[str, str], data: bytes, seconds: float, is_near: Near
    ) -> Message | bytes | ServiceError:
        """Answers one call if there are not too many."""
        if self._calls >= settings.GRPC_MAX_CONCURRENT:
            return busy(Why.CALLS)
        self._calls += 1
        try:
            if method.is_in_loop:
                return await self._in_loop(method, metadata, data, seconds, is_near)
            return await self._in_thread(partial(work, method, metadata, data, is_near), seconds)
        finally:
            self._calls -= 1

    async def _in_loop(
        self, method: Method, metadata: Mapping[str, str], data: bytes, seconds: float, is_near: Near
    ) -> Message | bytes | ServiceError:
        """Has a queue answer, and waits without a thread; or answers with what is remembered."""
        deadline = time.monotonic() + seconds
        try:
            header = metadata.get("authorization", "")
            if (identity := identify_at_once(header)) is None:
                found = await self._in_thread(partial(look, partial(read_authorization, header, is_near)), seconds)
                if isinstance(found, ServiceError):  # of whatever became of the look nothing is queued
                    return DeadlinePassed() if isinstance(found, OutcomeUnknown) else found
                identity = found
            begun = method.begin(identity, metadata, partial(parse, method.request_class, data))
            if isinstance(begun, Read):
                reply = begun.at_once()
                if reply is not None:
                    return reply
                return await self._in_thread(partial(look, begun.wait), deadline - time.monotonic())
            if not isinstance(begun, Job):
                raise TypeError(f"{method.name} runs in the event loop, and returned {type(begun).__name__}.")
            return await begun.done(deadline - time.monotonic())
        except Exception as cause:  # noqa: BLE001 (nothing internal leaves)
            return told(cause)

    async def _in_thread(self, job: Callable[[], Answer | ServiceError], seconds: float) -> Answer | ServiceError:
        """Runs a job in a thread, when one is free, and waits as long as the call has time."""
        deadline = time.monotonic() + seconds
        try:
            running = await self._turns.begin(with_context(job), seconds)
        except TimeoutError:
            return DeadlinePassed()
        done, _waiting = await asyncio.wait([running], timeout=deadline - time.monotonic())
        return running.result() if done else OutcomeUnknown()

    def close(self) -> None:
        """Waits for the jobs that have begun."""
        self._turns.close()


@cache
def metrics_of(name: str, status: str) -> tuple[Counter, Histogram]:
    """The counter and the clock of a method. Names and statuses are our own, so there are few."""
    return logs.REQUESTS.labels("grpc", name, status), logs.REQUEST_SECONDS.labels("grpc", name)


def account(name: str, error: ServiceError | None, seconds: float) -> None:
    """Counts a call and writes its line in the log."""
    status = status_code(error).name if error else StatusCode.OK.name
    if error:
        count_refusal(error)
    requests, took = metrics_of(name, status)
    requests.inc()
    took.observe(seconds)
    code, origin = error.code if error else 0, logs.current_origin()
    caller = {"actor": origin.actor, "address": origin.address}
    logs.Access.log.info("call", method=name, **caller, status=status, code=code, ms=round(seconds * 1000, 1))
