"""The list of a room on its page: the order, the pieces, and what is pinned."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from goods.admin.shelf import MOST_PLACES
from goods.models import Room, RoomGoods
from goods.services import Entry, add_room_goods
from lab.kit import factories
from lab.kit.admin_site import fields_of, make_operator, page_url, sign_in, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    factories.make_goods(1, stock=5)
    factories.make_goods(2)
    factories.make_room(1, goods_ids=[1, 2])
    return sign_in(make_operator())


def room() -> Room:
    return Room.objects.get(room_id=1)


def send(client: Client, **data: Any) -> list[str]:
    return submit(client, shelf_url(), {name.replace("_", "-"): value for name, value in data.items()})


def save(client: Client, page: dict[str, str], **data: Any) -> list[str]:
    """Sends the fields of a page, with these changed, as a browser does."""
    return submit(client, page_url(room()), page | {name.replace("_", "-"): value for name, value in data.items()})


def shelf_url() -> str:
    return reverse("admin:goods_room_shelf", args=[room().pk])


def weights() -> dict[int, int]:
    return dict(RoomGoods.objects.filter(is_deleted=False).values_list("goods_id", "weight"))


def test_page_of_a_room_shows_the_pieces_of_each_product_and_a_button(client: Client) -> None:
    page = client.get(page_url(room()))

    assert [(row.entry.goods_id, row.available) for row in page.context["shelf"].rows] == [(1, 5), (2, None)]
    text = page.content.decode()
    assert text.count('form="pin" name="pin"') == 2
    assert text.count('<input type="number" name="weight-') == 2


def test_enter_in_a_field_saves(client: Client) -> None:
    """A browser presses the first button of the form that the field belongs to."""
    text = client.get(page_url(room())).content.decode()

    main = text[text.index('id="room_form"') : text.index("</form>", text.index('id="room_form"'))]
    buttons = re.findall(r'<(?:button|input type="submit")[^>]*>', main)
    assert [button for button in buttons if "form=" not in button][0].endswith('name="_save">')
    assert 'name="weight-1"' in main
    assert not re.search(r'name="weight-1"[^>]* form=', main)
    assert text.count("Pin, Unpin and Take out do not save") == 1


def test_button_pins_and_once_more_unpins(client: Client) -> None:
    assert send(client, pin="2") == ["Done for 1 row."]
    assert room().current_goods_id == 2

    assert send(client, pin="1") == ["Done for 1 row."]
    assert room().current_goods_id == 1

    assert send(client, unpin="2") == ["Product 2 was not pinned."]  # of a page that is older than the last pin
    assert room().current_goods_id == 1

    assert send(client, unpin="1") == ["Done for 1 row."]
    assert room().current_goods_id is None
    done = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert done == ["pin pin=2", "pin pin=1", "unpin unpin=1"]


def test_fields_and_numbers_are_saved_together_and_only_what_was_moved_is_written(client: Client) -> None:
    before = RoomGoods.objects.get(goods_id=1).updated_at

    messages = save(client, fields_of(client, room()), title="Evening", weight_2="150")

    assert len(messages) == 1
    assert (room().title, weights()) == ("Evening", {1: 100, 2: 150})
    assert RoomGoods.objects.get(goods_id=1).updated_at == before
    assert RoomGoods.objects.get(goods_id=2).updated_by == "operator"


def test_what_somebody_else_moved_since_the_page_was_made_stays_there(client: Client) -> None:
    page = fields_of(client, room())
    RoomGoods.objects.filter(goods_id=1).update(weight=7)

    save(client, page, weight_2="150")

    assert weights() == {1: 7, 2: 150}


@pytest.mark.parametrize("typed", ["", "first", str(2**63)])
def test_number_that_is_none_refuses_the_fields_too_and_keeps_what_was_typed(client: Client, typed: str) -> None:
    title = room().title
    changes = {"title": "Evening", "weight-1": "7", "weight-2": typed}

    page = client.post(page_url(room()), fields_of(client, room()) | changes)

    form = page.context["adminform"].form
    assert (page.status_code, [*form.errors]) == (200, ["weight-2"])
    assert page.content.decode().count("errorlist") == 1
    assert (form["title"].value(), form["weight-1"].value(), form["weight-2"].value()) == ("Evening", "7", typed)
    assert " data-unsaved" in page.content.decode()
    assert (room().title, weights()) == (title, {1: 100, 2: 99})


def test_field_that_is_refused_refuses_the_numbers_too(client: Client) -> None:
    page = client.post(page_url(room()), fields_of(client, room()) | {"title": "", "weight-2": "150"})

    assert [*page.context["adminform"].form.errors] == ["title"]
    assert page.context["adminform"].form["weight-2"].value() == "150"
    assert weights() == {1: 100, 2: 99}


def test_long_list_is_typed_in_part_and_its_room_can_still_be_saved(client: Client) -> None:
    ids = list(range(3, 3 + 200))
    RoomGoods.objects.bulk_create(RoomGoods(room_id=1, goods_id=goods_id, weight=-goods_id) for goods_id in ids)

    page = client.get(page_url(room()))
    save(client, fields_of(client, room()), title="Evening", weight_2="98")

    assert sum(row.weight is not None for row in page.context["shelf"].rows) == MOST_PLACES
    assert "The numbers of the others" in page.content.decode()
    assert (room().title, weights()[2], weights()[202]) == ("Evening", 98, -202)


def test_what_left_the_list_meanwhile_is_neither_pinned_nor_put_back(client: Client) -> None:
    page = fields_of(client, room())
    RoomGoods.objects.filter(goods_id=2).update(is_deleted=True)

    assert send(client, pin="2") == ["Product 2 is not in the list of room 1."]
    save(client, page, weight_1="1")

    assert weights() == {1: 1}
    assert room().current_goods_id is None


def test_place_that_was_typed_for_what_left_the_list_meanwhile_is_named_and_nothing_is_saved(client: Client) -> None:
    sent = fields_of(client, room()) | {"title": "Evening", "weight-1": "7", "weight-2": "555"}
    RoomGoods.objects.filter(goods_id=2).update(is_deleted=True)

    page = client.post(page_url(room()), sent)

    assert page.context["adminform"].errors == {"__all__": ["Product 2 is not in the list of room 1."]}
    assert page.content.decode().count("Product 2 is not in the list of room 1.") == 1
    assert (room().title, weights()) == ("Room 1", {1: 100})

    again = {name: value for name, value in sent.items() if not name.endswith("weight-2")}  # the page has it no more
    save(client, again)
    assert (room().title, weights()) == ("Evening", {1: 7})


def test_place_that_was_typed_is_saved_though_others_came_before_it_and_fill_the_page(client: Client) -> None:
    page = fields_of(client, room())
    ids = list(range(3, 3 + MOST_PLACES))
    RoomGoods.objects.bulk_create(RoomGoods(room_id=1, goods_id=goods_id, weight=1000) for goods_id in ids)

    save(client, page, weight_2="77")

    assert weights()[2] == 77


def test_who_may_only_look_sees_the_list_and_changes_nothing(client: Client) -> None:
    viewer = make_operator_named("viewer", "view_room")

    text = viewer.get(page_url(room())).content.decode()

    assert "Goods 1" in text
    assert 'name="weight-1"' not in text
    assert "Pin, Unpin" not in text
    assert 'form="pin"' not in text
    assert viewer.post(shelf_url(), {"pin": "1"}).status_code == 403
    assert viewer.post(page_url(room()), {"title": "New", "weight-1": "1"}).status_code == 403
    assert (room().current_goods_id, weights()) == (None, {1: 100, 2: 99})


def test_who_may_change_rooms_alone_pins_and_leaves_the_order(client: Client) -> None:
    host = make_operator_named("host", "view_room", "change_room")

    assert send(host, pin="1") == ["Done for 1 row."]
    save(host, fields_of(host, room()), title="Evening", weight_1="1", weight_2="2")

    assert (room().title, room().current_goods_id, weights()) == ("Evening", 1, {1: 100, 2: 99})


def test_shelf_is_no_page_of_its_own(client: Client) -> None:
    assert client.get(shelf_url()).status_code == 404


def make_operator_named(name: str, *codenames: str) -> Client:
    user = factories.make_user(name)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return sign_in(user)


def test_order_of_a_page_is_saved_though_a_product_came_into_the_list_meanwhile(client: Client) -> None:
    page = fields_of(client, room())
    factories.make_goods(3)
    add_room_goods(room_id=1, entries=[Entry(3)], actor="staff")
    (before,) = RoomGoods.objects.filter(goods_id=3).values_list("weight", flat=True)

    save(client, page, weight_2="77")

    assert (weights()[2], weights()[3]) == (77, before)
