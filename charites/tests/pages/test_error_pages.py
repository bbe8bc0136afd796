"""Pages for what goes wrong: in the shop's clothes, with a way back, and nothing internal."""

from typing import Any

import pytest
from django.test import Client

from charites import front

pytestmark = pytest.mark.django_db

BACK = '<a href="/">To the shop</a>'


@pytest.mark.parametrize("is_debug", [True, False])
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("path", ["/nothing/here", "/nothing%0Ahere", "/rooms/1%0A"])
def test_page_that_does_not_exist_says_so(settings: Any, is_debug: bool, method: str, path: str) -> None:
    settings.DEBUG = is_debug

    answer = getattr(Client(), method)(path)

    assert answer.status_code == 404
    assert "<h1>There is no such page</h1>" in answer.text
    assert BACK in answer.text


def test_page_speaks_the_readers_language() -> None:
    assert "没有这个页面" in Client().get("/nothing", headers={"accept-language": "zh-CN"}).text


def test_address_that_lacks_a_slash_leads_to_the_page() -> None:
    answer = Client().get("/admin")

    assert (answer.status_code, answer.url) == (302, "/admin/")


def test_page_of_a_defect_says_what_to_do_and_nothing_internal(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(front, "render", fail)

    answer = Client(raise_request_exception=False).get("/")

    assert answer.status_code == 500
    assert "<h1>Something went wrong on our side</h1>" in answer.text
    assert "secret" not in answer.text
    assert "look at your orders before you try again" in answer.text


def test_wrong_host_name_is_no_page_of_djangos(settings: Any) -> None:
    answer = Client().get("/", headers={"host": "elsewhere.example"})

    assert (answer.status_code, BACK in answer.text) == (400, True)


def test_page_for_programmers_tells_no_password(settings: Any) -> None:
    settings.DEBUG = True
    settings.DATABASE_URL = "mysql://root:a-secret@127.0.0.1:3306/shop"
    settings.REDIS_URLS = ["redis://:a-secret@127.0.0.1:6379/0"]
    settings.CELERY_BROKER_URL = "amqps://shop:a-secret@10.0.0.1;amqps://shop:a-secret@10.0.0.2"
    settings.CACHES = {**settings.CACHES, "other": {"LOCATION": "redis://user:an@a-secret@127.0.0.1"}}

    answer = Client().get("/", headers={"host": "elsewhere.example"})

    assert answer.status_code == 400
    assert "127.0.0.1:3306/shop" in answer.text
    assert "@10.0.0.1;amqps://" in answer.text
    assert "a-secret" not in answer.text
