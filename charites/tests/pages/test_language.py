"""Whoever reads a page chooses its language, whatever the browser says."""

import pytest
from django.test import Client

from lab.kit.factories import make_goods, make_room

pytestmark = pytest.mark.django_db

IN_CHINESE = '<html lang="zh-hans">'


@pytest.fixture
def reader() -> Client:
    make_goods(1, stock=5)
    make_room(1, goods_ids=[1])
    return Client()


def test_every_page_offers_the_other_language(reader: Client) -> None:
    for path in ("/", "/rooms/1", "/sign-in", "/sandbox/pay/nothing", "/rooms/404"):
        page = reader.get(path).text

        assert 'name="language" value="zh-hans" lang="zh-hans">简体中文</button>' in page
        assert 'value="en"' not in page

    in_chinese = reader.get("/", headers={"accept-language": "zh-hans"}).text
    assert 'name="language" value="en" lang="en">English</button>' in in_chinese


def test_language_that_was_chosen_stays(reader: Client) -> None:
    came_from = "http://testserver/rooms/1?goods=1"
    answer = reader.post("/language", {"language": "zh-hans"}, headers={"referer": came_from})

    assert (answer.status_code, answer.url) == (302, came_from)
    assert answer.cookies["django_language"]["httponly"]
    for path in ("/", "/rooms/1"):
        assert IN_CHINESE in reader.get(path, headers={"accept-language": "en"}).text


@pytest.mark.parametrize("given", [{"language": "xx"}, {}, {"language": "zh-hans", "next": "https://evil.example/"}])
def test_choice_leads_to_no_other_site(reader: Client, given: dict[str, str]) -> None:
    answer = reader.post("/language", given, headers={"referer": "https://evil.example/"})

    assert (answer.status_code, answer.url) == (302, "/")


def test_form_of_another_site_chooses_nothing(reader: Client) -> None:
    answer = Client(enforce_csrf_checks=True).post("/language", {"language": "zh-hans"})

    assert answer.status_code == 403
