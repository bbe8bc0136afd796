"""Requests that take no thread: an endpoint with an `aget` or `apost` beside its `get` or `post` answers them in the
event loop of the web server.

Whatever is unusual about a request goes the usual way, through Django in a thread; so does what is wrong with it,
unless only the queue finds that out. What is answered here looks the same, header by header: a test compares.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, TypeVar

from django.core.handlers.wsgi import WSGIRequest
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.locale import LocaleMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import ResolverMatch, resolve
from django.utils import translation
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from charites.common import logs
from charites.common.auth import Identity, identify_at_once
from charites.common.errors import ServiceError
from charites.common.replies import Replies
from charites.common.rest.content_policy import ContentPolicyMiddleware
from charites.common.rest.cross_origin import CrossOriginMiddleware
from charites.common.rest.endpoint import Endpoint
from charites.common.rest.middleware import STARTED, account_for, around, refuse, traced
from charites.common.rest.refusals import exception_handler
from charites.common.strict_json import read_json

Key = TypeVar("Key", bound=Hashable)

JSON = "application/json"
ACCEPTED = ("", "*/*", JSON)
METHODS = {"GET": "aget", "POST": "apost"}
Answered: TypeAlias = HttpResponse | StreamingHttpResponse
PATH_LENGTH = 128  # no longer ones are remembered, or answered here


class LoopRequest(NamedTuple):
    """What a view may ask of its request. `user` is None where all are answered alike."""

    user: Identity | None
    data: Any
    headers: Mapping[str, str]


class Target(NamedTuple):
    """The method that answers, and how its address was found."""

    view: Endpoint
    behave: Callable[..., Awaitable[Answered]]
    match: ResolverMatch


def no_further(request: HttpRequest) -> HttpResponse:
    raise AssertionError("these steps are taken one by one")


SECURITY = SecurityMiddleware(no_further)
LAST_STEPS = (
    XFrameOptionsMiddleware(no_further),
    SECURITY,
    ContentPolicyMiddleware(no_further),
    CrossOriginMiddleware(no_further),
    LocaleMiddleware(no_further),
)


@lru_cache(2_000)
def find_target(method: str, path: str) -> Target | None:
    """Returns who answers a request in the loop, if somebody does."""
    try:
        match = resolve(path)
    except Http404:
        return None
    view_class = getattr(match.func, "cls", None)
    if not (view_class and issubclass(view_class, Endpoint)):
        return None
    view = view_class()
    view.setup(HttpRequest())  # HEAD is GET, where there is one
    behave = getattr(view, METHODS[method], None)
    return Target(view, behave, match) if behave else None


async def answer(environ: dict[str, Any]) -> Answered | None:
    """Answers a request; None for one that goes the usual way: nothing of it was begun."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if method not in METHODS or len(path) > PATH_LENGTH or not path.isascii():
        return None
    if environ["CONTENT_TYPE"] not in ("", JSON) or (target := find_target(method, path)) is None:
        return None
    if "HTTP_COOKIE" in environ and not target.view.is_for_all:
        return None  # it may be a session's, and to read one takes a while
    request = WSGIRequest(environ)
    request.resolver_match = target.match
    language = translation.get_language_from_request(request)
    with around(request, environ[STARTED]) as request_id, translation.override(language), traced(request):
        if refuse(request) or SECURITY.process_request(request):
            return None
        response = await respond(target, request)
        if response is None:
            return None
        response = finished(target, request, response)
        response["X-Request-ID"] = request_id
        account_for(request, response, environ[STARTED])
        return response


async def respond(target: Target, request: WSGIRequest) -> Answered | None:
    """Has the view answer a request with which nothing is wrong."""
    try:
        if (asked := as_usual(target, request)) is None:
            return None
        return rendered(await target.behave(asked, **target.match.kwargs))
    except (APIException, UsualWay):
        return None  # of DRF's own refusals nothing was begun
    except Exception as error:  # noqa: BLE001 (it becomes an error of the catalogue)
        return rendered(exception_handler(error, {}))


class UsualWay(Exception):
    """Raised by a view that has no answer here."""


def at_hand(replies: Replies[Key], key: Key) -> bytes:
    """A reply that was made just now. Raises UsualWay when there is none."""
    reply = replies.recall_fresh(key)
    if reply is None:
        raise UsualWay
    return reply


def as_usual(target: Target, request: WSGIRequest) -> LoopRequest | None:
    """A request as views have it; None if there is anything about it that Django or DRF would have to look at."""
    headers = request.headers
    if target.view.is_for_all:
        return None if request.META["QUERY_STRING"] else LoopRequest(None, None, headers)
    is_json = request.method == "GET" or request.content_type == JSON
    if not is_json or request.META["QUERY_STRING"] or headers.get("Accept", "") not in ACCEPTED:
        return None
    try:
        user = identify_at_once(headers.get("Authorization", ""))
        data = None if request.method == "GET" else read_json(request.body)
    except ServiceError:
        return None
    if user is None:
        return None
    logs.note_actor(user.actor)
    asked = LoopRequest(user, data, headers)
    allowed = all(permission.has_permission(asked, target.view) for permission in target.view.get_permissions())  # type: ignore[arg-type]
    return asked if allowed else None


def rendered(response: Answered) -> Answered:
    """A response as bytes."""
    if not isinstance(response, Response):
        return response
    headers = {name: value for name, value in response.items() if name != "Content-Type"}
    body = JSONRenderer().render(response.data)
    return HttpResponse(body, status=response.status_code, headers=headers, content_type=JSON)


def finished(target: Target, request: WSGIRequest, response: Answered) -> Answered:
    """What DRF and Django's middlewares add to every answer of the API."""
    for name, value in target.view.default_response_headers.items():
        response.setdefault(name, value)
    for step in LAST_STEPS:
        step.process_response(request, response)  # type: ignore[arg-type] # (each returns the one it was given)
    if isinstance(response, HttpResponse):
        response["Content-Length"] = str(len(response.content))
    return response
