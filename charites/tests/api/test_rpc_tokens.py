"""Tokens and roles over gRPC."""

from collections.abc import Callable
from datetime import timedelta

import jwt
import pytest
from django.test import override_settings
from django.utils import timezone

from charites.common.auth import Role, issue_token
from charites.tests.api.probe import probe
from lab.kit.factories import bearer, make_user, refresh_bearer
from lab.kit.grpc_server import grpc_callers, refusal
from stock.rpc.stock_pb2 import StockLevel

UNAUTHENTICATED = ("UNAUTHENTICATED", 10000002)
EXPIRED = ("UNAUTHENTICATED", 10000010)


def expired() -> str:
    now = timezone.now() - timedelta(days=1)
    return f"Bearer {issue_token(user_id=1, role=Role.SERVICE, now=now, lifetime_seconds=60)}"


def foreign() -> str:
    claims = {"sub": "1", "role": "service", "use": "access", "exp": timezone.now() + timedelta(days=1)}
    return f"Bearer {jwt.encode(claims, 'a key of somebody else that is long enough for HS256', 'HS256')}"


BAD_HEADERS = {
    "missing": lambda: "",
    "bare": lambda: bearer().removeprefix("Bearer "),
    "basic": lambda: "Basic dXNlcjpwYXNz",
    "garbage": lambda: "Bearer not-a-token",
    "expired": expired,
    "foreign": foreign,
    "refresh": lambda: refresh_bearer(1, Role.SERVICE),
    "demo word outside the demo": lambda: "token",
    "quoted demo word outside the demo": lambda: '"token"',
    "demo token outside the demo": lambda: "Bearer token",
}


@pytest.mark.parametrize("header", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_bad_token_is_unauthenticated_before_the_method_runs(header: Callable[[], str]) -> None:
    calls, methods = probe()

    with grpc_callers(methods) as callers:
        answer = refusal(callers.with_header(header()).stock.GetStock, StockLevel())
    assert answer == (EXPIRED if header is expired else UNAUTHENTICATED)
    assert calls == []


@pytest.mark.parametrize("header", ["token", '"token"', "Bearer token"])
def test_the_demo_words_are_the_service_role_in_the_demo(header: str) -> None:
    calls, methods = probe()

    with override_settings(DEMO=True), grpc_callers(methods) as callers:
        callers.with_header(header).stock.GetStock(StockLevel())

    assert [(call.identity.user_id, call.identity.role) for call in calls] == [(0, Role.SERVICE)]


@pytest.mark.django_db(transaction=True)
def test_the_demo_names_are_users_in_the_demo() -> None:
    user = make_user("buyer")
    calls, methods = probe()

    with override_settings(DEMO=True), grpc_callers(methods) as callers:
        callers.with_header("Bearer buyer").stock.GetStock(StockLevel())

    assert [(call.identity.user_id, call.identity.role) for call in calls] == [(user.pk, Role.CUSTOMER)]


@pytest.mark.django_db(transaction=True)
def test_a_method_for_some_roles_lets_only_them_in() -> None:
    calls, methods = probe()

    with grpc_callers(methods) as callers:
        refused = [refusal(caller.stock.SetStock, StockLevel()) for caller in (callers.buyer(), callers.service())]
        callers.staff().stock.SetStock(StockLevel())

    assert refused == [("PERMISSION_DENIED", 10000006)] * 2
    assert [call.identity.role for call in calls] == [Role.STAFF]
