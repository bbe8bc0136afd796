"""Signing in, health, metrics, the icon."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import resolve
from django.utils.cache import patch_cache_control
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from charites import health, metrics
from charites.common import auth, clock, pictures, sign_in
from charites.common.errors import Limited, NotFound, TokenExpired, Unauthenticated, WrongPassword
from charites.common.models import NAME_LENGTH
from charites.common.rest import (
    Answer,
    Endpoint,
    IdField,
    SecretField,
    StrictSerializer,
    TextField,
    documented,
    error_response,
    identity_of,
    sender,
    shown,
    valid_body,
)
from charites.operators import may_see
from charites.version import VERSION

TOKENS = {"access": "eyJhbGciOiJIUzI1NiIs...", "refresh": "eyJhbGciOiJIUzI1NiIt..."}
ME = {"user_id": "1", "role": "customer", "name": "buyer", "permissions": []}


class SignInSerializer(StrictSerializer):
    username = TextField(max_length=NAME_LENGTH)
    password = SecretField(max_length=NAME_LENGTH)


class RefreshSerializer(StrictSerializer):
    refresh = SecretField(max_length=2048)


class TokenPairSerializer(serializers.Serializer[auth.TokenPair]):
    access = serializers.CharField(help_text="for the header `Authorization: Bearer <access>`")
    refresh = serializers.CharField(help_text="for /api/auth/refresh, once")


class MeSerializer(serializers.Serializer[Any]):
    user_id = IdField(help_text='"0" for a service that acts for nobody in particular')
    role = serializers.ChoiceField([(role.value, role.name) for role in auth.Role])
    name = serializers.CharField(help_text="of a user or a service")
    permissions = serializers.ListField(
        child=serializers.CharField(), help_text="of staff, as far as the API asks for them"
    )


class OpenView(Endpoint):
    """Needs no token; limited by address instead, and by user name."""

    authentication_classes = []
    permission_classes: list[type] = []


class TokenView(OpenView):
    @documented(
        "Sign in",
        description="Limited by the caller's address and by user name.",
        operation_id="sign_in",
        request=SignInSerializer,
        example={"username": "buyer", "password": "charites"},
        answers=Answer(TokenPairSerializer, "Two tokens.", TOKENS),
        errors=[WrongPassword, Limited],
        auth=[],
    )
    def post(self, request: Request) -> Response:
        body, now = valid_body(SignInSerializer, request), clock.now()
        sign_in.count_attempt(username=body["username"], address=sender(request), now=now)
        return Response(shown(TokenPairSerializer, auth.sign_in(**body, now=now)))


class RefreshView(OpenView):
    @documented(
        "Renew a token",
        description="Takes the refresh token that came with the access token.",
        operation_id="renew_token",
        request=RefreshSerializer,
        example={"refresh": TOKENS["refresh"]},
        answers=Answer(TokenPairSerializer, "Two new tokens; the old refresh token is used up.", TOKENS),
        errors=[Unauthenticated, TokenExpired, Limited],
        auth=[],
    )
    def post(self, request: Request) -> Response:
        token, now = valid_body(RefreshSerializer, request)["refresh"], clock.now()
        sign_in.count_renewal(address=sender(request), now=now)
        return Response(shown(TokenPairSerializer, auth.refresh(token=token, now=now)))


class MeView(Endpoint):
    @documented(
        "See who you are",
        description="What the token says, and what it lets you do.",
        operation_id="get_me",
        answers=Answer(MeSerializer, "You.", ME),
    )
    def get(self, request: Request) -> Response:
        identity = identity_of(request)
        you = {
            "user_id": identity.user_id,
            "role": identity.role,
            "name": auth.name_of(identity),
            "permissions": sorted(identity.permissions),
        }
        return Response(shown(MeSerializer, you))


@require_safe
@never_cache
def livez(request: HttpRequest) -> JsonResponse:
    """This process answers."""
    return JsonResponse({"status": "alive", "version": VERSION})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """For balancers: this process can place an order now."""
    return checked(request, health.check_placing())


@require_safe
@never_cache
def statusz(request: HttpRequest) -> JsonResponse:
    """For operators: everything that the shop needs answers, each part by name."""
    return checked(request, health.check_all())


def checked(request: HttpRequest, checks: list[health.Check]) -> JsonResponse:
    """Whether all of it answers; by name for those who may see it."""
    ready = all(check.ok for check in checks)
    body: dict[str, Any] = {"status": "ready" if ready else "not ready"}
    if may_see(request, "readiness"):
        body["checks"] = {check.name: {"ok": check.ok, "detail": check.detail} for check in checks}
    return JsonResponse(body, status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


@require_safe
@never_cache
def metrics_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


@require_safe
@cache_control(max_age=86400)
def favicon(request: HttpRequest) -> HttpResponse:
    """For what asks by habit: the admin's pages, and programs that read no pages."""
    return redirect(static("charites/favicon.ico"))


@require_safe
def uploaded_picture(request: HttpRequest, name: str) -> HttpResponse:
    """A picture that staff uploaded, for whoever knows its address; it never changes."""
    picture = pictures.find(name)
    if picture is None:
        return no_such_page(request)
    answer = HttpResponse(picture, content_type="image/webp")
    patch_cache_control(answer, public=True, max_age=365 * 86400, immutable=True)
    return answer


@csrf_exempt
def no_such_page(request: HttpRequest) -> HttpResponse:
    """People get a page for an address that does not exist; one that does, but for a slash, is led to."""
    if not request.path.endswith("/") and resolve(f"{request.path}/").func != no_such_page:
        return redirect(f"{request.path}/")
    return render(request, "404.html", status=HTTPStatus.NOT_FOUND)


@csrf_exempt
def no_such_address(request: HttpRequest) -> HttpResponse:
    """Programs get JSON for an address that does not exist, too; one that does, but for a slash, is pointed to."""
    path = request.path.rstrip("/")
    if path == request.path or resolve(path).func == no_such_address:
        return error_response(request.path, NotFound())
    query = request.META["QUERY_STRING"]
    return HttpResponse(status=HTTPStatus.PERMANENT_REDIRECT, headers={"Location": path + (query and f"?{query}")})
