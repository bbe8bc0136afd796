import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from charites.common.errors import Invalid
from goods.errors import GoodsNotFound, GoodsNotInRoom, RoomNotFound
from goods.models import Goods, Room, RoomGoods
from goods.selectors import get_room, list_room_goods
from goods.services import (
    Entry,
    NewValues,
    add_goods,
    add_room,
    add_room_goods,
    change_goods,
    change_room,
    pin_goods,
    remove_room_goods,
    set_goods_status,
    store_goods,
    unpin_goods,
)
from lab.kit.factories import make_goods, make_room
from lab.kit.interleaving import Background, Parked, await_lock_wait

pytestmark = pytest.mark.django_db


@pytest.fixture
def room() -> Room:
    """Room 1 with the goods 1 and 2, first 1; product 3 is in no list."""
    for goods_id in (1, 2, 3):
        make_goods(goods_id)
    return make_room(1, goods_ids=[1, 2])


def listed(room_id: int = 1) -> list[int]:
    return [goods.goods_id for goods in list_room_goods(room_id=room_id)]


def current(room_id: int = 1) -> int | None:
    return get_room(room_id=room_id).current_goods_id


# What is pinned


def test_pin_goods_makes_it_the_current_goods(room):
    assert pin_goods(room_id=1, goods_id=2).current_goods_id == 2

    assert current() == 2


def test_pin_goods_replaces_the_one_before(room):
    pin_goods(room_id=1, goods_id=2)
    pin_goods(room_id=1, goods_id=1)

    assert current() == 1


def test_unpin_goods_leaves_another_one_that_is_pinned(room):
    pin_goods(room_id=1, goods_id=2)

    assert not unpin_goods(room_id=1, goods_id=1)
    assert current() == 2

    assert [unpin_goods(room_id=1, goods_id=2) for _ in range(2)] == [True, False]
    assert current() is None


def test_pin_goods_of_none_unpins(room):
    pin_goods(room_id=1, goods_id=2)
    pin_goods(room_id=1, goods_id=None)

    assert current() is None


def test_pin_goods_of_what_is_not_in_the_list_is_refused(room):
    RoomGoods.objects.filter(goods_id=2).update(is_deleted=True)

    with pytest.raises(GoodsNotInRoom):
        pin_goods(room_id=1, goods_id=3)
    with pytest.raises(GoodsNotInRoom):
        pin_goods(room_id=1, goods_id=2)

    assert current() is None


def test_pin_goods_of_unknown_or_deleted_goods_is_refused(room):
    Goods.objects.filter(goods_id=2).update(is_deleted=True)

    for goods_id in (2, 404):
        with pytest.raises(GoodsNotFound):
            pin_goods(room_id=1, goods_id=goods_id)


def test_pin_goods_of_an_unknown_or_deleted_room_is_refused(room):
    make_room(2, is_deleted=True)

    for room_id in (2, 404):
        with pytest.raises(RoomNotFound):
            pin_goods(room_id=room_id, goods_id=1)


# The list


def test_list_is_by_weight_and_then_by_goods_id(room):
    add_room_goods(room_id=1, entries=[Entry(3, weight=1000)], actor="staff")
    assert listed() == [3, 1, 2]

    add_room_goods(room_id=1, entries=[Entry(goods_id, weight=5) for goods_id in (3, 2, 1)], actor="staff")
    assert listed() == [1, 2, 3]


def test_list_shows_off_sale_goods_and_leaves_out_deleted_ones(room):
    set_goods_status(goods_ids=[1], status=Goods.Status.OFF_SALE, actor="staff")
    Goods.objects.filter(goods_id=2).update(is_deleted=True)

    assert listed() == [1]


def test_add_again_changes_the_weight_and_adds_no_row(room):
    add_room_goods(room_id=1, entries=[Entry(2, weight=999)], actor="staff")

    assert listed() == [2, 1]
    assert RoomGoods.objects.filter(goods_id=2).count() == 1


def test_add_after_removal_revives_the_row(room):
    row = RoomGoods.objects.get(goods_id=1)
    remove_room_goods(room_id=1, goods_ids=[1], actor="staff")
    assert listed() == [2]

    add_room_goods(room_id=1, entries=[Entry(1, weight=7)], actor="second")

    revived = RoomGoods.objects.get(goods_id=1)
    assert (revived.pk, revived.weight, revived.is_deleted, revived.updated_by) == (row.pk, 7, False, "second")


def test_add_of_unknown_goods_adds_nothing(room):
    with pytest.raises(GoodsNotFound):
        add_room_goods(room_id=1, entries=[Entry(3), Entry(404)], actor="staff")

    assert listed() == [1, 2]


def test_change_of_a_room_that_moves_what_is_not_in_its_list_changes_nothing(room):
    before = dict(RoomGoods.objects.values_list("goods_id", "weight"))

    with pytest.raises(GoodsNotInRoom):
        change_room(room_id=1, values={"title": "Evening"}, moved={1: 7, 3: 8}, actor="staff")

    assert get_room(room_id=1).title == "Room 1"
    assert dict(RoomGoods.objects.values_list("goods_id", "weight")) == before


def test_remove_unpins_the_goods(room):
    pin_goods(room_id=1, goods_id=2)

    remove_room_goods(room_id=1, goods_ids=[2], actor="staff")

    assert (listed(), current()) == ([1], None)


def test_remove_of_another_product_leaves_the_pinned_one_alone(room):
    pin_goods(room_id=1, goods_id=2)

    assert [remove_room_goods(room_id=1, goods_ids=[1, 404], actor="staff") for _ in range(2)] == [[1], []]

    assert (listed(), current()) == ([2], 2)


def test_remove_from_one_room_leaves_the_other_alone(room):
    make_room(2, goods_ids=[1, 2])

    remove_room_goods(room_id=1, goods_ids=[1], actor="staff")

    assert (listed(1), listed(2)) == ([2], [1, 2])


def test_set_goods_status_tells_those_that_changed(room):
    assert set_goods_status(goods_ids=[1, 2, 404], status=Goods.Status.OFF_SALE, actor="staff") == [1, 2]
    assert set_goods_status(goods_ids=[1, 2], status=Goods.Status.OFF_SALE, actor="staff") == []

    goods = Goods.objects.get(goods_id=1)
    assert (goods.status, goods.updated_by, goods.version) == (Goods.Status.OFF_SALE, "staff", 1)


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_removal_and_pinning_at_once_never_leave_a_removed_product_pinned(room):
    def remove() -> None:
        remove_room_goods(room_id=1, goods_ids=[2], actor="staff")

    with (
        Parked(remove, at="UPDATE shopping_room_goods ", after=True) as removing,
        Background(lambda: pin_goods(room_id=1, goods_id=2)) as pinning,
    ):
        await_lock_wait()
        removing.go()
        with pytest.raises(GoodsNotInRoom):
            pinning.result()

    assert (listed(), current()) == ([1], None)


# What is typed


def test_texts_that_cannot_be_are_refused_all_at_once_and_nothing_is_written(room):
    with pytest.raises(Invalid) as caught:
        change_goods(goods_id=1, values={"title": "a\u202e", "brief": "\x07", "brand_name": "Li"}, actor="staff")
    with pytest.raises(Invalid, match="host_name: holds nothing that can be seen"):
        change_room(room_id=1, values={"host_name": "\u200b"})

    assert caught.value.details["fields"] == "title, brief"
    assert Goods.objects.filter(brand_name="Li").count() == 0


@pytest.mark.parametrize("links", [["javascript:alert(1)"], ["/a.webp", ""], [1], {}, None, "/a.webp"])
def test_addresses_that_are_none_are_refused_at_every_door(room, links):
    new = Goods(goods_id=9, title="Tea", price=1, videos=links)
    changed = NewValues(1, 0, {"head_imgs": links})

    with pytest.raises(Invalid, match="head_imgs: "):
        change_goods(goods_id=1, values={"head_imgs": links}, actor="staff")
    with pytest.raises(Invalid, match="head_imgs: "):
        store_goods(added=[], changed=[changed], actor="staff")
    with pytest.raises(Invalid, match="videos: "):
        store_goods(added=[new], changed=[], actor="staff")
    with pytest.raises(Invalid, match="videos: "):
        add_goods(goods=new, actor="staff")

    assert (Goods.objects.get(goods_id=1).head_imgs, Goods.objects.count()) == ([], 3)


def test_cover_that_is_no_address_and_further_data_that_are_no_object_are_refused(room):
    with pytest.raises(Invalid, match="cover: holds “//evil.example/x”"):
        change_room(room_id=1, values={"cover": "//evil.example/x"})
    with pytest.raises(Invalid, match="cover: "):
        add_room(room=Room(room_id=9, title="Evening", cover="a.svg"))
    with pytest.raises(Invalid, match="ext_json: must be a JSON object"):
        change_goods(goods_id=1, values={"ext_json": []}, actor="staff")


def test_texts_are_kept_tidy_and_may_be_empty_where_the_column_may(room):
    change_goods(goods_id=1, values={"title": " Cafe\u0301 ", "brief": "", "detail": ["1\n2"]}, actor="staff")

    goods = Goods.objects.get(goods_id=1)
    assert (goods.title, goods.brief, goods.detail) == ("Café", "", ["1\n2"])


def test_added_picture_comes_behind_what_is_given_or_what_there_is() -> None:
    make_goods(1, head_imgs=["/a.webp"])

    change_goods(goods_id=1, values={"title": "Tea"}, added_picture="/b.webp", actor="staff")
    assert Goods.objects.get().head_imgs == ["/a.webp", "/b.webp"]

    change_goods(goods_id=1, values={"head_imgs": ["/c.webp"]}, added_picture="/d.webp", actor="staff")
    assert Goods.objects.get().head_imgs == ["/c.webp", "/d.webp"]

    with pytest.raises(GoodsNotFound):
        change_goods(goods_id=2, values={}, added_picture="/e.webp", actor="staff")


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_pictures_that_are_added_at_once_are_all_there() -> None:
    make_goods(1)

    def add(address: str) -> None:
        change_goods(goods_id=1, values={}, added_picture=address, actor="staff")

    with Parked(lambda: add("/a.webp"), at="FOR UPDATE", after=True) as first, Background(lambda: add("/b.webp")):
        await_lock_wait()
        first.go()

    assert Goods.objects.get().head_imgs == ["/a.webp", "/b.webp"]


def test_store_goods_writes_columns_of_many_products_in_one_statement() -> None:
    pictures = {1: ["/a.webp"], 2: ["/b.webp"], 3: ["/c.webp"]}
    for goods_id, addresses in pictures.items():
        make_goods(goods_id, price=100 * goods_id, head_imgs=addresses)
    versions = dict(Goods.objects.values_list("goods_id", "version"))
    values = {1: {"price": 990}, 2: {"title": "Cup", "head_imgs": ["/new.webp", "/"]}, 3: {"brief": ""}}
    changed = [NewValues(goods_id, versions[goods_id], new) for goods_id, new in values.items()]

    with CaptureQueriesContext(connection) as sent:
        assert store_goods(added=[], changed=changed, actor="staff:7") == []

    assert [query["sql"].split()[0] for query in sent if "shopping_goods" in query["sql"]].count("UPDATE") == 1
    stored = {goods.goods_id: goods for goods in Goods.objects.all()}
    assert [stored[number].price for number in (1, 2, 3)] == [990, 200, 300]
    assert [stored[number].head_imgs for number in (1, 2, 3)] == [["/a.webp"], ["/new.webp", "/"], ["/c.webp"]]
    assert (stored[2].title, stored[3].brief) == ("Cup", "")
    assert {goods.version - versions[goods.goods_id] for goods in stored.values()} == {1}
    assert {goods.updated_by for goods in stored.values()} == {"staff:7"}
