"""Signing in, health, metrics, the front page, the sandbox's pay page."""

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle

from charites import health, metrics
from charites.common import auth, clock
from charites.common.errors import NotFound
from charites.common.models import NAME_LENGTH
from charites.common.rest import Endpoint, StrictSerializer, TextField, documented, error_response, valid_body
from goods.selectors import list_rooms
from orders.errors import PaymentNotFound, PaymentsUnavailable
from orders.models import SandboxPayment
from orders.payments import sandbox
from orders.payments.provider import get_provider


class SignInSerializer(StrictSerializer):
    username = TextField(max_length=NAME_LENGTH)
    password = TextField(max_length=NAME_LENGTH, trim_whitespace=False)


class RefreshSerializer(StrictSerializer):
    refresh = TextField(max_length=2048)


class TokenPairSerializer(serializers.Serializer[auth.TokenPair]):
    access = serializers.CharField()
    refresh = serializers.CharField()


class OpenView(Endpoint):
    """Needs no token; limited by address instead."""

    authentication_classes = []
    permission_classes: list[type] = []
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "token"


class TokenView(OpenView):
    @documented("Sign in", request=SignInSerializer, responses=TokenPairSerializer, auth=[])
    def post(self, request: Request) -> Response:
        body = valid_body(SignInSerializer, request)
        return Response(TokenPairSerializer(auth.sign_in(**body, now=clock.now())).data)


class RefreshView(OpenView):
    @documented("Renew a token", request=RefreshSerializer, responses=TokenPairSerializer, auth=[])
    def post(self, request: Request) -> Response:
        token = valid_body(RefreshSerializer, request)["refresh"]
        return Response(TokenPairSerializer(auth.refresh(token=token, now=clock.now())).data)


@require_safe
@never_cache
def livez(request: HttpRequest) -> JsonResponse:
    """This process answers."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Everything that the shop needs answers, each part by name."""
    checks = health.check_all()
    ready = all(check.ok for check in checks)
    return JsonResponse(
        {
            "status": "ready" if ready else "not ready",
            "checks": {check.name: {"ok": check.ok, "detail": check.detail} for check in checks},
        },
        status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
    )


@require_safe
@never_cache
def metrics_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


@require_safe
def front_page(request: HttpRequest) -> HttpResponse:
    """Links to everything there is."""
    address = f"{settings.GRPC_HOST}:{settings.GRPC_PORT}"
    rooms = list_rooms() if "goods" in settings.APPS else None
    return render(request, "charites/front.html", {"rooms": rooms, "demo": settings.DEMO, "grpc_address": address})


@require_http_methods(["GET", "POST"])
@never_cache
def pay_page(request: HttpRequest, link: str) -> HttpResponse:
    """The sandbox provider's page, where a buyer pays."""
    payment = find_payment_of_link(link)
    if payment is None:
        return render(request, "charites/no_payment.html", status=HTTPStatus.NOT_FOUND)
    if request.method == "POST":
        sandbox.act(payment_id=payment.payment_id, outcome=request.POST.get("outcome", "pay"), now=clock.now())
        return redirect(request.path)
    return render(request, "charites/pay.html", {"payment": payment, "expired": payment.expires_at <= clock.now()})


def find_payment_of_link(link: str) -> SandboxPayment | None:
    """Returns what a pay page is about; None for a forged address, and where the provider is not the sandbox."""
    try:
        return sandbox.read_link(link) if isinstance(get_provider(), sandbox.Sandbox) else None
    except (PaymentNotFound, PaymentsUnavailable):
        return None


@csrf_exempt
def no_such_address(request: HttpRequest) -> JsonResponse:
    """Programs get JSON for an address that does not exist, too."""
    return error_response(NotFound())
