"""Lists of tables that are longer than a list: its newest rows, and what the search still finds."""

from typing import Any

import pytest
from django.contrib import admin
from django.db.models import DateTimeField, Model
from django.test import Client

from charites.common import admin_lists
from charites.common.admin import ROWS_PER_PAGE
from goods.models import Goods, Room
from lab.kit import factories
from lab.kit.admin_site import list_url, make_operator, sign_in
from lab.kit.message_rows import make_message
from messaging.admin.messages import MessageAdmin
from messaging.models import Message
from orders.models import Order

pytestmark = pytest.mark.django_db

OLDER = "Older ones are not listed"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(admin_lists, "LISTED", 3)
    monkeypatch.setattr(admin_lists, "LOOKED_AT", 4)
    return sign_in(make_operator())


def shown(client: Client, **words: Any) -> tuple[list[str], bool]:
    """The keys on the first page of a list, and whether it says that there are older ones."""
    page = client.get(list_url(Message), words)
    assert page.status_code == 200
    return [message.key for message in page.context["cl"].result_list], OLDER in page.content.decode()


def test_list_shows_the_newest_rows_and_says_that_there_are_older_ones(client: Client) -> None:
    for key in "abc":
        make_message(key=key)
    assert shown(client) == (["c", "b", "a"], False)

    make_message(key="d")

    assert shown(client) == (["d", "c", "b"], True)


def test_search_box_says_how_texts_are_found(client: Client) -> None:
    factories.make_goods(1, title="Morning Mist Mug")

    def listed(words: str) -> list[str]:
        return [goods.title for goods in client.get(list_url(Goods), {"q": words}).context["cl"].result_list]

    assert (listed("morning"), listed("mug")) == (["Morning Mist Mug"], [])
    assert "other texts by how they begin" in client.get(list_url(Goods)).content.decode()


def test_filter_with_an_index_shows_whole_what_is_rare_and_else_looks_among_the_newest_rows(client: Client) -> None:
    for key, state in zip("abcdefghi", ["done", *["dead"] * 2, *["done"] * 5, "half"], strict=True):
        make_message(key=key, state=state)

    assert shown(client, state__exact="dead") == (["c", "b"], False)
    assert shown(client, state__exact="done") == (["h", "g", "f"], True)


@pytest.mark.django_db(transaction=True)
def test_filter_whose_index_is_in_the_order_of_the_list_shows_the_newest_rows_of_its_kind(client: Client) -> None:
    factories.make_goods(1, stock=20)
    cancelled = [factories.make_closed_order().order_id for _ in range(4)]
    for _ in range(3):
        factories.make_order()

    page = client.get(list_url(Order), {"status__exact": "300"})

    assert [order.order_id for order in page.context["cl"].result_list] == cancelled[:0:-1]
    assert OLDER in page.content.decode()


def test_filter_without_an_index_looks_among_the_newest_rows(client: Client) -> None:
    for key, is_old in zip("abcde", [True, True, False, True, True], strict=True):
        make_message(key=key, deliver_at="2026-01-01T00:00:00Z" if is_old else "2030-01-01T00:00:00Z")

    assert shown(client, deliver_at__lt="2027-01-01 00:00:00+00:00") == (["e", "d", "b"], True)


def test_search_finds_old_rows_by_number_and_key_and_other_texts_among_the_newest(client: Client) -> None:
    oldest = make_message(key="old", topic="refund")
    for key in "abcd":
        make_message(key=key, topic="refund")

    assert shown(client, q=str(oldest.pk)) == (["old"], True)
    assert shown(client, q="ol") == (["old"], True)
    assert shown(client, q="9" * 5000) == ([], True)
    assert shown(client, q="ref") == (["d", "c", "b", "a"], True)


def test_search_says_when_there_is_more_than_it_shows(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("aa", "ab", "ac"):
        make_message(key=key)
    assert shown(client, q="a") == (["ac", "ab", "aa"], False)

    monkeypatch.setattr(admin_lists, "MOST_FOUND", 2)

    found, says_so = shown(client, q="a")
    assert (len(found), says_so) == (2, True)


def test_list_of_rooms_has_pages(client: Client) -> None:
    for room_id in range(1, ROWS_PER_PAGE + 2):
        factories.make_room(room_id)

    pages = [client.get(list_url(Room), {"p": page}).context["cl"].result_list for page in (1, 2)]

    assert [len(page) for page in pages] == [ROWS_PER_PAGE, 1]


def test_second_page_goes_on_where_the_first_one_ends(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MessageAdmin, "list_per_page", 2)
    for key in "abcd":
        make_message(key=key)

    assert [shown(client, p=page) for page in (1, 2)] == [(["d", "c"], True), (["b"], True)]


MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
GUESSED = ("range", "regex", "contains", "year")


@pytest.fixture
def boss(admin_client: Client) -> Client:
    """Sees every list; what goes wrong is an answer."""
    admin_client.raise_request_exception = False
    return admin_client


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_list_is_asked_nothing_but_what_its_pages_ask(boss: Client, model: type[Model]) -> None:
    for column in model._meta.fields:
        for kind in GUESSED:
            answer = boss.get(list_url(model), {f"{column.name}__{kind}": "1"})
            assert (answer.status_code, answer.headers.get("Location")) == (302, f"{list_url(model)}?e=1"), kind


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_choice_of_every_filter_is_answered(boss: Client, model: type[Model]) -> None:
    changes = boss.get(list_url(model)).context["cl"]

    links = [str(choice["query_string"]) for spec in changes.filter_specs for choice in spec.choices(changes)]

    assert [link for link in links if boss.get(list_url(model) + link).status_code != 200] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_filter_answers_whatever_it_is_asked_for(boss: Client, model: type[Model]) -> None:
    page = admin.site._registry[model]
    filters = [name for name in page.list_filter if isinstance(name, str)]
    times = [name for name in filters if isinstance(model._meta.get_field(name), DateTimeField)]
    asked = [f"{name}{kind}" for name in (*filters, *getattr(page, "id_fields", ())) for kind in admin_lists.EQUAL]
    asked += [f"{name}{kind}" for name in times for kind in admin_lists.WITHIN]

    for lookup in asked:
        for value in ("", "1,x", "9" * 30, "0001-01-01 00:00:00+14:00", "9999-12-31 23:59:59-12:00"):
            assert boss.get(list_url(model), {lookup: value}).status_code in (200, 302), (lookup, value)


@pytest.mark.parametrize("words", [{"created_at__year": "99999"}, {"created_at__gte": "x"}, {"id__exact": "9" * 5000}])
def test_address_that_no_list_has_leads_to_the_list(client: Client, words: dict[str, str]) -> None:
    answer = client.get(list_url(Order), words)

    assert (answer.status_code, answer["Location"]) == (302, f"{list_url(Order)}?e=1")
