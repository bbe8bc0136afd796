"""What a view raises becomes an error of the catalogue: DRF's and Django's exceptions, and everything unforeseen."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.response import Response

from charites.common import logs
from charites.common.errors import (
    MOST_FAULTS,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    Unauthenticated,
    as_service_error,
    too_large_body,
)
from charites.common.refused import count_refusal
from charites.common.rest.status import error_body, error_headers, error_status

MEDIA_HEADERS = {exceptions.UnsupportedMediaType: "Content-Type", exceptions.NotAcceptable: "Accept"}  # 415, 406


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's hook: every exception of a view becomes the one error body."""
    service_error = from_drf(error)
    logs.log_unforeseen(service_error, error)
    count_refusal(service_error)
    response = Response(
        error_body(service_error), status=error_status(service_error), headers=error_headers(service_error)
    )
    if isinstance(error, exceptions.UnsupportedMediaType | exceptions.NotAcceptable):
        response.status_code = error.status_code
    return response


def from_drf(error: Exception) -> ServiceError:
    """Returns the catalogue's error for one of DRF's or Django's."""
    match error:
        case exceptions.ValidationError():
            return Invalid.of(list(islice(faults_in(error.detail), MOST_FAULTS)))
        case exceptions.ParseError():
            return Invalid("body", _("is not valid JSON"))
        case exceptions.UnsupportedMediaType() | exceptions.NotAcceptable():
            return Invalid(MEDIA_HEADERS[type(error)], _("must be application/json"))
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Unauthenticated()
        case exceptions.PermissionDenied():
            return Forbidden()
        case exceptions.NotFound() | Http404():
            return NotFound()
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed(method=error.args[0] if error.args else "")
        case RequestDataTooBig():
            return too_large_body(settings.REQUEST_MAX_BYTES)
        case TooManyFieldsSent():  # every view reads the query, to see which kind of answer is wanted
            limit = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
            return Invalid("query", _("has more than %(limit)s fields"), limit=limit)
    return as_service_error(error)


def faults_in(detail: Any, path: str = "") -> Iterator[Invalid]:
    """Names every field that is wrong, such as `items.0.quantity`, and the first thing that is wrong with it."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            name = "" if name == "non_field_errors" else str(name)
            yield from faults_in(inner, f"{path}.{name}".strip("."))
    elif isinstance(detail, list) and any(isinstance(inner, dict | list) for inner in detail):
        for index, inner in enumerate(detail):
            yield from faults_in(inner, f"{path}.{index}".strip(".")) if inner else ()
    else:
        reason = detail[0] if isinstance(detail, list) else detail
        yield Invalid(path or "body", str(reason).replace("%", "%%"))
