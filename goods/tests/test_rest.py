"""Rooms and goods over REST."""

from datetime import UTC, datetime

import pytest

from goods.models import Goods, Room
from lab.kit.factories import NOW, later, make_goods, make_room
from lab.kit.rest_client import buyer, error_of, service, staff

pytestmark = pytest.mark.django_db

SALE = datetime(2026, 6, 1, 11, tzinfo=UTC)
GOODS_1 = {
    "goods_id": "1",
    "category_id": "4",
    "brand_name": "Song & Ash",
    "status": 0,
    "status_label": "on sale",
    "title": "Goods 1",
    "price": 9950,
    "market_price": 12900,
    "brief": "Brief.",
    "head_imgs": ["/static/goods-1-1.svg", "/static/goods-1-2.svg"],
    "limit_per_buyer": 2,
    "sale_starts_at": "2026-06-01T11:00:00Z",
    "sale_ends_at": "2026-06-01T12:00:00Z",
}


def make_goods_1(**columns: object) -> Goods:
    pictures = GOODS_1["head_imgs"]
    sale = {"limit_per_buyer": 2, "sale_starts_at": later(0, SALE), "sale_ends_at": later(3600, SALE)}
    return make_goods(1, category_id=4, brand_name="Song & Ash", head_imgs=pictures, **sale, **columns)


def listed(query: str = "") -> list[str]:
    response = buyer().get(f"/api/rooms{query}")
    assert response.status_code == 200
    return [room["room_id"] for room in response.json()["rooms"]]


def test_live_rooms_are_listed() -> None:
    make_room(2, status=Room.Status.OFF)
    make_room(1, is_deleted=True)
    make_goods(5)
    make_room(3, goods_ids=[5], host_name="Mei", cover="/static/room-3.svg", started_at=NOW, current_goods_id=5)

    response = buyer().get("/api/rooms")

    assert response.status_code == 200
    assert response.json() == {
        "rooms": [
            {
                "room_id": "3",
                "title": "Room 3",
                "host_name": "Mei",
                "cover": "/static/room-3.svg",
                "status": "live",
                "started_at": "2026-06-01T12:00:00Z",
                "current_goods_id": "5",
            },
        ],
        "next": None,
        "previous": None,
    }


def test_rooms_are_listed_by_status() -> None:
    for room_id, status in ((4, "off"), (3, "live"), (2, "off"), (1, "live")):
        make_room(room_id, status=status)

    assert listed("?status=live") == ["1", "3"]
    assert listed("?status=off") == ["2", "4"]
    assert listed("?status=all") == ["1", "2", "3", "4"]


def test_rooms_are_listed_in_pages() -> None:
    for room_id in range(1, 26):
        make_room(room_id, status="off" if room_id == 24 else "live")

    assert listed() == [str(room_id) for room_id in range(1, 21)]
    assert listed("?after=20") == ["21", "22", "23", "25"]
    assert listed("?status=all&limit=2&after=22") == ["23", "24"]
    assert len(listed("?limit=100&status=all")) == 25


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit: Ensure this value is greater than or equal to 1."),
        ("limit=101", "limit: Ensure this value is less than or equal to 100."),
        ("after=-1", "after: Ensure this value is greater than or equal to 0."),
        ("status=on", "status: must be one of live, off, all"),
        ("room_id=1", "room_id: is not a field of this request"),
    ],
)
def test_rooms_asked_for_wrongly_are_not_listed(query: str, message: str) -> None:
    assert error_of(buyer().get(f"/api/rooms?{query}")) == (400, 10000001, message)


def test_room_that_exists_is_answered() -> None:
    make_room(9_007_199_254_740_993, host_name="Mei")  # one more than JavaScript can hold

    response = buyer().get("/api/rooms/9007199254740993")

    assert response.status_code == 200
    assert response.json() == {
        "room_id": "9007199254740993",
        "title": "Room 9007199254740993",
        "host_name": "Mei",
        "cover": "",
        "status": "live",
        "started_at": None,
        "current_goods_id": None,
    }


@pytest.mark.parametrize("path", ["/api/rooms/4", "/api/rooms/4/goods"])
def test_room_that_is_unknown_or_deleted_is_not_found(path: str) -> None:
    make_room(4, is_deleted=True)

    assert error_of(buyer().get(path)) == (404, 30010006, "There is no room 4.")


def test_room_goods_come_in_the_hosts_order() -> None:
    make_goods_1()
    make_goods(2, status=Goods.Status.OFF_SALE)
    make_goods(3, is_deleted=False)
    make_room(1, goods_ids=[2, 1, 3], current_goods_id=1)
    Goods.objects.filter(goods_id=3).update(is_deleted=True)

    response = buyer().get("/api/rooms/1/goods")

    assert response.status_code == 200
    body = response.json()
    assert (body["room_id"], body["current_goods_id"]) == ("1", "1")
    assert [(goods["goods_id"], goods["status_label"]) for goods in body["goods"]] == [
        ("2", "off sale"),
        ("1", "on sale"),
    ]
    assert body["goods"][1] == GOODS_1


def test_goods_that_exists_is_answered_with_everything() -> None:
    make_goods_1(code=690, videos=["v.mp4"], detail=["d.svg"], ext_json={"title_zh": "马克杯"})

    response = buyer().get("/api/goods/1")

    assert response.status_code == 200
    assert response.json() == {
        **GOODS_1,
        "code": "690",
        "videos": ["v.mp4"],
        "detail": ["d.svg"],
        "ext_json": {"title_zh": "马克杯"},
    }


def test_goods_that_is_deleted_is_not_found() -> None:
    make_goods(1, is_deleted=True)

    assert error_of(buyer().get("/api/goods/1")) == (404, 30010001, "There is no product 1.")


@pytest.mark.parametrize("goods_id", ["0", "-1", "9223372036854775808", "1.5", "one", "00000000000000000001"])
def test_goods_id_out_of_range_is_no_address(goods_id: str) -> None:
    assert error_of(buyer().get(f"/api/goods/{goods_id}")) == (404, 10000003, "There is no such thing here.")


def test_staff_pins_a_product_and_unpins_it() -> None:
    make_goods(1)
    make_goods(2)
    make_room(1, goods_ids=[1, 2])

    put = staff().put("/api/rooms/1/current", {"goods_id": "2"})
    taken_off = staff().put("/api/rooms/1/current", {"goods_id": None})

    assert (put.status_code, put.json()["current_goods_id"]) == (200, "2")
    assert (taken_off.status_code, taken_off.json()["current_goods_id"]) == (200, None)
    assert Room.objects.get(room_id=1).current_goods_id is None


@pytest.mark.parametrize("caller", [buyer, service])
def test_pinning_is_for_staff_alone(caller) -> None:
    make_goods(1)
    make_room(1, goods_ids=[1])

    response = caller().put("/api/rooms/1/current", {"goods_id": "1"})

    assert error_of(response) == (403, 10000006, "Your role may not do this.")
    assert Room.objects.get(room_id=1).current_goods_id is None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"goods_id": "2"}, (409, 30010004, "Product 2 is not in the list of room 1.")),
        ({"goods_id": "3"}, (404, 30010001, "There is no product 3.")),
        ({}, (400, 10000001, "goods_id: This field is required.")),
        ({"goods_id": "1", "weight": 3}, (400, 10000001, "weight: is not a field of this request")),
    ],
)
def test_pinning_takes_only_goods_of_the_room(body: dict[str, str], error: tuple[int, int, str]) -> None:
    make_goods(1)
    make_goods(2)
    make_room(1, goods_ids=[1], current_goods_id=1)

    response = staff().put("/api/rooms/1/current", body)

    assert error_of(response) == error
    assert Room.objects.get(room_id=1).current_goods_id == 1
