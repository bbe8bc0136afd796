"""Around every request: its id, its size, its line in the log, and an answer when nobody else had one."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware
from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import SAFE_METHODS
from rest_framework.views import APIView

from charites.common import logs, tracing
from charites.common.addresses import caller_address
from charites.common.errors import Invalid, OutcomeUnknown, ServiceError, as_service_error, too_large_body
from charites.common.refused import count_refusal
from charites.common.rest.status import error_headers, error_response, error_status

log = structlog.get_logger(__name__)

# For whoever watches over the process, who asks it by its address, also when it is full.
FOR_OPERATORS = frozenset({"/livez", "/readyz", "/statusz", "/metrics"})
MACHINE_PATHS = ("/api/", "/v1/")  # answers to programs: JSON, also for what no view handled
METHODS = frozenset(name.upper() for name in APIView.http_method_names)
OTHER_METHOD = "other"
SAID = 256  # characters of what a caller sends, in a line of the log
STARTED = "charites.started"  # in the environ: when the web server handed the request over, by the monotonic clock


class HostMiddleware(CommonMiddleware):
    """Django's own, which refuses hosts that are not ours, except that probes may ask a process by its address."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path in FOR_OPERATORS else super().process_request(request)


class RequestMiddleware:
    """Outermost but for the language and other origins: binds the request id, refuses large bodies, counts and logs,
    turns what nobody caught into JSON.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = request.META.get(STARTED) or time.monotonic()
        with around(request, started) as request_id, traced(request):
            response = refuse(request) or self.get_response(request)
            response["X-Request-ID"] = request_id
            account_for(request, response, started)
        return response

    def process_view(self, request: HttpRequest, view: Any, positional: Any, named: Any) -> None:
        """Notes who signed in with a session; who calls an API has a token, which is read later."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or request.path.startswith(MACHINE_PATHS):
            return
        user = request.user
        if user.is_authenticated:
            logs.note_actor(f"{'staff' if user.is_staff else 'customer'}:{user.pk}")

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Views outside DRF: the gateway, the admin, pages."""
        if isinstance(error, Http404 | DisallowedHost | RequestDataTooBig):
            return None
        service_error = as_service_error(error)
        if request.path.startswith(MACHINE_PATHS):
            logs.log_unforeseen(service_error, error)
            return error_response(request.path, service_error)
        if isinstance(error, OperationalError | InterfaceError | ServiceError):
            log.warning("request_failed", path=request.path, error=repr(error))
            count_refusal(service_error)
            if service_error is not error and request.method not in SAFE_METHODS:
                service_error = OutcomeUnknown()  # a page reads after it has written, too
            return HttpResponse(
                service_error.message,
                status=error_status(service_error),
                headers=error_headers(service_error),
                content_type="text/plain; charset=utf-8",
            )
        return None


def around(request: HttpRequest, started: float) -> logs.bound:
    """The context of a request for what it logs."""
    return logs.request_context(request.headers.get("X-Request-ID"), address=sender(request), started=started)


def sender(request: HttpRequest) -> str:
    """The address of who sent a request."""
    return caller_address(request.META.get("REMOTE_ADDR", ""), request.headers.get("x-forwarded-for", ""))


def traced(request: HttpRequest) -> AbstractContextManager[None]:
    """The span of a request, which gets its name when it is accounted for."""
    if request.path in FOR_OPERATORS or request.path.startswith(settings.STATIC_URL):
        return tracing.NOTHING
    parent = {tracing.PARENT: request.headers.get(tracing.PARENT, "")}
    return tracing.span("request", kind="SERVER", carrier=parent, request_id=logs.current_request_id())


def refuse(request: HttpRequest) -> HttpResponse | None:
    """Refuses what programs send to a wrong host name, or at too great a length."""
    if not request.path.startswith(MACHINE_PATHS):
        return None
    try:
        request.get_host()
    except DisallowedHost:
        return error_response(request.path, Invalid("Host", _("is not a name of this server")))
    limit = settings.REQUEST_MAX_BYTES
    length = request.headers.get("Content-Length") or "0"
    if length.isdigit() and int(length) <= limit:
        return None
    return error_response(request.path, too_large_body(limit), HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def account_for(request: HttpRequest, response: HttpResponseBase, started: float) -> None:
    """Counts a request that Django has seen, and writes its line in the log."""
    match = request.resolver_match
    account(str(request.method), request.path, match.route if match else None, response, time.monotonic() - started)


def account(method: str, path: str, route: str | None, response: HttpResponseBase, seconds: float) -> None:
    """Counts a request and writes its line in the log. A caller invents methods and paths, and every label of a metric
    lives for good: so these come from our own lists."""
    label = f"{method if method in METHODS else OTHER_METHOD} {route or '-'}"
    tracing.note(label, **{"http.response.status_code": response.status_code})
    logs.REQUESTS.labels("http", label, str(response.status_code)).inc()
    logs.REQUEST_SECONDS.labels("http", label).observe(seconds)
    if is_quiet(path, response.status_code):
        return
    origin = logs.current_origin()
    said = {"method": method[:SAID], "path": path[:SAID]}
    caller = {"actor": origin.actor, "address": origin.address}
    logs.Access.log.info("request", **said, **caller, status=response.status_code, ms=round(seconds * 1000, 1))


def is_quiet(path: str, status: int) -> bool:
    """Whether a request needs no line: a probe or a static file, with which nothing was wrong."""
    return status < HTTPStatus.BAD_REQUEST and (path in FOR_OPERATORS or path.startswith(settings.STATIC_URL))
