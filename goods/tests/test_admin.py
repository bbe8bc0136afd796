import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from goods.models import Goods, Room, RoomGoods
from lab.kit import factories
from lab.kit.admin_site import add_url, ask, confirm, fields_of, list_url, make_operator, page_url, sign_in, submit
from lab.kit.rest_client import buyer

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    for goods_id in (1, 2, 3):
        factories.make_goods(goods_id)
    factories.make_room(1, goods_ids=[1, 2])
    factories.make_room(2, goods_ids=[1])
    return sign_in(make_operator())


def entry(goods_id: int, room_id: int = 1) -> RoomGoods:
    return RoomGoods.objects.get(room_id=room_id, goods_id=goods_id)


def current(room_id: int = 1) -> int | None:
    return Room.objects.get(room_id=room_id).current_goods_id


def form_of(goods: Goods | None = None, **changes: Any) -> dict[str, Any]:
    """What a browser sends for a product."""
    lists = {name: json.dumps(getattr(goods, name, [])) for name in ("head_imgs", "videos", "detail")}
    data = {"goods_id": "9", "status": "0", "title": "Goods 9", "brief": "", "brand_name": "", "category_id": "0"}
    data |= {"limit_per_buyer": "0"}
    return {**data, "code": "0", "price": "9.90", "market_price": "0", "ext_json": "{}", **lists, **changes}


def test_pin_goods_asks_first(client: Client) -> None:
    page = ask(client, "pin_goods", [entry(2)])

    assert "product 2 in room 1" in page.content.decode()
    assert current() is None


def test_pin_goods_presents_the_product_in_its_room(client: Client) -> None:
    assert confirm(client, "pin_goods", [entry(1)]) == ["Done for 1 row."]
    assert confirm(client, "pin_goods", [entry(2)]) == ["Done for 1 row."]

    assert (current(1), current(2)) == (2, None)
    assert LogEntry.objects.filter(change_message="pin_goods").count() == 2
    pinned = {row.goods_id: row.pinned for row in client.get(list_url(RoomGoods), {"q": "1"}).context["cl"].result_list}
    assert pinned == {1: False, 2: True}


def test_pin_goods_takes_one_product_only(client: Client) -> None:
    assert confirm(client, "pin_goods", [entry(1), entry(2)]) == ["Choose one row only."]

    assert current() is None


def test_pin_goods_of_a_product_that_left_the_list_is_refused(client: Client) -> None:
    confirm(client, "take_out", [entry(2)])

    messages = confirm(client, "pin_goods", [entry(2)])

    assert messages == ["Product 2 is not in the list of room 1."]
    assert current() is None


def test_unpin_leaves_nothing_pinned(client: Client) -> None:
    confirm(client, "pin_goods", [entry(1)])

    assert confirm(client, "unpin", [Room.objects.get(room_id=1)]) == ["Done for 1 row."]

    assert current() is None


def test_unpin_where_nothing_is_pinned_says_so(client: Client) -> None:
    assert confirm(client, "unpin", [Room.objects.get(room_id=1)]) == ["Nothing is pinned in this room."]

    assert LogEntry.objects.count() == 0


def test_take_out_unpins_the_goods_too(client: Client) -> None:
    confirm(client, "pin_goods", [entry(2)])

    assert confirm(client, "take_out", [entry(1), entry(2)]) == ["Done for 2 rows."]

    assert current() is None
    assert [row.is_deleted for row in RoomGoods.objects.filter(room_id=1)] == [True, True]
    assert not entry(1, room_id=2).is_deleted


def test_take_out_says_what_was_not_in_the_list(client: Client) -> None:
    confirm(client, "take_out", [entry(1)])

    messages = confirm(client, "take_out", [entry(1), entry(2)])

    assert messages == ["Done for 1 row.", "Product 1 is not in the list of room 1."]
    assert LogEntry.objects.filter(change_message="take_out").count() == 2


def test_take_out_of_two_rooms_at_once_is_refused(client: Client) -> None:
    assert confirm(client, "take_out", [entry(1, 1), entry(1, 2)]) == ["Choose goods of one room only."]

    assert not RoomGoods.objects.filter(is_deleted=True).exists()


def test_adding_to_a_list_again_revives_the_row(client: Client) -> None:
    confirm(client, "take_out", [entry(2)])

    submit(client, add_url(RoomGoods), {"room_id": "1", "goods_id": "2", "weight": "7"})

    assert (entry(2).is_deleted, entry(2).weight) == (False, 7)


@pytest.mark.parametrize(("field", "word"), [("room_id", "room"), ("goods_id", "product")])
def test_adding_what_does_not_exist_shows_why(client: Client, field: str, word: str) -> None:
    data = {"room_id": "1", "goods_id": "3", "weight": "7", field: "77"}

    page = client.post(add_url(RoomGoods), data)

    assert page.context["adminform"].form.errors == {field: [f"There is no {word} 77."]}


def test_edit_of_a_product_counts_its_version_and_names_who_did_it(client: Client) -> None:
    goods = Goods.objects.get(goods_id=1)

    submit(client, page_url(goods), form_of(goods, title="New title", price="19.90"))

    stored = Goods.objects.get(goods_id=1)
    assert (stored.title, stored.price, stored.version, stored.updated_by) == ("New title", 1990, 1, "operator")
    assert stored.updated_at != goods.updated_at
    assert stored.goods_id == 1


def test_page_of_a_product_that_stood_open_takes_back_nothing_that_others_wrote(client: Client) -> None:
    goods = Goods.objects.get(goods_id=1)
    old = fields_of(client, goods)
    times = {"sale_starts_at_0": "2026-06-01", "sale_starts_at_1": "12:00:00"}
    submit(client, page_url(goods), old | times | {"price": "19.90", "head_imgs": '["/a.svg"]', "status": "1"})

    submit(client, page_url(goods), old | {"title": "New title"})

    stored = Goods.objects.get(goods_id=1)
    assert (stored.title, stored.price, stored.status, stored.head_imgs) == ("New title", 1990, 1, ["/a.svg"])
    assert stored.sale_starts_at == datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_page_of_a_room_that_stood_open_puts_it_neither_on_nor_off(client: Client) -> None:
    room = Room.objects.get(room_id=1)
    old = fields_of(client, room)
    Room.objects.update(status=Room.Status.OFF)

    submit(client, page_url(room), old | {"title": "New"})

    stored = Room.objects.get(room_id=1)
    assert (stored.title, stored.status) == ("New", Room.Status.OFF)


def test_new_goods_is_stored_with_its_maker(client: Client) -> None:
    submit(client, add_url(Goods), form_of(head_imgs='["/a.svg"]'))

    stored = Goods.objects.get(goods_id=9)
    assert (stored.head_imgs, stored.created_by, stored.version) == (["/a.svg"], "operator", 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "0"},
        {"goods_id": "0"},
        {"goods_id": "1"},
        {"head_imgs": '{"a": 1}'},
        {"head_imgs": "{}"},
        {"head_imgs": "null"},
        {"detail": "[1]"},
        {"videos": "x"},
    ],
)
def test_goods_with_a_wrong_field_is_refused(client: Client, changes: dict[str, str]) -> None:
    page = client.post(add_url(Goods), form_of(**changes))

    assert page.status_code == 200
    assert page.context["adminform"].form.errors
    assert Goods.objects.count() == 3


def test_deleting_a_product_marks_it_and_takes_it_out_of_every_room(client: Client) -> None:
    confirm(client, "pin_goods", [entry(1)])
    goods = Goods.objects.get(goods_id=1)

    submit(client, page_url(goods, "delete"), {"post": "yes"})

    stored = Goods.objects.get(goods_id=1)
    assert (stored.is_deleted, stored.version, stored.updated_by) == (True, 1, "operator")
    assert (current(1), entry(1).is_deleted, entry(1, room_id=2).is_deleted) == (None, True, True)
    assert client.post(page_url(goods), form_of(goods)).status_code == 403


def test_deleting_several_rooms_marks_them(client: Client) -> None:
    rooms = list(Room.objects.all())
    data = {"action": "delete_selected", "_selected_action": [room.pk for room in rooms], "post": "yes"}

    submit(client, list_url(Room), data)

    assert [room.is_deleted for room in Room.objects.all()] == [True, True]


def test_edit_of_a_room_leaves_what_is_pinned_alone(client: Client) -> None:
    confirm(client, "pin_goods", [entry(1)])
    room = Room.objects.get(room_id=1)
    data = {"title": "New", "host_name": "", "cover": "", "status": "off", "started_at_0": "", "started_at_1": ""}

    submit(client, page_url(room), {**data, "current_goods_id": "3"})

    stored = Room.objects.get(room_id=1)
    assert (stored.title, stored.status, stored.current_goods_id) == ("New", "off", 1)


@pytest.mark.parametrize(("action", "status"), [("take_off_sale", 1), ("put_on_sale", 0)])
def test_sale_actions_set_the_status(client: Client, action: str, status: int) -> None:
    Goods.objects.update(status=1 - status)

    assert confirm(client, action, list(Goods.objects.all())) == ["Done for 3 rows."]

    assert set(Goods.objects.values_list("status", "version", "updated_by")) == {(status, 1, "operator")}


def test_sale_actions_say_what_was_so_already(client: Client) -> None:
    Goods.objects.filter(goods_id=2).update(status=Goods.Status.OFF_SALE)

    assert confirm(client, "take_off_sale", list(Goods.objects.order_by("goods_id"))) == [
        "Done for 2 rows.",
        "Left as they were: products 2.",
    ]
    assert dict(Goods.objects.values_list("goods_id", "version")) == {1: 1, 2: 0, 3: 1}
    assert LogEntry.objects.count() == 2


def test_room_page_lists_its_goods_and_goods_page_its_rooms(client: Client) -> None:
    confirm(client, "pin_goods", [entry(2)])

    shelf = client.get(page_url(Room.objects.get(room_id=1))).context["shelf"]
    goods = client.get(page_url(Goods.objects.get(goods_id=1))).context["sections"][0]

    shown = [(row.entry.goods_title, row.entry.weight, row.entry.pinned) for row in shelf.rows]
    assert shown == [("Goods 1", 100, False), ("Goods 2", 99, True)]
    assert [row[1] for row in goods.rows] == [100, 100]


@pytest.mark.parametrize(
    ("changes", "field", "fault"),
    [
        ({"title": "a\u202eb"}, "title", "holds U+202E, which changes the direction of the text"),
        ({"title": "\u3164"}, "title", "holds nothing that can be seen"),
        ({"brief": "a\x1bb"}, "brief", "holds U+001B, which cannot be printed"),
        ({"detail": '["a\\u0000b"]'}, "detail", "This holds U+0000, which cannot be printed."),
        ({"ext_json": '{"a\\ud800": 1}'}, "ext_json", "a?: holds U+D800, which cannot be printed"),
        ({"ext_json": '{"a": 1, "a": 2}'}, "ext_json", "a: comes twice"),
        ({"ext_json": '{"a": NaN}'}, "ext_json", "This holds NaN, which is not JSON."),
        ({"ext_json": "[" * 30_000}, "ext_json", "This is nested deeper than 20 levels."),
        ({"videos": "/a.webm"}, "videos", "This is not valid JSON."),
        ({"ext_json": '"teal"'}, "ext_json", 'This must be a JSON object, such as {"colour": "teal"}.'),
        ({"ext_json": '[["colour", "teal"]]'}, "ext_json", 'This must be a JSON object, such as {"colour": "teal"}.'),
        ({"ext_json": "5"}, "ext_json", 'This must be a JSON object, such as {"colour": "teal"}.'),
        ({"ext_json": "[]"}, "ext_json", 'This must be a JSON object, such as {"colour": "teal"}.'),
    ],
)
def test_text_of_a_product_that_cannot_be_is_refused_beside_its_field(
    client: Client, changes: dict[str, str], field: str, fault: str
) -> None:
    page = client.post(add_url(Goods), form_of(**changes))

    assert page.context["adminform"].errors == {field: [fault]}
    assert not Goods.objects.filter(goods_id=9).exists()


@pytest.mark.parametrize("nothing", ["", "null", "{}"])
def test_further_data_that_are_left_out_are_none(client: Client, nothing: str) -> None:
    client.post(add_url(Goods), form_of(ext_json=nothing))

    assert Goods.objects.get(goods_id=9).ext_json == {}
    assert buyer().get("/api/goods/9").json()["ext_json"] == {}


def test_texts_of_a_product_are_kept_tidy(client: Client) -> None:
    client.post(add_url(Goods), form_of(title=" Cafe\u0301 ☕️ ", detail='["one\\ntwo"]'))

    goods = Goods.objects.get(goods_id=9)
    assert (goods.title, goods.detail) == ("Café ☕️", ["one\ntwo"])


BAD_LINKS = ["javascript:alert(1)", "//evil.example/x", "http://x.example/y", "/\\evil.example/x", "a.svg"]
NO_LINK = "holds “{}”, which is neither a path such as /media/a.webp nor an address with https://"


@pytest.mark.parametrize("field", ["head_imgs", "videos"])
@pytest.mark.parametrize("link", [*BAD_LINKS, ""])
def test_address_that_is_none_is_refused_beside_its_field(client: Client, field: str, link: str) -> None:
    page = client.post(add_url(Goods), form_of(**{field: json.dumps(["/a.svg", link])}))

    assert page.context["adminform"].errors == {field: [NO_LINK.format(link)]}
    assert not Goods.objects.filter(goods_id=9).exists()


@pytest.mark.parametrize("link", BAD_LINKS)
def test_cover_that_is_no_address_is_refused_beside_its_field(client: Client, link: str) -> None:
    room = Room.objects.get(room_id=1)

    page = client.post(page_url(room), fields_of(client, room) | {"cover": link})

    assert page.context["adminform"].errors == {"cover": [NO_LINK.format(link)]}
    assert Room.objects.get(room_id=1).cover == room.cover


def test_addresses_that_were_there_before_the_rule_stay_while_other_fields_change(client: Client) -> None:
    Goods.objects.filter(goods_id=1).update(head_imgs=["a.svg"])
    Room.objects.filter(room_id=1).update(cover="a.svg")
    goods, room = Goods.objects.get(goods_id=1), Room.objects.get(room_id=1)

    submit(client, page_url(goods), fields_of(client, goods) | {"title": "Tea"})
    submit(client, page_url(room), fields_of(client, room) | {"title": "Evening"})

    goods, room = Goods.objects.get(goods_id=1), Room.objects.get(room_id=1)
    assert (goods.title, goods.head_imgs, room.title, room.cover) == ("Tea", ["a.svg"], "Evening", "a.svg")


def test_fields_of_json_say_what_they_take(client: Client) -> None:
    form = client.get(add_url(Goods)).context["adminform"].form

    helps = {name: str(form.fields[name].help_text) for name in ("head_imgs", "videos", "detail", "ext_json")}
    assert helps == {
        **dict.fromkeys(("head_imgs", "videos", "detail"), 'A JSON list of texts, such as ["/a.svg", "/b.svg"].'),
        "ext_json": 'A JSON object, such as {"colour": "teal"}.',
    }
