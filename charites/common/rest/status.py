"""Errors of the catalogue as HTTP carries them: status, headers, the one body."""

import random
from http import HTTPStatus
from typing import Any, TypeVar

from django.http import JsonResponse
from django.http.response import HttpResponseBase

from charites.common import logs
from charites.common.errors import Kind, MethodNotAllowed, ServiceError
from charites.common.refused import count_refusal

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


def error_response(error: ServiceError, status: int | None = None) -> JsonResponse:
    """Returns an error for code that runs outside DRF; `status`: one that says more than the error's own."""
    count_refusal(error)
    return JsonResponse(error_body(error), status=status or error_status(error), headers=error_headers(error))
