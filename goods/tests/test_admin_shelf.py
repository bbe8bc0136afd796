"""The list of a room on its page: the order, the pieces, and what is pinned."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from goods.models import Room, RoomGoods
from goods.services import Entry, add_room_goods
from lab.kit import factories
from lab.kit.admin_site import make_operator, page_url, sign_in, submit

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


def save_order(client: Client, page: str, **data: Any) -> list[str]:
    """Sends the numbers of a page, with these changed, as a browser does."""
    fields = dict(re.findall(r'<input type="(?:number|hidden)" name="([\w-]*weight-\d+)" value="(-?\d+)"', page))
    typed = {name.replace("_", "-"): value for name, value in data.items()}
    return submit(client, shelf_url(), {"order": "yes", **fields, **typed})


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


def test_enter_in_a_number_saves_the_order(client: Client) -> None:
    """A browser presses the first button of the form that the number belongs to."""
    text = client.get(page_url(room())).content.decode()

    form = re.search(r'<input[^>]*name="weight-1"[^>]*form="(\w+)"', text)
    assert form
    assert re.findall(rf'<button[^>]*form="{form[1]}"[^>]*name="(\w+)"', text)[0] == "order"


def test_button_pins_and_once_more_unpins(client: Client) -> None:
    assert send(client, pin="2") == ["Done for 1 row."]
    assert room().current_goods_id == 2

    assert send(client, pin="1") == ["Done for 1 row."]
    assert room().current_goods_id == 1

    assert send(client, unpin="2") == ["Done for 1 row."]  # of a page that is older than the last pin
    assert room().current_goods_id == 1

    assert send(client, unpin="1") == ["Done for 1 row."]
    assert room().current_goods_id is None
    assert LogEntry.objects.filter(change_message="pin pin=2").count() == 1


def test_order_is_saved_as_typed_and_only_what_was_moved_is_written(client: Client) -> None:
    before = RoomGoods.objects.get(goods_id=1).updated_at

    save_order(client, client.get(page_url(room())).content.decode(), weight_2="150")

    assert weights() == {1: 100, 2: 150}
    assert RoomGoods.objects.get(goods_id=1).updated_at == before
    assert RoomGoods.objects.get(goods_id=2).updated_by == "operator"


def test_what_somebody_else_moved_since_the_page_was_made_stays_there(client: Client) -> None:
    page = client.get(page_url(room())).content.decode()
    RoomGoods.objects.filter(goods_id=1).update(weight=7)

    save_order(client, page, weight_2="150")

    assert weights() == {1: 7, 2: 150}
    assert page.count('form="shelf"') == 5  # the numbers, what they were, and the button


@pytest.mark.parametrize("typed", ["", "first", str(2**63)])
def test_order_that_is_none_is_refused_whole(client: Client, typed: str) -> None:
    messages = send(client, order="yes", weight_1="7", weight_2=typed)

    assert len(messages) == 1
    assert messages[0].startswith("2: ")
    assert weights() == {1: 100, 2: 99}


def test_what_left_the_list_meanwhile_is_neither_pinned_nor_put_back(client: Client) -> None:
    RoomGoods.objects.filter(goods_id=2).update(is_deleted=True)

    assert send(client, pin="2") == ["Product 2 is not in the list of room 1."]
    send(client, order="yes", weight_1="1", weight_2="2")

    assert weights() == {1: 1}
    assert room().current_goods_id is None


def test_who_may_only_look_sees_the_list_and_changes_nothing(client: Client) -> None:
    viewer = make_operator_named("viewer", "view_room")

    text = viewer.get(page_url(room())).content.decode()

    assert "Goods 1" in text
    assert 'form="shelf"' not in text
    assert 'form="pin"' not in text
    for data in ({"pin": "1"}, {"order": "yes", "weight-1": "1", "weight-2": "2"}):
        assert viewer.post(shelf_url(), data).status_code == 403
    assert (room().current_goods_id, weights()) == (None, {1: 100, 2: 99})


def test_who_may_change_rooms_alone_pins_and_leaves_the_order(client: Client) -> None:
    host = make_operator_named("host", "view_room", "change_room")

    assert send(host, pin="1") == ["Done for 1 row."]
    assert host.post(shelf_url(), {"order": "yes", "weight-1": "1", "weight-2": "2"}).status_code == 403

    assert (room().current_goods_id, weights()) == (1, {1: 100, 2: 99})


def test_shelf_is_no_page_of_its_own(client: Client) -> None:
    assert client.get(shelf_url()).status_code == 404


def make_operator_named(name: str, *codenames: str) -> Client:
    user = factories.make_user(name)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return sign_in(user)


def test_order_of_a_page_is_saved_though_a_product_came_into_the_list_meanwhile(client: Client) -> None:
    page = client.get(page_url(room())).content.decode()
    factories.make_goods(3)
    add_room_goods(room_id=1, entries=[Entry(3)], actor="staff")
    (before,) = RoomGoods.objects.filter(goods_id=3).values_list("weight", flat=True)

    save_order(client, page, weight_2="77")

    assert (weights()[2], weights()[3]) == (77, before)
