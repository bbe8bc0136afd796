"""Errors of the catalogue as gRPC carries them, and back."""

from collections.abc import Mapping
from functools import lru_cache

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc_status import rpc_status

from charites.common import error_before_pb2
from charites.common.error_pb2 import Error
from charites.common.errors import Kind, MethodNotAllowed, ServiceError, Why, busy
from charites.common.refused import count_refusal

STATUS = {
    Kind.INVALID: StatusCode.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: StatusCode.UNAUTHENTICATED,
    Kind.FORBIDDEN: StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: StatusCode.NOT_FOUND,
    Kind.CONFLICT: StatusCode.FAILED_PRECONDITION,
    Kind.KEY_REUSED: StatusCode.INVALID_ARGUMENT,
    Kind.LIMITED: StatusCode.RESOURCE_EXHAUSTED,
    Kind.BUSY: StatusCode.UNAVAILABLE,
    Kind.UNKNOWN: StatusCode.DEADLINE_EXCEEDED,
    Kind.INTERNAL: StatusCode.INTERNAL,
}


def status_code(error: ServiceError) -> StatusCode:
    """Returns the status of an error; the only place where one is chosen."""
    if isinstance(error, MethodNotAllowed):  # HTTP's alone; this is what grpc-gateway calls it
        return StatusCode.UNIMPLEMENTED
    return STATUS[error.kind]


def as_status(error: ServiceError) -> Status:
    """Returns an error as gRPC carries it: status, text, and `Error{code, message, details, error}` in the details."""
    details = tuple((name, str(value)) for name, value in error.details.items())
    return make_status(status_code(error), error.code, error.slug, error.message, details)


def turned_away(why: Why) -> Status:
    """Returns "busy" for a call that reaches no method, counted."""
    error = busy(why)
    count_refusal(error)
    return as_status(error)


def no_place(kind: str) -> Status:
    """Returns "busy" for a stream that finds no place. Who watches health is told UNIMPLEMENTED, which callers that
    balance take for "do without": after any other word they would send no call to this server."""
    busy_status, status = turned_away(Why.STREAMS), Status()
    status.CopyFrom(busy_status)  # which others have, too
    if kind.endswith("Watch"):
        status.code = StatusCode.UNIMPLEMENTED.value[0]
    return status


@lru_cache(1_000)  # most are the same as many others: this product is sold out
def make_status(status: StatusCode, code: int, slug: str, message: str, details: tuple[tuple[str, str], ...]) -> Status:
    detail = AnyMessage()
    detail.Pack(Error(code=code, error=slug, message=message, details=dict(details)))
    return Status(code=status.value[0], message=message, details=[detail])


def rebuild(details: Mapping[str, str], error_class: type[ServiceError]) -> ServiceError:
    """Returns another service's error as one of ours: numbers are numbers again, the text is made here."""
    return error_class(**{name: as_number(value) for name, value in details.items()})


def as_number(text: str) -> int | str:
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() else text


def read_error(error: grpc.RpcError) -> Error | None:
    """Returns our error inside a failed call; None when the call never reached a method of ours."""
    return error_in(rpc_status.from_call(error))


def error_in(status: Status | None) -> Error | None:
    """Returns our error inside a status."""
    found, before = Error(), error_before_pb2.Error()
    for detail in status.details if status else ():
        if detail.Unpack(found):
            return found
        if detail.Unpack(before):
            return Error(code=before.code, message=before.message, details=before.details, error=before.error)
    return None
