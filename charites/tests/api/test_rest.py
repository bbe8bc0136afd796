"""What every REST endpoint has in common: tokens, error bodies, request ids, sizes, languages, signing in."""

import re
import uuid
from datetime import timedelta
from http import HTTPMethod

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import override_settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.throttling import ScopedRateThrottle

from charites.common.auth import LEEWAY_SECONDS, Role, issue_pair, issue_token
from lab.kit.factories import BUYER_ID, bearer, make_goods, make_user
from lab.kit.rest_client import RestClient, anybody, buyer, error_of, staff

# Everything that answers without a token, and why that is right.
OPEN = {
    "": "the front page",
    "livez": "health",
    "readyz": "health",
    "metrics": "for Prometheus",
    "api/auth/token": "where tokens come from",
    "api/auth/refresh": "carries a refresh token",
    "api/schema": "documentation",
    "api/docs": "documentation",
    "api/payments/notify": "signed by the provider",
    "sandbox/pay/<str:link>": "the link is signed",
    "^(?:api|v1)(?:/|$)": "addresses that do not exist",
}
METHODS = [method.value for method in HTTPMethod if method not in (HTTPMethod.CONNECT, HTTPMethod.TRACE)]


def all_routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> list[str]:
    """Every route of the urlconf, the admin's (which has its own sign-in) left out."""
    routes: list[str] = []
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            routes += [] if pattern.app_name == "admin" else all_routes(pattern.url_patterns, route)
        else:
            routes.append(route)
    return routes


ROUTES = all_routes(get_resolver().url_patterns)


@pytest.fixture(autouse=True)
def _fresh_throttle(settings: Settings) -> None:
    """Keys of its own: the Redis may serve tests that run beside this one."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}}


# tokens


def test_routes_that_are_open_exist() -> None:
    assert set(OPEN) <= set(ROUTES)
    assert "api/orders/<id:order_id>/pay" in ROUTES


@pytest.mark.django_db
@pytest.mark.parametrize("route", [route for route in ROUTES if route not in OPEN])
def test_route_without_a_token_is_refused_whatever_the_method(route: str) -> None:
    """A new endpoint that forgets its token fails here; one that is meant to be open is added to OPEN."""
    path = "/" + re.sub(r"<id:\w+>", "1", route).replace("^", "").replace("$", "")
    assert "<" not in path, "teach this test how to fill in the route"

    answers = {method: anybody().send(method, path, {}).status_code for method in METHODS}

    assert answers["POST"] == 401
    assert set(answers.values()) <= {401, 405}


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer not-a-token",
        "Basic YnV5ZXI6Y2hhcml0ZXM=",
        "Bearer " + issue_token(user_id=7, role=Role.CUSTOMER, now=timezone.now()) + "x",
        issue_token(user_id=7, role=Role.CUSTOMER, now=timezone.now()),
        "Bearer " + issue_pair(user_id=7, role=Role.CUSTOMER, now=timezone.now()).refresh,
        "Bearer token",
        '"token"',
        "Bearer staff",
    ],
)
def test_token_that_is_not_one_is_refused(authorization: str) -> None:
    response = RestClient(authorization).get("/api/rooms")

    message = "This needs a valid token. Send the header 'Authorization: Bearer <token>'."
    assert error_of(response) == (401, 10000002, message)
    assert response["WWW-Authenticate"] == "Bearer"


def test_token_that_has_expired_is_refused_and_says_so() -> None:
    past = timezone.now() - timedelta(seconds=settings.TOKEN_ACCESS_SECONDS + LEEWAY_SECONDS + 1)

    response = RestClient(f"Bearer {issue_token(user_id=7, role=Role.STAFF, now=past)}").get("/api/rooms")

    assert error_of(response) == (401, 10000010, "The token has expired. Renew it or sign in again.")


def test_token_signed_with_another_key_is_refused() -> None:
    with override_settings(SECRET_KEY="another-key-for-tests-which-is-long-enough-0123456789-0123456789"):
        foreign = bearer(1, Role.STAFF)

    assert error_of(RestClient(foreign).get("/api/rooms"))[:2] == (401, 10000002)


@pytest.mark.django_db
def test_token_signed_with_the_key_before_is_good_while_keys_are_replaced() -> None:
    old = bearer(7)

    with override_settings(SECRET_KEY="a-new-key-for-tests-which-is-long-enough-0123456789-0123456789"):
        refused = RestClient(old).get("/api/rooms")
        with override_settings(SECRET_KEY_FALLBACKS=[settings.SECRET_KEY, "x" * 64]):
            still_refused = RestClient(old).get("/api/rooms")
    with override_settings(SECRET_KEY="y" * 64, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        accepted = RestClient(old).get("/api/rooms")

    assert (refused.status_code, still_refused.status_code, accepted.status_code) == (401, 401, 200)


# signing in


@pytest.mark.django_db
@pytest.mark.parametrize(("is_staff", "status"), [(False, 403), (True, 404)])
def test_sign_in_gives_a_token_with_the_users_role(is_staff: bool, status: int) -> None:
    make_user("mei", is_staff=is_staff)

    response = anybody().post("/api/auth/token", {"username": "mei", "password": "charites"})

    assert response.status_code == 200
    assert set(response.json()) == {"access", "refresh"}
    caller = RestClient(f"Bearer {response.json()['access']}")
    assert caller.put("/api/rooms/1/current", {"goods_id": None}).status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize(("username", "password"), [("mei", "wrong"), ("nobody", "charites"), ("gone", "charites")])
def test_sign_in_with_the_wrong_words_is_refused_always_alike(username: str, password: str) -> None:
    make_user("mei")
    gone = make_user("gone")
    gone.is_active = False
    gone.save()

    response = anybody().post("/api/auth/token", {"username": username, "password": password})

    assert error_of(response) == (401, 10000011, "User name or password is wrong.")


@pytest.mark.django_db
def test_refresh_token_renews_with_the_role_of_now() -> None:
    user = make_user("mei")
    pair = anybody().post("/api/auth/token", {"username": "mei", "password": "charites"}).json()
    user.is_staff = True
    user.save()

    renewed = anybody().post("/api/auth/refresh", {"refresh": pair["refresh"]})

    assert renewed.status_code == 200
    assert set(renewed.json()) == {"access", "refresh"}
    caller = RestClient(f"Bearer {renewed.json()['access']}")
    assert caller.put("/api/rooms/1/current", {"goods_id": None}).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["access", "disabled", "expired", "garbage"])
def test_refresh_with_anything_else_is_refused(kind: str) -> None:
    user = make_user("mei")
    past = timezone.now() - timedelta(seconds=settings.TOKEN_REFRESH_SECONDS + LEEWAY_SECONDS + 1)
    now = past if kind == "expired" else timezone.now()
    pair = issue_pair(user_id=user.pk, role=Role.CUSTOMER, now=now)
    user.is_active = kind != "disabled"
    user.save()
    token = {"access": pair.access, "garbage": "garbage"}.get(kind, pair.refresh)

    response = anybody().post("/api/auth/refresh", {"refresh": token})

    assert error_of(response)[:2] == (401, 10000010 if kind == "expired" else 10000002)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/auth/token", "/api/auth/refresh"])
def test_token_routes_are_limited_by_address(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", {"token": "2/min"})
    body = {"username": "mei", "password": "guess"} if path.endswith("token") else {"refresh": "guess"}

    first, second, third = (anybody().post(path, body) for _ in range(3))
    behind_a_header = anybody().post(path, body, {"X-Forwarded-For": "203.0.113.9"})

    assert [first.status_code, second.status_code] == [401, 401]
    assert error_of(third) == (429, 10000007, "Too many requests. Try again in a moment.")
    assert 50 < int(third["Retry-After"]) <= 61
    assert behind_a_header.status_code == 429


def test_limit_of_the_token_route_is_the_setting() -> None:
    assert ScopedRateThrottle.THROTTLE_RATES == {"token": settings.TOKEN_RATE}


# request ids, languages


def test_request_id_of_the_caller_is_echoed_also_in_errors() -> None:
    response = anybody().get("/api/rooms", {"X-Request-ID": "trace-1:2.3_4"})

    assert response["X-Request-ID"] == "trace-1:2.3_4"
    assert response.json()["request_id"] == "trace-1:2.3_4"


@pytest.mark.parametrize("given", [None, "", "with space", "x" * 65, "{}", "ü"])
def test_request_id_that_is_missing_or_harmful_is_replaced(given: str | None) -> None:
    response = anybody().get("/api/rooms", {"X-Request-ID": given} if given is not None else None)

    assert re.fullmatch(r"[0-9a-f]{32}", response["X-Request-ID"])
    assert error_of(response)[0] == 401


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/goods/999", "/api/nowhere"])
def test_error_speaks_the_callers_language(path: str) -> None:
    chinese = buyer().get(path, {"Accept-Language": "zh-hans"})
    english = buyer().get(path, {"Accept-Language": "de"})

    assert re.search(r"[\u4e00-\u9fff]", error_of(chinese)[2])
    assert chinese["Content-Language"] == "zh-hans"
    assert error_of(english)[2].isascii()


# what is not a request


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/nowhere", "/api/orders/", "/api/orders/x", "/v1/", "/v1/nowhere"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_address_that_does_not_exist_is_not_found_in_json(path: str, method: str) -> None:
    assert error_of(buyer().send(method, path)) == (404, 10000003, "There is no such thing here.")


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/api/orders"), ("POST", "/api/rooms"), ("PATCH", "/api/stock/1")]
)
def test_method_that_an_address_does_not_take_is_refused(method: str, path: str) -> None:
    response = staff().send(method, path)

    assert error_of(response) == (405, 10000008, f"This address does not take the method {method}.")
    assert response["Allow"]


@pytest.mark.parametrize("path", ["/api/rooms", "/v1/goods"])
def test_host_that_is_not_ours_is_refused(path: str) -> None:
    response = buyer().get(path, {"Host": "evil.example"})

    assert error_of(response) == (400, 10000001, "Host: is not a name of this server")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_content_that_is_not_json_is_refused(content_type: str) -> None:
    response = buyer().send("POST", "/api/orders", b"items=1", {"Content-Type": content_type})

    assert error_of(response) == (415, 10000001, "Content-Type: must be application/json")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accept", "status"), [("*/*", 200), ("application/json", 200), ("text/html", 406), ("application/xml", 406)]
)
def test_answer_is_json_or_refused(accept: str, status: int) -> None:
    response = buyer().get("/api/rooms", {"Accept": accept})

    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    if status == 406:
        assert error_of(response) == (406, 10000001, "Accept: must be application/json")


@pytest.mark.parametrize("body", [b"", b"{", b"[1,", b"\xff\xfe", b'{"items": NaN}', b"'", b'{"a":1}{"b":2}'])
def test_body_that_is_not_json_is_invalid(body: bytes) -> None:
    response = buyer().send("POST", "/api/orders", body)

    assert error_of(response)[:2] == (400, 10000001)


@pytest.mark.parametrize("body", [b"[" * 30_000, b'{"items":' * 6_000])
def test_body_that_is_nested_too_deeply_is_invalid(body: bytes) -> None:
    assert error_of(buyer().send("POST", "/api/orders", body)) == (400, 10000001, "body: is not valid JSON")


@pytest.mark.parametrize("body", [b'{"\\ud800": 1}', b'{"items": [{"goods_id": "\\ud800"}]}', b'{"name": "\\ud800"}'])
def test_body_with_half_a_character_is_invalid(body: bytes) -> None:
    assert error_of(buyer().send("POST", "/api/orders", body))[:2] == (400, 10000001)


@pytest.mark.parametrize(("path", "authorized"), [("/api/orders", True), ("/api/auth/token", False)])
def test_body_over_the_limit_is_too_large(path: str, authorized: bool) -> None:
    caller = buyer() if authorized else anybody()
    filling = settings.REQUEST_MAX_BYTES - len(b'{"name":""}')

    fits = caller.send("POST", path, b'{"name":"' + b"x" * filling + b'"}')
    over = caller.send("POST", path, b'{"name":"' + b"x" * (filling + 1) + b'"}')

    assert fits.status_code == 400
    assert error_of(over) == (413, 10000001, "body: is over the limit of 65536 bytes")


@pytest.mark.parametrize("length", ["-1", "x", "1e3"])
def test_length_that_is_no_number_is_refused(length: str) -> None:
    response = buyer().send("POST", "/api/orders", b"{}", {"Content-Length": length})

    assert error_of(response)[0] in (400, 413)


# what breaks


def gone(execute, sql, params, many, context):
    raise OperationalError(2002, "Can't connect to server on '10.0.0.7'")


def broken(execute, sql, params, many, context):
    raise RuntimeError("a defect with an inner secret")


@pytest.mark.django_db
def test_database_that_is_gone_makes_the_shop_busy() -> None:
    with connection.execute_wrapper(gone):
        response = buyer().get("/api/rooms")

    assert error_of(response) == (503, 10000004, "The shop is busy. Nothing was done; try again in a moment.")
    assert response["Retry-After"] == "1"


@pytest.mark.django_db
def test_defect_is_hidden_from_the_caller_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with connection.execute_wrapper(broken):
        response = buyer().get("/api/rooms")

    assert error_of(response) == (500, 10000000, "Something went wrong on our side. Try again later.")
    assert "secret" not in response.text
    assert "a defect with an inner secret" in caplog.text


@pytest.mark.django_db
def test_cache_that_is_gone_does_not_keep_anybody_from_signing_in() -> None:
    make_user("mei")
    nobody_listens = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}

    with override_settings(CACHES=nobody_listens):
        response = anybody().post("/api/auth/token", {"username": "mei", "password": "charites"})

    assert response.status_code == 200


@pytest.mark.django_db
def test_client_that_is_the_original_user_is_the_one_of_the_token() -> None:
    """A user id in the body is not an identity."""
    make_goods(1, stock=5)
    body = {
        "items": [{"goods_id": "1", "quantity": 1}],
        "address": "a",
        "name": "n",
        "phone": "p",
        "user_id": str(BUYER_ID + 1),
    }

    assert error_of(buyer().post("/api/orders", body)) == (400, 10000001, "user_id: is not a field of this request")
