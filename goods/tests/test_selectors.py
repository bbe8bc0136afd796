from collections.abc import Iterable

import pytest

from charites.common.pages import Cursor, Page
from goods.errors import GoodsNotFound, RoomNotFound
from goods.models import Room
from goods.selectors import (
    get_goods,
    get_room,
    get_room_goods,
    list_existing_rooms,
    list_goods,
    list_room_goods,
    page_rooms,
)
from goods.services import pin_goods
from lab.kit.factories import make_goods, make_room

pytestmark = pytest.mark.django_db


def test_get_goods_that_is_unknown_or_deleted_is_not_found():
    make_goods(1)
    make_goods(2, is_deleted=True)

    assert get_goods(goods_id=1).goods_id == 1
    for goods_id in (2, 404):
        with pytest.raises(GoodsNotFound):
            get_goods(goods_id=goods_id)


def test_list_goods_returns_those_that_exist_by_id(django_assert_num_queries):
    for goods_id in (3, 1, 2):
        make_goods(goods_id)

    with django_assert_num_queries(1):
        found = list_goods(goods_ids=[3, 404, 1])

    assert [goods.goods_id for goods in found] == [1, 3]


def test_list_existing_rooms_reads_those_that_are_named(django_assert_num_queries):
    for room_id in (3, 1, 2):
        make_room(room_id)
    make_room(4, is_deleted=True)
    make_room(5, status=Room.Status.OFF)

    with django_assert_num_queries(1):
        found = list_existing_rooms(room_ids=[5, 404, 4, 1])

    assert [room.room_id for room in found] == [1, 5]


def test_page_of_rooms_is_of_live_ones_unless_told_otherwise_and_without_deleted_ones():
    make_room(1, status=Room.Status.OFF)
    make_room(3)
    make_room(2)
    make_room(4, is_deleted=True)
    make_room(5, status=Room.Status.OFF, is_deleted=True)

    assert [room.room_id for room in page_rooms(Room.Status.LIVE, Cursor()).items] == [2, 3]
    assert [room.room_id for room in page_rooms(Room.Status.OFF, Cursor()).items] == [1]
    assert [room.room_id for room in page_rooms(None, Cursor()).items] == [1, 2, 3]


@pytest.mark.parametrize(
    ("cursor", "expected", "has_next", "has_previous"),
    [
        (Cursor(), range(1, 21), True, False),
        (Cursor(after=20, limit=3), range(21, 24), True, True),
        (Cursor(after=127), range(128, 131), False, True),
        (Cursor(after=130), (), False, True),
        (Cursor(limit=101), range(1, 101), True, False),
        (Cursor(before=24, limit=3), range(21, 24), True, True),
        (Cursor(before=4), range(1, 4), True, False),
        (Cursor(before=1), (), True, False),
    ],
)
def test_pages_of_rooms_follow_one_another(
    cursor: Cursor, expected: Iterable[int], has_next: bool, has_previous: bool
) -> None:
    Room.objects.bulk_create(Room(room_id=n, title="Room", status=Room.Status.LIVE) for n in range(1, 131))

    page = page_rooms(Room.Status.LIVE, cursor)

    assert [room.room_id for room in page.items] == [*expected]
    assert (page.next is not None, page.previous is not None) == (has_next, has_previous)


@pytest.mark.parametrize(
    ("cursor", "beside"), [(Cursor(after=9, limit=3), range(7, 10)), (Cursor(before=1, limit=3), range(1, 4))]
)
def test_empty_page_behind_a_cursor_leads_back_to_the_rooms_that_are_there(
    cursor: Cursor, beside: Iterable[int]
) -> None:
    Room.objects.bulk_create(Room(room_id=n, title="Room", status=Room.Status.LIVE) for n in range(1, 10))

    empty = page_rooms(Room.Status.LIVE, cursor)
    turn = empty.next or empty.previous

    assert empty.items == []
    assert turn is not None
    back = page_rooms(Room.Status.LIVE, Cursor(**{turn.way: turn.number}, limit=3))
    assert [room.room_id for room in back.items] == [*beside]


def test_empty_list_has_no_pages_beside_it() -> None:
    assert page_rooms(Room.Status.LIVE, Cursor()) == Page([], None, None)


def test_get_room_that_is_unknown_or_deleted_is_not_found():
    make_room(1, is_deleted=True)

    for room_id in (1, 404):
        with pytest.raises(RoomNotFound):
            get_room(room_id=room_id)


def test_room_goods_come_with_the_pinned_one():
    make_goods(1)
    make_goods(2)
    make_room(1, goods_ids=[2, 1])
    pin_goods(room_id=1, goods_id=1)

    found = get_room_goods(room_id=1)

    assert (found.room_id, found.current_goods_id) == (1, 1)
    assert [goods.goods_id for goods in found.goods] == [2, 1]


def test_list_room_goods_takes_two_queries_whatever_there_is(django_assert_num_queries):
    for goods_id in range(1, 11):
        make_goods(goods_id)
    make_room(1, goods_ids=range(1, 11))

    with django_assert_num_queries(2):
        assert len(list_room_goods(room_id=1)) == 10
