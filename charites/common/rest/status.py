"""Errors of the catalogue as HTTP carries them: status, headers, the one body; and on `/v1` what the original's clients
read, as grpc-gateway writes it: https://github.com/grpc-ecosystem/grpc-gateway/blob/main/runtime/errors.go
"""

import random
from http import HTTPStatus
from typing import Any, TypeVar

from django.http import JsonResponse
from django.http.response import HttpResponseBase
from grpc import StatusCode

from charites.common import logs
from charites.common.errors import Kind, MethodNotAllowed, ServiceError
from charites.common.refused import count_refusal
from charites.common.rpc import status_code

STATUS = {
    Kind.INVALID: HTTPStatus.BAD_REQUEST,
    Kind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Kind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.KEY_REUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Kind.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Kind.UNKNOWN: HTTPStatus.GATEWAY_TIMEOUT,
    Kind.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
STATUS_OF_OLD = {  # grpc-gateway's HTTPStatusFromCode; not 412 for what fails a precondition, as it says itself
    StatusCode.CANCELLED: 499,
    StatusCode.UNKNOWN: HTTPStatus.INTERNAL_SERVER_ERROR,
    StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
    StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    StatusCode.ABORTED: HTTPStatus.CONFLICT,
    StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    StatusCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    StatusCode.DATA_LOSS: HTTPStatus.INTERNAL_SERVER_ERROR,
    StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
}
DETAIL_OF_OLD = "type.googleapis.com/Error"
Answer = TypeVar("Answer", bound=HttpResponseBase)
RETRY_AFTER_SECONDS = 1
RETRY_AFTER_BUSY = (1, 3)  # between them, so that those who were turned away at once do not come back at once


def error_status(error: ServiceError) -> int:
    """Returns the HTTP status of an error; the only place where one is chosen."""
    if isinstance(error, MethodNotAllowed):
        return HTTPStatus.METHOD_NOT_ALLOWED
    return STATUS[error.kind]


def error_headers(error: ServiceError) -> dict[str, str]:
    """Returns the headers that go with an error."""
    if error.kind is Kind.BUSY:
        return {"Retry-After": str(random.randint(*RETRY_AFTER_BUSY))}
    if error.kind is Kind.LIMITED:
        return {"Retry-After": str(error.details.get("retry_after_seconds", RETRY_AFTER_SECONDS))}
    if error.kind is Kind.UNAUTHENTICATED:
        return {"WWW-Authenticate": "Bearer"}
    return {}


def error_body(error: ServiceError) -> dict[str, Any]:
    """Returns the one shape of an error. Integers in `details` become strings."""
    details = {name: sendable(str(value)) for name, value in error.details.items()}
    return {
        "code": error.code,
        "error": error.slug,
        "message": sendable(error.message),
        "details": details,
        "request_id": logs.current_request_id(),
    }


def sendable(text: str) -> str:
    """A caller's own words may hold half a character (an unpaired surrogate), which UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def refusing(page: Answer, error: ServiceError) -> Answer:
    """Gives a page for people what an error means to programs: status and headers; and counts it."""
    count_refusal(error)
    page.status_code = error_status(error)
    for name, value in error_headers(error).items():
        page.headers[name] = value
    return page


def error_response(path: str, error: ServiceError, status: int | None = None) -> JsonResponse:
    """Returns an error for code that runs outside DRF, in the form that those who ask for this path read.

    `status`: one that says more than the error's own; grpc-gateway has none of these.
    """
    count_refusal(error)
    body, status = error_body(error), status or error_status(error)
    if is_of_old(path):
        body, status = body_of_old(error, body), STATUS_OF_OLD[status_code(error)]
    return JsonResponse(body, status=status, headers=error_headers(error))


def is_of_old(path: str) -> bool:
    """Whether a path is one of the original's gateway."""
    return f"{path}/".startswith("/v1/")


def body_of_old(error: ServiceError, body: dict[str, Any]) -> dict[str, Any]:
    """Returns the JSON of the `google.rpc.Status` that gRPC carries; the request's id is in its header alone."""
    detail = {"@type": DETAIL_OF_OLD, **{name: body[name] for name in ("code", "message", "details", "error")}}
    return {"code": status_code(error).value[0], "message": body["message"], "details": [detail]}
