"""What every view stands on: who calls, in which role, with which body."""

from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Protocol, TypeVar

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from charites.common import auth
from charites.common.errors import Invalid, Unauthenticated, one_key
from charites.common.logs import note_actor
from charites.common.near import is_near
from charites.common.rest.fields import StrictSerializer
from charites.common.strict_json import NAME_SHOWN, read_body

AnySerializer = TypeVar("AnySerializer", bound=Serializer[Any])


class Asked(Protocol):
    """What is asked of a request, in a thread or in the event loop."""

    @property
    def user(self) -> Any: ...

    @property
    def data(self) -> Any: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class Parser(JSONParser):
    """JSON as `charites.common.strict_json` has it."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return read_body(stream.read(), media_type or "")


class BearerAuthentication(BaseAuthentication):
    """Reads the bearer token; `request.user` is an `auth.Identity`."""

    def authenticate(self, request: Request) -> tuple[auth.Identity, None] | None:
        header = request.headers.get("Authorization")
        if not header:
            return None
        near = partial(is_near, request.META.get("REMOTE_ADDR", ""), request.headers)
        identity = auth.read_authorization(header, near)
        note_actor(identity.actor)
        return identity, None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class Endpoint(APIView):
    """The base of every view: whoever calls has a valid token and speaks JSON.

    Why it is no default setting: docs/adr/0006-endpoint-base-class.md.
    """

    authentication_classes: list[type[BaseAuthentication]] = [BearerAuthentication]
    parser_classes = [Parser]
    is_for_all = False  # answers whoever asks, and all of them alike


class OpenEndpoint(Endpoint):
    """The base of what everybody may see, and sees alike: neither a token nor a cookie is looked at."""

    authentication_classes = []
    permission_classes = []
    is_for_all = True


def allowed(*grants: auth.Grant) -> type[BasePermission]:
    """Returns a permission class that lets in only these roles, and staff with one of these permissions; other staff
    are told which is missing."""

    class Allowed(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:
            if not isinstance(request.user, auth.Identity):
                return False
            request.user.require(*grants)
            return True

    return Allowed


@cache
def made(serializer_class: type[AnySerializer]) -> AnySerializer:
    """A serializer, made once: it copies all its fields for every new one, and keeps nothing of what it has seen."""
    return serializer_class()


def valid_body(serializer_class: type[StrictSerializer], request: Asked) -> dict[str, Any]:
    """Returns the checked body of a request. Raises what the exception handler turns into Invalid."""
    return dict(made(serializer_class).run_validation(request.data))


def valid_query(serializer_class: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """Returns the checked query parameters of a request. Raises Invalid, also for one that comes twice."""
    for name, values in request.query_params.lists():
        if len(values) > 1:
            raise Invalid(name[:NAME_SHOWN], _("comes twice"))
    return dict(made(serializer_class).run_validation(request.query_params.dict()))


def shown(serializer_class: type[Serializer[Any]], value: object) -> Any:
    """Returns a value as a serializer shows it."""
    return made(serializer_class).to_representation(value)


def as_json(reply: bytes) -> HttpResponse:
    """An answer that is JSON already."""
    return HttpResponse(reply, content_type="application/json")


def idempotency_key(request: Asked, given: str | None = None) -> str | None:
    """Returns the key of the header `Idempotency-Key` or of the body. Raises Invalid when the two differ."""
    return one_key(request.headers.get("Idempotency-Key"), given)


def required_key(request: Asked, given: str | None = None) -> str:
    """The same where nothing is done without a key. Raises Invalid when there is none."""
    key = idempotency_key(request, given)
    if key is None:
        raise Invalid("idempotency_key", _("is missing: send the header Idempotency-Key, or the field"))
    return key


def identity_of(request: Asked) -> auth.Identity:
    """Returns who calls. Raises Unauthenticated when nobody does."""
    if not isinstance(request.user, auth.Identity):
        raise Unauthenticated
    return request.user
