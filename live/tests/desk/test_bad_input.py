"""What nobody means is told on the page, and changes nothing."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from goods.models import Goods, Room
from goods.services import delete_rooms
from lab.kit.factories import counts, make_room
from live.tests.desk.pressing import BUTTONS, host, press, product, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room")]


@pytest.mark.parametrize(
    ("button", "form", "status", "state"),
    [
        *(
            ("restock", {"pieces": pieces, "key": "k"}, 400, "invalid")
            for pieces in ("", "0", "+0", "ten", "1.5", "1e3", "９", "-", "9" * 30, "9" * 18 + "9", "5\x00")
        ),
        ("restock", {"pieces": "-999999", "key": "k"}, 409, "conflict"),
        ("restock", {"pieces": "5"}, 400, "invalid"),
        ("restock", {"pieces": "5", "key": "x" * 65}, 400, "invalid"),
        ("restock", {"pieces": "5", "key": "a\x00b"}, 400, "invalid"),
        ("restock", {"pieces": "5", "key": "unnamed:1"}, 400, "invalid"),
        ("times", {"starts": "tomorrow"}, 400, "invalid"),
        ("times", {"starts": "2026-02-31T10:00"}, 400, "invalid"),
        ("times", {"starts": "0000-01-01T00:00"}, 400, "invalid"),
        ("times", {"starts": "0001-01-01T00:00+14:00"}, 400, "invalid"),
        ("times", {"ends": "99999-01-01T00:00"}, 400, "invalid"),
        ("times", {"starts": "2026-11-11T20:00", "ends": "2026-11-11T20:00"}, 400, "invalid"),
        ("times", {"starts": "2026-11-11T20:00", "ends": "2026-11-10T20:00"}, 400, "invalid"),
        *(("limit", {"limit": limit}, 400, "invalid") for limit in ("", "-1", "two", "4294967296", "9" * 30)),
        *((button, {"goods_id": "3", "key": "k", "pieces": "1"}, 409, "gone") for button in BUTTONS),
        *((button, {"goods_id": "99"}, 409, "gone") for button in ("pin", "unpin", "on")),
        *(("pin", {"goods_id": goods_id}, 400, "invalid") for goods_id in ("", "x", "-1", "9" * 30, "1\x00")),
        ("pin", {"goods_id": "9" * 18}, 409, "gone"),
    ],
    ids=str,
)
def test_what_nobody_means_is_told_and_changes_nothing(
    button: str, form: dict[str, str], status: int, state: str
) -> None:
    before = list(Goods.objects.order_by("goods_id").values()), counts(1), counts(3)

    answer = press(host(), button, **form)

    assert (answer.status_code, told(answer.text)) == (status, state)
    assert (list(Goods.objects.order_by("goods_id").values()), counts(1), counts(3)) == before
    assert Room.objects.get().current_goods_id == 1


@pytest.mark.parametrize("limit", ["4294967295", "1"])
def test_limit_holds_what_the_column_holds(limit: str) -> None:
    press(host(), "limit", limit=limit)

    assert product().limit_per_buyer == int(limit)


@pytest.mark.parametrize("moment", ["2000-01-01T00:00:00", "2100-12-31T23:59:59"])
def test_times_are_of_this_century(moment: str) -> None:
    client = host()

    assert press(client, "times", starts=moment).status_code == 302
    assert client.get("/rooms/1/desk").status_code == 200
    assert Client().get("/rooms/1").status_code == 200


@pytest.mark.parametrize("field", ["starts", "ends"])
@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00", "1999-12-31T23:59:59", "2101-01-01T00:00", "9999-12-31T23:59:59"]
)
def test_times_of_another_century_are_refused_and_stand_in_the_form(field: str, moment: str) -> None:
    before = product().sale_starts_at, product().sale_ends_at

    answer = press(host(), "times", **{field: moment})

    assert (answer.status_code, told(answer.text)) == (400, "invalid")
    assert "must be in one of the years 2000 to 2100." in answer.text
    assert f'value="{moment}"' in answer.text
    assert (product().sale_starts_at, product().sale_ends_at) == before


@pytest.mark.parametrize("year", [1, 9999])
def test_times_that_others_have_set_are_shown_whatever_they_are(year: int) -> None:
    Goods.objects.filter(goods_id=1).update(sale_starts_at=datetime(year, 1, 1, tzinfo=UTC))

    page = host().get("/rooms/1/desk")

    assert page.status_code == 200
    assert f'value="{year:04}-01-01T00:00:00"' in page.text
    assert Client().get("/rooms/1").status_code == 200


def test_stock_grows_no_larger_than_it_can_be_counted() -> None:
    client = host()
    for key in range(9):
        press(client, "restock", pieces="9" * 18, key=f"k{key}")
    press(client, "restock", pieces="9" * 18, key="k9")

    answer = press(client, "restock", pieces="9" * 18, key="last")

    assert (answer.status_code, told(answer.text)) == (400, "invalid")
    assert "Pieces: makes the stock larger" in answer.text


@pytest.mark.parametrize("button", BUTTONS)
def test_address_of_a_button_leads_to_the_desk(button: str) -> None:
    for method in ("get", "head", "put", "delete"):
        answer = getattr(host(), method)(f"/rooms/1/desk/{button}")

        assert (answer.status_code, answer["Location"]) == (302, "/rooms/1/desk")


def test_desk_takes_no_other_method() -> None:
    assert host().post("/rooms/1/desk").status_code == 405


@pytest.mark.parametrize("room_id", ["404", "2"])
def test_room_that_is_not_there_says_so(room_id: str) -> None:
    make_room(2)
    delete_rooms(room_ids=[2])
    client = host()

    for answer in (client.get(f"/rooms/{room_id}/desk"), client.post(f"/rooms/{room_id}/desk/pin", {"goods_id": "1"})):
        assert answer.status_code == 404
        assert "There is no such room" in answer.text


def test_room_that_is_off_has_a_desk_where_it_is_made_ready() -> None:
    Room.objects.update(status=Room.Status.OFF)
    client = host()

    assert 'class="mark off"' in client.get("/rooms/1/desk").text
    assert press(client, "pin", goods_id="2").status_code == 302


def test_what_is_typed_and_refused_is_escaped_and_so_is_the_address() -> None:
    client = host()

    refused = press(client, "restock", pieces='"><script>alert(1)</script>', key="k")
    asked = client.get("/rooms/1/desk", {"did": "<script>", "goods": "1"})

    assert refused.status_code == 400
    assert "<script>" not in refused.text + asked.text
