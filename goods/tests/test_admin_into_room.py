"""Building a room: products from their list, by their numbers on the room's page, and out again."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from charites.common.models import MAX_INT64
from goods.admin import into_room
from goods.models import Goods, Room, RoomGoods
from goods.selectors import list_entries
from goods.services import pin_goods
from lab.kit import factories
from lab.kit.admin_site import (
    add_url,
    ask,
    confirm,
    fields_of,
    list_url,
    make_operator,
    page_url,
    sign_in,
    submit,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    for goods_id in range(1, 6):
        factories.make_goods(goods_id)
    factories.make_room(1, goods_ids=[2, 1])
    factories.make_room(2, goods_ids=[])
    return sign_in(make_operator())


def room(room_id: int = 1) -> Room:
    return Room.objects.get(room_id=room_id)


def listed(room_id: int = 1) -> list[tuple[int, int]]:
    return [(entry.goods_id, entry.weight) for entry in list_entries(room_id=room_id)]


def goods(*goods_ids: int) -> list[Goods]:
    return list(Goods.objects.filter(goods_id__in=goods_ids).order_by("goods_id"))


def test_action_asks_for_a_room_by_its_title(client: Client) -> None:
    page = ask(client, "put_into_room", goods(3, 4)).content.decode()

    assert re.findall(r"<option[^>]*>([^<]+)</option>", page) == ["---------", "Room 2 (2)", "Room 1 (1)"]
    assert 'name="number"' not in page
    assert listed() == [(2, 100), (1, 99)]


def test_action_puts_products_behind_what_is_there_in_the_order_of_the_list(client: Client) -> None:
    messages = confirm(client, "put_into_room", goods(1, 3, 4), room_id="1")

    assert messages[0] == "Done for 2 rows."
    assert messages[1].endswith("1 Room 1</a> · Products added: 3, 4. There already: 1.")
    assert page_url(room()) in messages[1]
    assert listed() == [(2, 100), (1, 99), (3, 89), (4, 79)]
    assert LogEntry.objects.filter(change_message="put_into_room room_id=1").count() == 2


def test_action_follows_the_order_that_was_chosen_for_the_list(client: Client) -> None:
    newest_first = f"{list_url(Goods)}?o=-1"
    chosen = {"action": "put_into_room", "_selected_action": [row.pk for row in goods(3, 4, 5)], "confirmed": "yes"}

    submit(client, newest_first, chosen | {"room_id": "2"})

    assert listed(2) == [(5, 30), (4, 20), (3, 10)]


def test_action_with_all_there_already_says_so_and_changes_nothing(client: Client) -> None:
    (message,) = confirm(client, "put_into_room", goods(1, 2), room_id="1")

    assert message.endswith("Products added: -. There already: 1, 2.")
    assert listed() == [(2, 100), (1, 99)]
    assert LogEntry.objects.count() == 0


def test_action_with_a_deleted_product_puts_none_there(client: Client) -> None:
    Goods.objects.filter(goods_id=4).update(is_deleted=True)

    assert confirm(client, "put_into_room", goods(3, 4), room_id="1") == ["There is no product 4."]

    assert listed() == [(2, 100), (1, 99)]


@pytest.mark.parametrize("room_id", ["", "77", "x"])
def test_action_without_a_room_that_there_is_asks_again(client: Client, room_id: str) -> None:
    data = {"action": "put_into_room", "_selected_action": [goods(3)[0].pk], "confirmed": "yes", "room_id": room_id}

    page = client.post(list_url(Goods), data)

    assert page.status_code == 200
    assert "errorlist" in page.content.decode()
    assert (listed(), listed(2)) == ([(2, 100), (1, 99)], [])


def test_room_beyond_those_to_choose_from_is_named_by_its_number(client: Client) -> None:
    most = into_room.ROOMS_TO_CHOOSE_FROM
    Room.objects.bulk_create(Room(room_id=number, title=f"Room {number}") for number in range(3, most + 2))

    page = ask(client, "put_into_room", goods(3)).content.decode()
    both = client.post(
        list_url(Goods),
        {
            **{"action": "put_into_room", "_selected_action": [goods(3)[0].pk], "confirmed": "yes"},
            **{"room_id": str(most), "number": "1"},
        },
    )
    confirm(client, "put_into_room", goods(3), number="1")

    assert page.count("<option value=") == most + 1  # rooms and none
    assert "Choose one room." in both.content.decode()
    assert listed() == [(2, 100), (1, 99), (3, 89)]


def test_page_of_a_room_adds_products_by_their_numbers_with_its_fields(client: Client) -> None:
    messages = submit(client, page_url(room()), fields_of(client, room()) | {"title": "Evening", "added": "4, 3 1"})

    assert messages[0].endswith("Products added: 4, 3. There already: 1.")
    assert (room().title, listed()) == ("Evening", [(2, 100), (1, 99), (4, 89), (3, 79)])


def test_history_names_the_fields_that_were_typed_into_and_no_others(client: Client) -> None:
    for typed in ({"title": "Evening", "added": ""}, {"added": " "}, {"added": "3"}):
        submit(client, page_url(room()), fields_of(client, room()) | typed)

    told = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert told == ["Changed Title.", "No fields changed.", "Changed Products to add, by their numbers."]


def test_page_of_a_room_adds_a_product_with_as_long_a_number_as_there_is(client: Client) -> None:
    factories.make_goods(MAX_INT64)

    submit(client, page_url(room()), fields_of(client, room()) | {"added": str(MAX_INT64)})

    assert listed() == [(2, 100), (1, 99), (MAX_INT64, 89)]


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ("3 77", "There is no product 77."),
        ("3 tea", "“tea” is no number of a product."),
        (" ".join(map(str, range(1, 102))), "At most 100 products at once."),
    ],
)
def test_numbers_of_no_product_refuse_the_page_whole(client: Client, typed: str, fault: str) -> None:
    page = client.post(page_url(room()), fields_of(client, room()) | {"title": "Evening", "added": typed})

    assert page.context["adminform"].form.errors == {"added": [fault]}
    assert fault in page.content.decode()
    assert (room().title, listed()) == ("Room 1", [(2, 100), (1, 99)])


def test_product_is_taken_out_on_the_page_of_its_room_after_a_question(client: Client) -> None:
    pin_goods(room_id=1, goods_id=2)
    page = reverse("admin:goods_room_take_out", args=[room().pk])
    assert f"{page}?goods_id=2" in client.get(page_url(room())).content.decode()

    question = client.get(page, {"goods_id": "2"})
    assert "Goods 2 · 1 Room 1" in question.content.decode()
    assert f'<a href="{page_url(room())}" class="button cancel-link">' in question.content.decode()
    assert listed() == [(2, 100), (1, 99)]

    assert submit(client, page, {"goods_id": "2"}) == ["Done for 1 row."]
    assert (listed(), room().current_goods_id) == ([(1, 99)], None)

    assert submit(client, page, {"goods_id": "2"}) == ["Product 2 is not in the list of room 1."]
    assert LogEntry.objects.filter(change_message__startswith="take_out").count() == 1


def test_nothing_is_put_in_or_taken_out_by_who_may_only_change_the_room(client: Client) -> None:
    user = factories.make_user("clerk")
    user.is_staff = True
    user.save()
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_room", "change_room", "view_goods", "change_goods"])
    )
    clerk = sign_in(user)

    text = clerk.get(page_url(room())).content.decode()
    actions = clerk.get(list_url(Goods)).content.decode()
    clerk.post(page_url(room()), fields_of(clerk, room()) | {"added": "3"})

    assert ('name="added"' in text, "take-out" in text, "put_into_room" in actions) == (False, False, False)
    assert clerk.post(reverse("admin:goods_room_take_out", args=[room().pk]), {"goods_id": "2"}).status_code == 403
    assert listed() == [(2, 100), (1, 99)]


def test_adding_another_to_a_list_keeps_the_room(client: Client) -> None:
    data = {"room_id": "1", "goods_id": "3", "weight": "7", "_addanother": "yes"}

    page = client.post(add_url(RoomGoods), data, follow=True)

    assert page.redirect_chain == [(f"{add_url(RoomGoods)}?room_id=1", 302)]
    assert page.context["adminform"].form["room_id"].value() == "1"


@pytest.mark.parametrize(
    ("field", "model", "number"), [("room_id", Room, 70), ("goods_id", Goods, 900)], ids=["room", "product"]
)
def test_room_and_product_are_looked_up_by_their_titles(
    client: Client, field: str, model: type[Room | Goods], number: int
) -> None:
    factories.make_goods(900)
    factories.make_room(70, goods_ids=[])

    text = client.get(add_url(RoomGoods)).content.decode()
    found = re.search(rf'<a href="([^"]+)" class="related-lookup" id="lookup_id_{field}"', text)

    assert found
    popup = client.get(f"{found[1]}&_popup=1").content.decode()
    assert f'data-popup-opener="{number}"' in popup
    assert popup.count("data-popup-opener") >= model.objects.count()
