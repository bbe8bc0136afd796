"""The error catalogue: every refusal is a class with data, a kind and the original service's number.

Services raise these and know neither HTTP nor gRPC; `common/rest/` and `common/rpc/` map kinds to statuses.
"""

import copyreg
import re
from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum
from typing import Any, ClassVar

from django.db import InterfaceError, OperationalError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

MOST_FAULTS = 20  # that one answer tells of


class Kind(Enum):
    """What an error means to the caller. BUSY is always without effect; UNKNOWN: ask again with the same key."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    KEY_REUSED = "key_reused"
    LIMITED = "limited"
    BUSY = "busy"
    UNKNOWN = "unknown"
    INTERNAL = "internal"


class ServiceError(Exception):
    """A refusal with a text for people. `details` fill the text and travel to REST callers."""

    kind: ClassVar[Kind] = Kind.INTERNAL
    code: ClassVar[int] = 10000000  # one number, one meaning: programs look at it
    slug: ClassVar[str] = "service_error"  # the same as a word, from the name of the class
    text: str | Promise = _("Something went wrong on our side. Try again later.")
    example: ClassVar[Mapping[str, Any]] = {}  # details, for those who read of it

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.slug = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, **details: Any) -> None:
        self.details = details
        super().__init__(details)

    @property
    def message(self) -> str:
        """The text in the active language."""
        return str(self.text) % self.details if self.details else str(self.text)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made without `__init__`, which wants names, and keep nothing of who raised."""
        return copyreg.__newobj__, (type(self), self.details), vars(self)  # type: ignore[attr-defined]

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.code}): {self.message}"


class InternalError(ServiceError):
    """A defect of ours; the log has the cause."""


class Invalid(ServiceError):
    """The request is malformed; nothing was done. `field` is the first one that is wrong, `fields` all of several."""

    kind = Kind.INVALID
    code = 10000001
    example = {"field": "quantity", "reason": _("is missing or out of range")}

    def __init__(self, field: str, reason: str | Promise, **details: Any) -> None:
        super().__init__(field=field, **details)
        self.text = reason
        self.others: tuple[Invalid, ...] = ()

    @classmethod
    def of(cls, faults: Sequence["Invalid"]) -> "Invalid":
        """One error of several faults, of which it tells the first MOST_FAULTS."""
        first, *others = faults[:MOST_FAULTS]
        if others:
            first.others = tuple(others)
            first.details["fields"] = ", ".join(fault.details["field"] for fault in (first, *others))
        return first

    @property
    def reason(self) -> str:
        """What is wrong with the field, in the active language."""
        return str(self.text) % self.details

    @property
    def message(self) -> str:
        return "; ".join(f"{fault.details['field']}: {fault.reason}" for fault in (self, *self.others))


class Unauthenticated(ServiceError):
    kind = Kind.UNAUTHENTICATED
    code = 10000002
    text = _("This needs a valid token. Send the header 'Authorization: Bearer <token>'.")


class TokenExpired(Unauthenticated):
    code = 10000010
    text = _("The token has expired. Renew it or sign in again.")


class WrongPassword(Unauthenticated):
    code = 10000011
    text = _("User name or password is wrong.")


class NotFound(ServiceError):
    kind = Kind.NOT_FOUND
    code = 10000003
    text = _("There is no such thing here.")


class OutcomeUnknown(ServiceError):
    """The commit's reply was lost: the call may have had its effect."""

    kind = Kind.UNKNOWN
    code = 10000005
    text = _(
        "It is not known whether this was carried out. Ask again with the same idempotency key; without one, look "
        "before you try again."
    )


class Forbidden(ServiceError):
    """`permission`: that of Django's which is missing, for staff; others are not told what there is."""

    kind = Kind.FORBIDDEN
    code = 10000006
    text = _("Your role may not do this.")

    def __init__(self, permission: str = "") -> None:
        super().__init__(**({"permission": permission} if permission else {}))
        if permission:
            self.text = _("You may not do this: it takes the permission %(permission)s.")


class Limited(ServiceError):
    kind = Kind.LIMITED
    code = 10000007
    text = _("Too many requests. Try again in a moment.")


class MethodNotAllowed(ServiceError):
    kind = Kind.INVALID
    code = 10000008
    text = _("This address does not take the method %(method)s.")
    example = {"method": "DELETE"}


class KeyReused(ServiceError):
    """An idempotency key stands for one request for good."""

    kind = Kind.KEY_REUSED
    code = 10000009
    text = _("The idempotency key %(key)s was used for another request before. Use a new key.")
    example = {"key": "order-2026-06-01-0001"}


class Why(StrEnum):
    """Why the shop is busy: told to operators, never to callers."""

    BODIES = "bodies"  # on their way here are as many bytes as a process takes
    CALLS = "calls"  # as many requests or calls are under way and waiting
    DATABASE = "database"  # is away, or gave way to others again and again
    NUMBERS = "numbers"  # of orders are not to be had
    PASSWORDS = "passwords"  # as many are being looked at
    QUEUE = "queue"  # of a batch is full
    REPLIES = "replies"  # somebody makes the same one and gets no answer
    STREAMS = "streams"  # as many are open
    THREADS = "threads"  # none was free in time


class Busy(ServiceError):
    """Overloaded or a dependency is away. Nothing was done; trying again is safe."""

    kind = Kind.BUSY
    code = 10000004
    text = _("The shop is busy. Nothing was done; try again in a moment.")
    why: Why | None = None


def busy(why: Why) -> Busy:
    """Makes the error, for whoever raises it."""
    error = Busy()
    error.why = why
    return error


def joined(name: bytes | str, first: str, second: str) -> str:
    """The value of a header or metadata that came twice: with a comma, as in HTTP. An idempotency key that came twice
    is one key; two that differ are none that anybody can have."""
    if name not in (b"idempotency-key", "idempotency-key"):
        return f"{first},{second}"
    return first if first == second else f"{first}\x00{second}"


def one_key(*given: str | None) -> str | None:
    """Returns the idempotency key of a request that may name it in several places. Raises Invalid when they differ."""
    keys = {key for key in given if key is not None}
    if len(keys) > 1:
        raise Invalid("idempotency_key", _("is not the same everywhere in the request"))
    return keys.pop() if keys else None


def too_large_body(limit_bytes: int) -> Invalid:
    """What whoever sends too large a request is told, at every door."""
    return Invalid("body", _("is over the limit of %(limit_bytes)s bytes"), limit_bytes=limit_bytes)


# What MySQL calls operational though it is said of a statement, not of the database: to try again is no use.
STATEMENT_ERRORS = {1054, 1055, 1064, 1146, 1292, 1305, 1364}
# And of its values: out of range, cut off, not of the column's character set.
VALUE_ERRORS = {1264, 1265, 1267, 1270, 1271, 1300, 1366, 1406, 1411, 1977, 3854}


def is_outage(error: BaseException) -> bool:
    """Whether a database is away, overloaded, or gave way to somebody else: the same may work in a moment."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    reason = error.args[0] if error.args else ""
    return reason not in STATEMENT_ERRORS | VALUE_ERRORS and not str(reason).startswith(("no such ", "table "))


def as_service_error(error: BaseException) -> ServiceError:
    """Returns what a caller may know of any exception: everything unforeseen is INTERNAL and hides its text.

    A database that is away is BUSY: whoever writes does so through `common/transactions.py`, which answers for its
    commits itself, so what arrives here as the database's own error was a read.
    """
    if isinstance(error, ServiceError):
        return error
    return busy(Why.DATABASE) if is_outage(error) else InternalError()
