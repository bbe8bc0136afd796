"""Structured logs with a request id in every line, and the request counter.

JSON when DEBUG is off, readable lines otherwise. The request id comes from `X-Request-ID` or the gRPC metadata
`x-request-id`, or is made; it travels in error bodies, message headers and Celery arguments.
"""

import atexit
import json
import logging
import logging.config
import os
import random
import re
import sys
import threading
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TextIO

import structlog
from prometheus_client import Counter, Histogram

from charites.common.errors import Kind, ServiceError

log = structlog.get_logger(__name__)

MOMENT_SECONDS = 0.05  # for which access lines are collected
ACCESS = "charites.access"
NAMED = 8  # request ids in the lines of a batch: more would make a line of pages
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

_request_id: ContextVar[str] = ContextVar("request_id", default="")

REQUESTS = Counter("charites_requests", "Requests answered.", ["protocol", "route", "status"])
REQUEST_SECONDS = Histogram("charites_request_seconds", "Time to answer a request.", ["protocol", "route"])

STAMP = structlog.processors.TimeStamper(fmt="iso", utc=True)
FINISH: list[Any] = [STAMP, structlog.processors.format_exc_info]


def new_request_id() -> str:
    """Makes a request id, which need not be hard to guess."""
    return f"{random.getrandbits(128):032x}"


def clean_request_id(given: str | None) -> str:
    """Returns the caller's request id if it is harmless in a log line and a header, else a new one."""
    return given if given and REQUEST_ID.fullmatch(given) else new_request_id()


def current_request_id() -> str:
    """Returns the id of the request that this thread or task works for, or an empty string."""
    return _request_id.get()


class bound:  # noqa: N801 (a context manager, written out because every call stands in one)
    """Binds a request id, and other fields, to every log line inside the block."""

    __slots__ = ("_fields", "_request_id", "_tokens")

    def __init__(self, request_id: str, fields: dict[str, Any]) -> None:
        self._request_id, self._fields = request_id, fields

    def __enter__(self) -> str:
        others = structlog.contextvars.bind_contextvars(**self._fields) if self._fields else {}
        self._tokens = (_request_id.set(self._request_id), others)
        return self._request_id

    def __exit__(self, *failure: object) -> None:
        token, others = self._tokens
        _request_id.reset(token)
        if others:
            structlog.contextvars.reset_contextvars(**others)


def request_context(request_id: str | None = None, **fields: Any) -> bound:
    """Binds the request id (and other fields) to every log line inside the block, and gives the id that was taken."""
    return bound(clean_request_id(request_id), fields)


def batch_context(request_ids: Sequence[str], **fields: Any) -> bound:
    """Binds the first requests of a batch to every log line inside the block, instead of the one that leads it."""
    return bound(",".join(request_ids[:NAMED]), fields)


def merge_context(logger: Any, name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A step of structlog's: what is bound where a line is written."""
    if request_id := _request_id.get():
        line.setdefault("request_id", request_id)
    return structlog.contextvars.merge_contextvars(logger, name, line)


class AccessStream:
    """Collects lines, and writes those of a moment in one go: to write lets go of Python's lock, and to do that for
    every line costs a busy server more than the line. Lines that cannot be written are dropped, as the standard library
    does it: a full disk makes no answer untrue. A process that is killed takes its last moment along.
    """

    def __init__(self, stream: TextIO, seconds: float = MOMENT_SECONDS) -> None:
        self._stream, self._seconds = stream, seconds
        self.forget()
        os.register_at_fork(after_in_child=self.forget)  # the parent writes what it has collected
        atexit.register(self.flush)

    def forget(self) -> None:
        self._lines: list[str] = []
        self._is_awaited = False

    def msg(self, line: str) -> None:
        self._lines.append(line)
        if not self._is_awaited:
            self._is_awaited = True
            self._write_later()

    debug = info = warning = error = msg

    def _write_later(self) -> None:
        timer = threading.Timer(self._seconds, self.flush)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # no thread left, or Python is about to end
            self.flush()

    def flush(self) -> None:
        """Writes what was collected."""
        self._is_awaited = False
        number = len(self._lines)
        lines, self._lines[:number] = self._lines[:number], []  # what comes meanwhile stays
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()


class Access:
    """The lines of requests that were answered: `Access.log.info(event, ...)`. They are written more often than all
    others, so they go straight to the stream; the standard library's way there costs several times as much."""

    log: Any = structlog.get_logger(ACCESS)  # until `configure`
    stream = AccessStream(sys.stderr)


class JsonAccess:
    """Access lines as JSON, all steps of structlog at once."""

    encode = staticmethod(json.JSONEncoder(default=repr).encode)  # made once: `json.dumps` makes one for every line

    def __init__(self, stream: AccessStream, level: str) -> None:
        self._stream, self._is_quiet = stream, logging.getLevelNamesMapping()[level] > logging.INFO

    def info(self, event: str, **fields: Any) -> None:
        if not self._is_quiet:
            line = {"event": event, "logger": ACCESS, "level": "info", "request_id": _request_id.get(), **fields}
            self._stream.msg(self.encode(STAMP(None, "info", line)))


def log_unforeseen(service_error: ServiceError, cause: BaseException) -> None:
    """Logs what the caller is not told: the cause of an internal error, or why the shop is busy."""
    if service_error.kind is Kind.INTERNAL:
        log.error("internal_error", exc_info=cause)
    elif service_error.kind is Kind.BUSY and service_error is not cause:
        log.warning("busy", error=repr(cause))


def configure(options: dict[str, Any]) -> None:
    """Sets up structlog and the standard library's logging alike; `options`: level, as_json."""
    shared: list[Any] = [
        merge_context,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        *FINISH,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer() if options["as_json"] else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    Access.stream = AccessStream(sys.stderr)
    if options["as_json"]:
        Access.log = JsonAccess(Access.stream, options["level"])
    else:
        Access.log = structlog.wrap_logger(
            Access.stream,
            processors=[merge_context, structlog.processors.add_log_level, *FINISH, renderer],
            wrapper_class=structlog.make_filtering_bound_logger(options["level"]),
        ).bind(logger=ACCESS)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                }
            },
            "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["console"], "level": options["level"]},
            # Requests are logged once, by our own middleware and interceptor.
            "loggers": {
                "httpx": {"level": "WARNING"},
                "django.request": {"level": "CRITICAL"},
                "django.server": {"level": "CRITICAL"},
            },
        }
    )
