"""The door of the admin: who signs in there is counted as in the API."""

import threading
import uuid
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth import get_user_model
from django.test import Client

from charites.common import passwords, rates, sign_in
from lab.kit.factories import make_user
from lab.kit.rest_client import anybody

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
RIGHT = {"username": "boss", "password": "charites"}
GUESS = {"username": "boss", "password": "guess"}


@pytest.fixture(autouse=True)
def _alone(settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}}
    make_user("boss", is_staff=True)


def test_operator_signs_in_and_is_sent_where_he_wanted_to_go() -> None:
    page = Client().post(f"{LOGIN}?next=/admin/goods/goods/", RIGHT)

    assert (page.status_code, page["Location"]) == (302, "/admin/goods/goods/")


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_operator_who_was_to_be_sent_elsewhere_is_at_the_admin(elsewhere: str) -> None:
    page = Client().post(LOGIN, {**RIGHT, "next": elsewhere})

    assert (page.status_code, page["Location"]) == (302, "/admin/")


def test_too_many_attempts_are_told_in_a_sentence_and_by_the_status(settings: Any) -> None:
    settings.TOKEN_NAME_RATE = "2/h"

    pages = [Client().post(LOGIN, words) for words in (GUESS, GUESS, RIGHT)]

    assert [page.status_code for page in pages] == [200, 200, 429]
    assert b"Too many requests. Try again in a moment." in pages[2].content
    assert 1000 < int(pages[2]["Retry-After"]) <= 1800
    assert "_auth_user_id" not in pages[2].wsgi_request.session


def test_api_and_admin_share_what_is_left(settings: Any) -> None:
    settings.TOKEN_RATE = "2/h"

    assert anybody().post("/api/auth/token", GUESS).status_code == 401
    assert Client().post(LOGIN, {**GUESS, "username": "nobody"}).status_code == 200
    assert Client().post(LOGIN, RIGHT).status_code == 429
    assert anybody().post("/api/auth/token", RIGHT).status_code == 429
    assert Client().get(LOGIN).status_code == 200  # to look at the page is no attempt


def test_forged_address_has_no_attempts_of_its_own(settings: Any) -> None:
    settings.TOKEN_RATE = "2/h"

    pages = [Client(headers={"X-Forwarded-For": f"203.0.113.{number}"}).post(LOGIN, GUESS) for number in range(3)]

    assert [page.status_code for page in pages] == [200, 200, 429]


def test_attempts_are_counted_a_shop_where_several_share_a_redis(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TOKEN_NAME_RATE = "2/h"
    statuses = [Client().post(LOGIN, GUESS).status_code for _ in range(2)]

    sign_in.clear()  # another process
    statuses.append(Client().post(LOGIN, GUESS).status_code)
    sign_in.clear()
    monkeypatch.setitem(project.DATABASES["default"], "NAME", "another")
    statuses.append(Client().post(LOGIN, GUESS).status_code)

    assert statuses == [200, 200, 429, 200]


@pytest.mark.servers  # SQLite takes no name for another
@pytest.mark.parametrize(("name", "api", "page"), [("BOSS", 200, 302), ("bóss ", 200, 302), ("boßs", 401, 200)])
def test_name_that_the_database_takes_for_a_users_signs_in_on_the_same_budget_only(
    name: str, api: int, page: int
) -> None:
    words = {**RIGHT, "username": name}

    answers = [anybody().post("/api/auth/token", words), Client().post(LOGIN, words), Client().post("/sign-in", words)]

    assert get_user_model().objects.get(username=name).get_username() == "boss"
    assert [answer.status_code for answer in answers] == [api, page, page]


DOORS = {
    "api": lambda words, headers: anybody().post("/api/auth/token", words, headers),
    "admin": lambda words, headers: Client(headers=headers).post(LOGIN, words),
    "rooms": lambda words, headers: Client(headers=headers).post("/sign-in", words),
}


@pytest.mark.parametrize("door", DOORS)
def test_name_that_many_addresses_try_is_closed_to_all_of_them(door: str, settings: Any) -> None:
    settings.TOKEN_NAME_RATE, settings.NUM_PROXIES = "2/h", 1
    addresses = [{"X-Forwarded-For": f"198.51.100.{number}"} for number in range(11)]

    answers = [DOORS[door](GUESS, address) for address in addresses] + [DOORS[door](RIGHT, addresses[-1])]

    assert [answer.status_code == 429 for answer in answers] == [False] * 10 + [True] * 2
    assert DOORS[door]({**GUESS, "username": "other"}, addresses[-1]).status_code in (200, 401)


@pytest.mark.parametrize("door", DOORS)
def test_guesses_are_counted_without_redis(door: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TOKEN_NAME_RATE, settings.REDIS_URL = "2/h", "redis://127.0.0.1:1/0"
    monkeypatch.setattr(rates, "shared", rates.Shared())

    answers = [DOORS[door](words, {}) for words in (GUESS, GUESS, RIGHT)]

    assert [answer.status_code == 429 for answer in answers] == [False, False, True]


@pytest.mark.parametrize("door", DOORS)
def test_page_is_busy_when_all_turns_are_taken(door: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WEB_WAIT_SECONDS = 0.01
    monkeypatch.setattr(passwords, "at_work", threading.BoundedSemaphore(1))
    passwords.at_work.acquire()

    answer = DOORS[door](RIGHT, {})

    assert answer.status_code == 503
    assert 1 <= int(answer["Retry-After"]) <= 3


def test_every_hash_of_the_project_is_bounded() -> None:
    from charites.settings import PASSWORD_HASHERS  # noqa: PLC0415 (the tests replace it in Django's)

    assert PASSWORD_HASHERS == ["charites.common.passwords.BoundedPasswordHasher"]
    assert project.PASSWORD_HASHERS == ["lab.kit.passwords.QuickPasswordHasher"]
