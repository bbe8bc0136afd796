"""What every REST endpoint stands on: request ids, size limit, tokens, one error body, strict serializers."""

import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import register_converter
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import exceptions, serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from charites.common import auth, logs
from charites.common.errors import (
    Forbidden,
    Invalid,
    Kind,
    Limited,
    MethodNotAllowed,
    NotFound,
    OutcomeUnknown,
    ServiceError,
    Unauthenticated,
    as_service_error,
    one_key,
)
from charites.common.models import MAX_INT64

log = structlog.get_logger(__name__)

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
RETRY_AFTER_SECONDS = 1
MEDIA_HEADERS = {exceptions.UnsupportedMediaType: "Content-Type", exceptions.NotAcceptable: "Accept"}  # 415, 406
MACHINE_PATHS = ("/api/", "/v1/")  # answers to programs: JSON, also for what no view handled
METHODS = frozenset(name.upper() for name in APIView.http_method_names)
OTHER_METHOD = "other"


def error_status(error: ServiceError) -> int:
    """Returns the HTTP status of an error; the only place where one is chosen."""
    if isinstance(error, MethodNotAllowed):
        return HTTPStatus.METHOD_NOT_ALLOWED
    return STATUS[error.kind]


def error_headers(error: ServiceError) -> dict[str, str]:
    """Returns the headers that go with an error."""
    if error.kind in (Kind.BUSY, Kind.LIMITED):
        return {"Retry-After": str(error.details.get("retry_after_seconds", RETRY_AFTER_SECONDS))}
    if error.kind is Kind.UNAUTHENTICATED:
        return {"WWW-Authenticate": "Bearer"}
    return {}


def error_body(error: ServiceError) -> dict[str, Any]:
    """Returns the one shape of an error: code, message, details, request_id. Integers in details become strings."""
    details = {name: sendable(str(value)) for name, value in error.details.items()}
    return {
        "code": error.code,
        "message": sendable(error.message),
        "details": details,
        "request_id": logs.current_request_id(),
    }


def sendable(text: str) -> str:
    """A caller's own words may hold half a character (an unpaired surrogate), which UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def error_response(error: ServiceError) -> JsonResponse:
    """Returns an error for code that runs outside DRF."""
    return JsonResponse(error_body(error), status=error_status(error), headers=error_headers(error))


class RequestMiddleware:
    """Outermost but for the language: binds the request id, refuses large bodies, counts and logs, turns what nobody
    caught into JSON.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.monotonic()
        with logs.request_context(request.headers.get("X-Request-ID")) as request_id:
            response = self._refuse(request) or self.get_response(request)
            response["X-Request-ID"] = request_id
            self._account(request, response, time.monotonic() - started)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Views outside DRF: the gateway, the admin, pages."""
        if isinstance(error, Http404 | DisallowedHost | RequestDataTooBig):
            return None
        service_error = as_service_error(error)
        if request.path.startswith(MACHINE_PATHS):
            logs.log_unforeseen(service_error, error)
            return error_response(service_error)
        if isinstance(error, OperationalError | InterfaceError | ServiceError):
            log.warning("request_failed", path=request.path, error=repr(error))
            if service_error is not error and request.method not in SAFE_METHODS:
                service_error = OutcomeUnknown()  # a page reads after it has written, too
            return HttpResponse(
                service_error.message,
                status=error_status(service_error),
                headers=error_headers(service_error),
                content_type="text/plain; charset=utf-8",
            )
        return None

    @staticmethod
    def _refuse(request: HttpRequest) -> HttpResponse | None:
        """Refuses what programs send to a wrong host name, or at too great a length."""
        if not request.path.startswith(MACHINE_PATHS):
            return None
        try:
            request.get_host()
        except DisallowedHost:
            return error_response(Invalid("Host", _("is not a name of this server")))
        limit = settings.REQUEST_MAX_BYTES
        length = request.headers.get("Content-Length") or "0"
        if length.isdigit() and int(length) <= limit:
            return None
        response = error_response(Invalid("body", _("is over the limit of %(limit_bytes)s bytes"), limit_bytes=limit))
        response.status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return response

    @staticmethod
    def _account(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
        route = route_of(request)
        logs.REQUESTS.labels("http", route, str(response.status_code)).inc()
        logs.REQUEST_SECONDS.labels("http", route).observe(seconds)
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            ms=round(seconds * 1000, 1),
        )


def route_of(request: HttpRequest) -> str:
    """Returns what metrics call a request. A caller invents methods and paths, and every label lives for good: so
    these come from our own lists."""
    method = request.method if request.method in METHODS else OTHER_METHOD
    return f"{method} {request.resolver_match.route if request.resolver_match else '-'}"


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's hook: every exception of a view becomes the one error body."""
    service_error = from_drf(error)
    logs.log_unforeseen(service_error, error)
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
            return _first_invalid(error.detail)
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
        case exceptions.Throttled():
            return Limited(retry_after_seconds=int(getattr(error, "wait", None) or RETRY_AFTER_SECONDS))
        case RequestDataTooBig():
            return Invalid(
                "body", _("is over the limit of %(limit_bytes)s bytes"), limit_bytes=settings.REQUEST_MAX_BYTES
            )
    return as_service_error(error)


def _first_invalid(detail: Any, path: str = "") -> Invalid:
    """Names the first field that is wrong, such as `items.0.quantity`, and what is wrong with it."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        name = "" if name == "non_field_errors" else str(name)
        return _first_invalid(inner, f"{path}.{name}".strip("."))
    if isinstance(detail, list):
        index = next((i for i, entry in enumerate(detail) if entry), 0)
        inner = detail[index]
        return _first_invalid(inner, f"{path}.{index}".strip(".") if isinstance(inner, dict | list) else path)
    return Invalid(path or "body", str(detail).replace("%", "%%"))


class Parser(JSONParser):
    """JSON as DRF reads it; what is nested deeper than Python reads is as broken as a missing bracket."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise exceptions.ParseError from error


class BearerAuthentication(BaseAuthentication):
    """Reads the bearer token; `request.user` is an `auth.Identity`."""

    def authenticate(self, request: Request) -> tuple[auth.Identity, None] | None:
        header = request.headers.get("Authorization")
        return (auth.read_authorization(header), None) if header else None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class Endpoint(APIView):
    """The base of every view: whoever calls has a valid token and speaks JSON.

    Why it is no default setting: docs/adr/0006-endpoint-base-class.md.
    """

    authentication_classes: list[type[BaseAuthentication]] = [BearerAuthentication]
    parser_classes = [Parser]


def role_required(*roles: auth.Role) -> type[BasePermission]:
    """Returns a permission class that lets only these roles in."""

    class RoleRequired(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:
            return isinstance(request.user, auth.Identity) and request.user.role in roles

    return RoleRequired


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know: a client that sends a price is told so instead of being ignored."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            for name in data:
                if name not in self.fields:
                    raise serializers.ValidationError({str(name)[:64]: [_("is not a field of this request")]})
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """A text, and nothing that could be written as one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class WholeNumberField(serializers.IntegerField):
    """A whole number, or a string of its digits; no boolean, no fraction, no other way to write one."""

    WRITTEN = re.compile(r"-?[0-9]+", re.ASCII)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool | float) or not self.WRITTEN.fullmatch(str(data)):
            self.fail("invalid")
        return int(super().to_internal_value(data))


@extend_schema_field({"type": "string", "pattern": "^[0-9]{1,19}$"})
class IdField(WholeNumberField):
    """An id: a string in JSON, because JavaScript cannot hold an int64. Numbers are accepted too."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": MAX_INT64, **kwargs})

    def to_representation(self, value: Any) -> str:  # type: ignore[override]
        return str(value)


class QuantityField(WholeNumberField):
    """A number of pieces: 1 to the largest int64."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": MAX_INT64, **kwargs})


IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="The same key is carried out once, and answered again."
)


class IdConverter:
    """An id in a path: 1 to the largest int64. Anything else is no such page."""

    regex = "[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if not 0 < number <= MAX_INT64:
            raise ValueError(value)
        return number

    def to_url(self, value: int) -> str:
        return str(value)


class ErrorSerializer(serializers.Serializer[Any]):
    """The body of every error."""

    code = serializers.IntegerField()
    message = serializers.CharField()
    details = serializers.DictField(child=serializers.CharField())
    request_id = serializers.CharField()


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI schema names the token."""

    target_class = "charites.common.rest.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


def documented(summary: str, *, request: Any = None, responses: Any, **further: Any) -> Callable[..., Any]:
    """Documents a view method: what it takes, what it answers, and the one shape of its errors."""
    errors = dict.fromkeys(("4XX", "5XX"), ErrorSerializer)
    answers = responses if isinstance(responses, dict) else {200: responses}
    return extend_schema(summary=summary, request=request, responses={**answers, **errors}, **further)


def valid_body(serializer_class: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """Returns the checked body of a request. Raises what the exception handler turns into Invalid."""
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def valid_query(serializer_class: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """Returns the checked query parameters of a request."""
    serializer = serializer_class(data=request.query_params.dict())
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def idempotency_key(request: Request, given: str | None = None) -> str | None:
    """Returns the key of the header `Idempotency-Key` or of the body. Raises Invalid when the two differ."""
    return one_key(request.headers.get("Idempotency-Key"), given)


def identity_of(request: Request) -> auth.Identity:
    """Returns who calls. Raises Unauthenticated when nobody does."""
    if not isinstance(request.user, auth.Identity):
        raise Unauthenticated
    return request.user


register_converter(IdConverter, "id")
