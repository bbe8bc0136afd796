"""The gateway of the old clients: POST /v1/..., JSON in and out, answered by the gRPC servicers in this process.

Routes are the `google.api.http` options in the .proto files; tokens, roles and errors are those of gRPC and REST. As
with grpc-gateway, names are the JSON names, int64 are strings, and fields that are zero or empty are printed too.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

from charites.common.errors import Invalid, MethodNotAllowed
from charites.common.near import is_near
from charites.common.rpc import IDEMPOTENCY_KEY, Method, installed_methods

FORWARDED = ("authorization", IDEMPOTENCY_KEY)  # headers that travel as metadata


def gateway_urls() -> list[URLPattern]:
    """Returns the routes of every installed method that has one."""
    routes = [(route_of(method), method) for method in installed_methods()]
    return [path(route.lstrip("/"), view_of(method)) for route, method in routes if route]


def route_of(method: Method) -> str:
    """Returns the path that the .proto file gives a method, or an empty string."""
    return str(method.descriptor.GetOptions().Extensions[annotations_pb2.http].post)


def view_of(method: Method) -> Callable[[HttpRequest], HttpResponse]:
    """Returns the view that answers for a method. What it raises becomes the one error body of `common/rest/`."""

    @csrf_exempt  # no cookie speaks for anybody here, a token does
    def answer(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            raise MethodNotAllowed(method=request.method)
        metadata = {name: request.headers[name] for name in FORWARDED if name in request.headers}
        near = partial(is_near, request.META.get("REMOTE_ADDR", ""), request.headers)
        reply = method.answer(metadata, lambda: read_json(method.request_class, request.body), near)
        return JsonResponse(as_json(reply), json_dumps_params={"ensure_ascii": False})

    return answer


def as_json(message: Message) -> dict[str, Any]:
    """Returns a message as grpc-gateway prints it."""
    return json_format.MessageToDict(message, always_print_fields_with_no_presence=True)


def read_json(message_class: type[Message], body: bytes) -> Message:
    """Reads a request; an empty body is an empty request. Raises Invalid that names what is wrong."""
    try:
        return json_format.Parse(body or b"{}", message_class())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise explain(message_class, body) from error


def explain(message_class: type[Message], body: bytes) -> Invalid:
    """Finds out what is wrong with a body that is no such message; the parser's own words are not for callers."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return Invalid("body", _("is not valid JSON"))
    if not isinstance(fields, dict):
        return Invalid("body", _("must be a JSON object"))
    known = {name for field in message_class.DESCRIPTOR.fields for name in (field.name, field.json_name)}
    wrong = next(filter(partial(is_wrong, message_class), fields.items()), ("body", None))[0]
    if wrong == "body" or wrong in known:
        return Invalid(wrong, _("has a value that does not fit"))
    return Invalid(wrong[:64], _("is not a field of this request"))


def is_wrong(message_class: type[Message], field: tuple[str, Any]) -> bool:
    """Whether a field alone is refused already."""
    try:
        json_format.Parse(json.dumps(dict([field])), message_class())
    except json_format.ParseError:
        return True
    return False
