"""Structured logs with a request id in every line, and the request counter.

JSON when DEBUG is off, readable lines otherwise. The request id comes from `X-Request-ID` or the gRPC metadata
`x-request-id`, or is made; it travels in error bodies, message headers and Celery arguments. Lines of requests and of
facts (`charites/common/events.py`) say who called, too.
"""

import json
import logging
import logging.config
import random
import re
import sys
import time
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from contextvars import ContextVar
from typing import Any

import structlog
from prometheus_client import Counter, Histogram

from charites.common.errors import Kind, ServiceError
from charites.common.line_stream import AccessStream

log = structlog.get_logger(__name__)

ACCESS = "charites.access"
NAMED = 8  # request ids in the lines of a batch: more would make a line of pages
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Origin:
    """Where work comes from: the request, who calls (`customer:5`), from which address, and since when (monotonic
    clock). What is not known is empty. Who calls is found out on the way, maybe in another thread."""

    __slots__ = ("actor", "address", "request_id", "started")

    def __init__(self, request_id: str = "", actor: str = "", address: str = "", started: float = 0.0) -> None:
        self.request_id, self.actor, self.address = request_id, actor, address
        self.started = started or time.monotonic()

    def ms(self) -> float:
        """Milliseconds since it began."""
        return round((time.monotonic() - self.started) * 1000, 1)


NOWHERE = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)

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
    return _origin.get().request_id


def current_origin() -> Origin:
    """Returns where the work of this thread or task comes from; outside of any it begins now."""
    return Origin() if (origin := _origin.get()) is NOWHERE else origin


def note_actor(actor: str) -> None:
    """Says who calls, for the lines of the request that is under way here."""
    if (origin := _origin.get()) is not NOWHERE:
        origin.actor = actor


class bound:  # noqa: N801 (a context manager, written out because every call stands in one)
    """Binds an origin to the work inside the block, and its request id and other fields to every log line."""

    __slots__ = ("_fields", "_origin", "_tokens")

    def __init__(self, origin: Origin, fields: dict[str, Any]) -> None:
        self._origin, self._fields = origin, fields

    def __enter__(self) -> str:
        others = structlog.contextvars.bind_contextvars(**self._fields) if self._fields else {}
        self._tokens = (_origin.set(self._origin), others)
        return self._origin.request_id

    def __exit__(self, *failure: object) -> None:
        token, others = self._tokens
        _origin.reset(token)
        if others:
            structlog.contextvars.reset_contextvars(**others)


def request_context(request_id: str | None = None, *, address: str = "", started: float = 0.0, **fields: Any) -> bound:
    """Binds the request id (and other fields) to every log line inside the block, and gives the id that was taken.
    Who called around the block still does in it. `started`: by the monotonic clock, unless that is now."""
    return bound(Origin(clean_request_id(request_id), _origin.get().actor, address, started), fields)


def batch_context(request_ids: Sequence[str], **fields: Any) -> bound:
    """Binds the first requests of a batch to every log line inside the block, instead of the one that leads it."""
    return bound(Origin(",".join(request_ids[:NAMED])), fields)


def merge_context(logger: Any, name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A step of structlog's: what is bound where a line is written."""
    if request_id := _origin.get().request_id:
        line.setdefault("request_id", request_id)
    return structlog.contextvars.merge_contextvars(logger, name, line)


class ReadableAccess:
    """Access lines for people, by a logger of structlog's."""

    def __init__(self, log: Any) -> None:
        self.info = log.info

    def tell(self, rows: Iterable[Mapping[str, Any]], **same: Any) -> None:
        for row in rows:
            self.info(**same, **row)


class JsonAccess:
    """Access lines as JSON, all steps of structlog at once."""

    encode = staticmethod(json.JSONEncoder(default=repr).encode)  # made once: `json.dumps` makes one for every line

    def __init__(self, stream: AccessStream, level: str) -> None:
        self._stream, self._is_quiet = stream, logging.getLevelNamesMapping()[level] > logging.INFO

    def info(self, event: str, **fields: Any) -> None:
        if not self._is_quiet:
            line = {"event": event, "logger": ACCESS, "level": "info", "request_id": current_request_id(), **fields}
            self._stream.msg(self.encode(STAMP(None, "info", line)))

    def tell(self, rows: Iterable[Mapping[str, Any]], **same: Any) -> None:
        """Writes a line for each row, with what is the same in all of them, and at one time."""
        if not self._is_quiet:
            head = self.encode(STAMP(None, "info", {**same, "level": "info"}))[:-1]
            for row in rows:
                self._stream.msg(f"{head}, {self.encode(row)[1:]}")


class Access:
    """The lines of requests that were answered, `Access.log.info(event, ...)`, and those of facts, `Access.log.tell`.
    They are written more often than all others, so they go past the standard library, whose way to the stream costs
    several times as much."""

    log: ReadableAccess | JsonAccess = ReadableAccess(structlog.get_logger(ACCESS))  # until `configure`
    stream: AccessStream | None = None


def flush() -> None:
    """Writes the access lines that are still collected: for servers that are about to end."""
    if Access.stream:
        Access.stream.flush()


def log_unforeseen(service_error: ServiceError, cause: BaseException) -> None:
    """Logs what the caller is not told: the cause of an internal error, or why the shop is busy."""
    if service_error.kind is Kind.INTERNAL:
        log.error("internal_error", exc_info=cause)
    elif service_error.kind is Kind.BUSY and service_error is not cause:
        log.warning("busy", error=repr(cause))


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """A filter of the standard library's: grpcio writes a traceback for every value of metadata that is no UTF-8, and
    with it the value. Anybody may send one."""
    return not str(record.msg).startswith("Invalid encoding on")


def without_traceback(record: logging.LogRecord) -> bool:
    """A filter of the standard library's, for what a caller did wrong: the line says it, and no code is to blame."""
    record.exc_info = None
    return True


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
    flush()
    stream = Access.stream = AccessStream(sys.stderr)
    if options["as_json"]:
        Access.log = JsonAccess(stream, options["level"])
    else:
        log = structlog.wrap_logger(
            stream,
            processors=[merge_context, structlog.processors.add_log_level, *FINISH, renderer],
            wrapper_class=structlog.make_filtering_bound_logger(options["level"]),
        )
        Access.log = ReadableAccess(log.bind(logger=ACCESS))
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
            "filters": {
                "worth_a_line": {"()": lambda: is_worth_a_line},
                "without_traceback": {"()": lambda: without_traceback},
            },
            "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["console"], "level": options["level"]},
            # Requests are logged once, by our own middleware and interceptor.
            "loggers": {
                "httpx": {"level": "WARNING"},
                "stripe": {"level": "WARNING"},  # its DEBUG has whole answers, and the buyers in them
                "django.request": {"level": "CRITICAL"},
                "django.server": {"level": "CRITICAL"},
                "django.security.DisallowedHost": {"filters": ["without_traceback"]},
                "grpc._cython.cygrpc": {"filters": ["worth_a_line"]},
            },
        }
    )
