"""What the buttons of a desk do."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from goods.models import Goods, Room
from goods.services import pin_goods
from lab.kit.factories import counts, make_order
from lab.kit.interleaving import Parked
from live.tests.desk.pressing import done, host, offered, press, product, told
from stock.models import StockAdjustment

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room")]


def test_pin_and_unpin() -> None:
    client = host()

    assert press(client, "pin", goods_id="2")["Location"] == done(2, "pinned")
    assert Room.objects.get().current_goods_id == 2
    assert "Pinned: buyers see it now." in client.get(done(2, "pinned")).text

    assert press(client, "unpin", goods_id="2")["Location"] == done(2, "unpinned")
    assert Room.objects.get().current_goods_id is None
    assert "Nothing is pinned" in client.get("/rooms/1/desk").text


def test_unpin_of_a_page_that_is_old_leaves_what_somebody_else_has_pinned() -> None:
    client = host()
    press(client, "pin", goods_id="2")

    press(client, "unpin", goods_id="1")

    assert Room.objects.get().current_goods_id == 2


@pytest.mark.django_db(transaction=True)
def test_unpin_leaves_what_somebody_pins_at_this_moment() -> None:
    client = host()
    pin_goods(room_id=1, goods_id=1)

    with Parked(lambda: press(client, "unpin", goods_id="1"), at="FROM shopping_room_goods") as unpinning:
        pin_goods(room_id=1, goods_id=2)
        assert unpinning.go()["Location"] == done(1, "unpinned")

    assert Room.objects.get().current_goods_id == 2


def test_restock_adds_and_takes() -> None:
    client = host()

    assert press(client, "restock", pieces="8", key="a")["Location"] == done(1, "+8")
    taken = press(client, "restock", pieces="-3", key="b")["Location"]

    assert (counts(1), taken) == ((10, 0, 0), done(1, "-3"))
    assert "8 added: 10 available" in client.get(done(1, "+8")).text
    assert "3 taken: 10 available" in client.get(taken).text
    last = StockAdjustment.objects.order_by("-pk")[0]
    assert (last.delta, last.reason, last.actor) == (-3, "desk of room 1", "clerk")


def test_restock_pressed_twice_adds_once_and_the_next_page_has_another_key() -> None:
    client = host()
    keys = [re.findall(r'name="key" value="([0-9a-f]{32})"', client.get("/rooms/1/desk").text) for _ in range(2)]

    for _ in range(2):
        assert press(client, "restock", pieces="8", key=keys[0][0])["Location"] == done(1, "+8")

    assert counts(1) == (13, 0, 0)
    assert len({key for page in keys for key in page}) == 4


def test_old_form_with_other_pieces_is_told_and_adds_nothing() -> None:
    client = host()
    press(client, "restock", pieces="8", key="a")

    answer = press(client, "restock", pieces="9", key="a")

    assert (answer.status_code, told(answer.text)) == (422, "conflict")
    assert "This form was sent before" in answer.text
    assert counts(1) == (13, 0, 0)


def test_more_than_there_are_cannot_be_taken() -> None:
    make_order({1: 2})

    answer = press(host(), "restock", pieces="-4", key="a")

    assert (answer.status_code, told(answer.text)) == (409, "conflict")
    assert "There are only 3 pieces to take away." in answer.text
    assert 'value="-4"' in answer.text
    assert counts(1) == (3, 2, 0)


def test_where_nothing_is_left_nothing_can_be_taken() -> None:
    make_order({1: 5})

    assert "There is nothing left to take away." in press(host(), "restock", pieces="-1", key="a").text


@pytest.mark.parametrize("did", ["+", "7", "+9x", "+" + "9" * 30, "% 7"])
def test_what_no_button_has_done_is_not_said(did: str) -> None:
    assert 'class="did' not in host().get(done(1, did)).text


def test_first_pieces_of_a_product_take_the_permission_to_add() -> None:
    refused = press(host("stock.change_stock"), "restock", goods_id="2", pieces="5", key="a")
    added = press(host("stock.change_stock", "stock.add_stock"), "restock", goods_id="2", pieces="5", key="a")

    assert (refused.status_code, told(refused.text)) == (404, "forbidden")
    assert added.status_code == 302
    assert counts(2) == (5, 0, 0)


def test_start_sells_from_now_on_also_what_was_over_and_off_sale() -> None:
    past = timezone.now() - timedelta(hours=1)
    Goods.objects.update(status=Goods.Status.OFF_SALE, sale_starts_at=past - timedelta(hours=1), sale_ends_at=past)
    client = host()

    press(client, "start")

    assert product().status == Goods.Status.ON_SALE
    assert product().sale_starts_at > past
    assert product().sale_ends_at is None
    assert ">End sale now<" in client.get("/rooms/1/desk").text
    assert product().updated_by == "clerk"


def test_start_keeps_an_end_that_is_to_come() -> None:
    coming = timezone.now() + timedelta(days=1)
    Goods.objects.update(sale_starts_at=coming, sale_ends_at=coming + timedelta(days=1))

    press(host(), "start")

    assert product().sale_starts_at < coming
    assert product().sale_ends_at == coming + timedelta(days=1)


@pytest.mark.parametrize("begun", [True, False])
def test_end_ends_a_sale_whether_it_has_begun_or_not(begun: bool) -> None:
    hours = timedelta(hours=-1 if begun else 1)
    starts_at = timezone.now() + hours
    Goods.objects.update(sale_starts_at=starts_at, sale_ends_at=starts_at + timedelta(days=1))
    client = host()

    press(client, "end")

    assert product().sale_starts_at == (starts_at if begun else None)
    assert product().sale_ends_at < starts_at + timedelta(days=1)
    assert "over since" in client.get("/rooms/1/desk").text


def test_start_is_offered_where_the_times_are_in_the_way() -> None:
    past = timezone.now() - timedelta(hours=1)
    client = host("goods.change_goods")
    for columns, expected in (
        ({}, {"end", "off"}),
        ({"sale_ends_at": past}, {"start", "off"}),
        ({"status": Goods.Status.OFF_SALE}, {"start", "on"}),
        ({"sale_ends_at": None}, {"on"}),
    ):
        Goods.objects.update(**columns)

        assert offered(client.get("/rooms/1/desk").text) == {*expected, "times", "limit"}


def test_off_and_on_sale() -> None:
    client = host()

    press(client, "off")
    assert product().status == Goods.Status.OFF_SALE
    assert ">Put on sale<" in client.get("/rooms/1/desk").text

    press(client, "on")
    assert product().status == Goods.Status.ON_SALE


def test_times_are_set_in_utc_and_stand_in_the_form() -> None:
    client = host()

    press(client, "times", starts="2026-11-11T20:00", ends="2026-11-11T21:30:05")

    assert product().sale_starts_at == datetime(2026, 11, 11, 20, tzinfo=UTC)
    assert product().sale_ends_at == datetime(2026, 11, 11, 21, 30, 5, tzinfo=UTC)
    page = client.get("/rooms/1/desk").text
    assert 'value="2026-11-11T20:00:00"' in page
    assert 'value="2026-11-11T21:30:05"' in page

    press(client, "times", starts="", ends="")
    assert (product().sale_starts_at, product().sale_ends_at) == (None, None)


def test_limit_is_set_and_taken_off() -> None:
    client = host()

    press(client, "limit", limit="2")
    assert product().limit_per_buyer == 2
    assert "2 pieces a buyer" in client.get("/rooms/1/desk").text

    press(client, "limit", limit="0")
    assert product().limit_per_buyer == 0
