"""Tokens over REST: what is refused without one, and signing in."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.test import override_settings
from django.utils import timezone

from charites.common.auth import LEEWAY_SECONDS, Role, begin_session, issue_token
from charites.tests.api.routes import METHODS, OPEN, ROUTES
from lab.kit.factories import STAFF_ID, bearer, make_user, refresh_bearer
from lab.kit.rest_client import RestClient, anybody, error_of

pytestmark = pytest.mark.usefixtures("fresh_throttle")


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
    assert set(answers.values()) <= {401, 501 if route.startswith("v1/") else 405}


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer not-a-token",
        "Basic YnV5ZXI6Y2hhcml0ZXM=",
        "Bearer " + issue_token(user_id=7, role=Role.CUSTOMER, now=timezone.now()) + "x",
        issue_token(user_id=7, role=Role.CUSTOMER, now=timezone.now()),
        refresh_bearer(),
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
        foreign = bearer(STAFF_ID, Role.STAFF)

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
    user.is_staff = user.is_superuser = True
    user.save()

    renewed = anybody().post("/api/auth/refresh", {"refresh": pair["refresh"]})

    assert renewed.status_code == 200
    assert set(renewed.json()) == {"access", "refresh"}
    caller = RestClient(f"Bearer {renewed.json()['access']}")
    assert caller.put("/api/rooms/1/current", {"goods_id": None}).status_code == 404


@pytest.mark.django_db
def test_refresh_token_used_twice_is_refused_and_so_is_its_successor() -> None:
    make_user("mei")
    first = anybody().post("/api/auth/token", {"username": "mei", "password": "charites"}).json()["refresh"]
    second = anybody().post("/api/auth/refresh", {"refresh": first}).json()["refresh"]

    answers = [anybody().post("/api/auth/refresh", {"refresh": token}) for token in (first, second)]

    assert [error_of(answer)[:2] for answer in answers] == [(401, 10000002)] * 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    "kind", ["access", "disabled", "expired", "after the session", "after the password", "garbage"]
)
def test_refresh_with_anything_else_is_refused(kind: str) -> None:
    user = make_user("mei")
    past = timezone.now() - timedelta(seconds=settings.TOKEN_REFRESH_SECONDS + LEEWAY_SECONDS + 1)
    now = {"expired": past, "after the session": timezone.now() - timedelta(hours=1)}.get(kind, timezone.now())
    with override_settings(TOKEN_SESSION_SECONDS=60 if kind == "after the session" else settings.TOKEN_SESSION_SECONDS):
        pair = begin_session(user=user, now=now)
    if kind == "disabled":
        user.is_active = False
        user.save()
    if kind == "after the password":  # without a signal
        get_user_model().objects.filter(pk=user.pk).update(password=make_password("another"))
    token = {"access": pair.access, "garbage": "garbage"}.get(kind, pair.refresh)

    response = anybody().post("/api/auth/refresh", {"refresh": token})

    assert error_of(response)[:2] == (401, 10000010 if kind in ("expired", "after the session") else 10000002)


GUESS = {"username": "mei", "password": "guess"}
RENEWAL = {"refresh": "guess"}


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "body"), [("/api/auth/token", GUESS), ("/api/auth/refresh", RENEWAL)])
def test_token_routes_are_limited_by_address(path: str, body: dict[str, str]) -> None:
    with override_settings(TOKEN_RATE="2/h", TOKEN_REFRESH_RATE="2/h"):
        first, second, third = (anybody().post(path, body) for _ in range(3))
        behind_a_header = anybody().post(path, body, {"X-Forwarded-For": "203.0.113.9"})

    assert [first.status_code, second.status_code] == [401, 401]
    assert error_of(third) == (429, 10000007, "Too many requests. Try again in a moment.")
    assert 1000 < int(third["Retry-After"]) <= 1800
    assert behind_a_header.status_code == 429


@pytest.mark.django_db
def test_sign_in_is_limited_by_user_name_whether_there_is_one_or_not() -> None:
    make_user("mei")

    with override_settings(TOKEN_NAME_RATE="2/h"):
        for name in ("mei", "nobody"):
            answers = [anybody().post("/api/auth/token", {**GUESS, "username": name}) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [401, 401, 429]
        right = anybody().post("/api/auth/token", {"username": "mei", "password": "charites"})

    assert error_of(right)[:2] == (429, 10000007)  # or the answer would say that it was right


@pytest.mark.django_db
def test_renewing_and_signing_in_have_a_budget_each() -> None:
    make_user("mei")
    words = {"username": "mei", "password": "charites"}

    with override_settings(TOKEN_RATE="1/h", TOKEN_REFRESH_RATE="1/h"):
        pair = anybody().post("/api/auth/token", words).json()
        assert anybody().post("/api/auth/token", words).status_code == 429
        assert anybody().post("/api/auth/refresh", {"refresh": pair["refresh"]}).status_code == 200
