"""The gateway of the old clients: POST /v1/..., JSON in and out, answered by the gRPC servicers in this process.

Routes are the `google.api.http` options in the .proto files; tokens, roles and the numbers of errors are those of gRPC
and REST. As with grpc-gateway, names are the JSON names, int64 are strings, fields that are zero or empty are printed
too, fields that a request does not have are passed over, and errors are the JSON of gRPC's status.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from charites.common.errors import MOST_FAULTS, Invalid, MethodNotAllowed
from charites.common.near import is_near
from charites.common.rpc import IDEMPOTENCY_KEY, Method, installed_methods
from charites.common.strict_json import read_body

FORWARDED = ("authorization", IDEMPOTENCY_KEY)  # headers that travel as metadata

WHOLE_NUMBERS = {getattr(FieldDescriptor, f"CPPTYPE_{name}") for name in ("INT32", "INT64", "UINT32", "UINT64")}
WRITTEN = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
EXACT = 2**53  # a fraction above it may have been another number
UNFIT = (json_format.ParseError, ValueError)  # (half a character is a ValueError)


def gateway_urls() -> list[URLPattern]:
    """Returns the routes of every installed method that has one."""
    routes = [(route_of(method), method) for method in installed_methods()]
    return [path(route.lstrip("/"), view_of(method)) for route, method in routes if route]


def route_of(method: Method) -> str:
    """Returns the path that the .proto file gives a method, or an empty string."""
    return str(method.descriptor.GetOptions().Extensions[annotations_pb2.http].post)


def view_of(method: Method) -> Callable[[HttpRequest], HttpResponse]:
    """Returns the view that answers for a method. What it raises `common/rest/` turns into what grpc-gateway says."""

    @csrf_exempt  # no cookie speaks for anybody here, a token does
    def answer(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            raise MethodNotAllowed(method=request.method)
        metadata = {name: request.headers[name] for name in FORWARDED if name in request.headers}
        near = partial(is_near, request.META.get("REMOTE_ADDR", ""), request.headers)
        reply = method.answer(metadata, lambda: read_message(method.request_class, request), near)
        return JsonResponse(as_json(reply), json_dumps_params={"ensure_ascii": False})

    return answer


def as_json(message: Message) -> dict[str, Any]:
    """Returns a message as grpc-gateway prints it."""
    return json_format.MessageToDict(message, always_print_fields_with_no_presence=True)


def read_message(message_class: type[Message], request: HttpRequest) -> Message:
    """Reads a request; an empty body is an empty request. Raises Invalid, which names every field that is wrong."""
    fields = read_body(request.body or b"{}", request.headers.get("Content-Type", ""))
    if not isinstance(fields, dict):
        raise Invalid("body", _("must be a JSON object"))
    try:
        return parsed(message_class, fields)
    except UNFIT as error:  # the parser's own words are not for callers
        found = islice(faults_in(message_class, fields), MOST_FAULTS)
        raise Invalid.of(list(found) or [Invalid("body", _("has a value that does not fit"))]) from error


def parsed(message_class: type[Message], fields: Mapping[str, Any]) -> Message:
    """Returns the message that these fields make, without those that it does not have. Raises what is in UNFIT, and
    Invalid for a field that comes under both of its names."""
    check_written(message_class.DESCRIPTOR, fields)
    return json_format.ParseDict(fields, message_class(), ignore_unknown_fields=True)


def check_written(descriptor: Descriptor, fields: Mapping[str, Any]) -> None:
    """Looks at what json_format reads in ways of its own, and grpc-gateway refuses: of a field that comes under both of
    its names it would take the last, and of 1_0 make a ten. Raises ValueError, Invalid."""
    known, seen = fields_by_name(descriptor), set()
    for name, value in fields.items():
        if (field := known.get(name)) is None:
            continue
        if field.number in seen:
            raise Invalid(name, _("comes twice"))
        seen.add(field.number)
        for one in value if isinstance(value, list) else [value]:
            if field.message_type and isinstance(one, dict):
                check_written(field.message_type, one)
            elif not is_readable(field, one):
                raise ValueError(f"{name} is no such value as JSON has it")


def is_readable(field: FieldDescriptor, value: Any) -> bool:
    """Whether json_format may read a value: of a message no text, and of a whole number digits in a string, or a number
    that was not rounded when it was read."""
    if field.cpp_type not in WHOLE_NUMBERS:
        return not (field.message_type and isinstance(value, str))
    if isinstance(value, str):
        return WRITTEN.fullmatch(value) is not None
    return not isinstance(value, float) or abs(value) < EXACT


def fields_by_name(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """The fields of a message by each of their two names."""
    return {name: field for field in descriptor.fields for name in (field.name, field.json_name)}


def faults_in(message_class: type[Message], fields: Mapping[str, Any], path: str = "") -> Iterator[Invalid]:
    """Yields every field that is wrong, such as `Items.0.GoodsId`."""
    known = fields_by_name(message_class.DESCRIPTOR)
    for name, value in fields.items():
        if name in known and is_wrong(message_class, name, value):
            here = f"{path}{name}"
            inside = list(faults_inside(known[name], value, here))
            yield from inside or [Invalid(here, _("has a value that does not fit"))]


def faults_inside(field: FieldDescriptor, value: Any, path: str) -> Iterator[Invalid]:
    """Yields what is wrong inside the messages of a repeated field."""
    if field.message_type is None or not isinstance(value, list):
        return
    message_class = GetMessageClass(field.message_type)
    for index, inner in enumerate(value):
        if isinstance(inner, dict):
            yield from faults_in(message_class, inner, f"{path}.{index}.")


def is_wrong(message_class: type[Message], name: str, value: Any) -> bool:
    """Whether a field alone is refused already."""
    try:
        parsed(message_class, {name: value})
    except UNFIT:
        return True
    return False
