from dataclasses import replace

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from charites.common import ids
from charites.common.errors import Busy, Invalid, KeyReused, OutcomeUnknown
from charites.common.models import MAX_INT64
from goods.errors import GoodsNotFound, GoodsOffSale, RoomNotFound
from goods.models import Goods, Room
from lab.kit.factories import (
    NOW,
    counts,
    later,
    make_capture,
    make_command,
    make_goods,
    make_order,
    make_payment,
    make_room,
    make_stock,
)
from lab.kit.interleaving import Background, Interruption, LostCommit, Parked, await_lock_wait
from messaging import wakeups
from messaging.models import Message
from orders.errors import OrderFailed
from orders.models import Order, OrderDetail
from orders.services import TIMEOUT_TASK, place_order, place_orders, record_captures
from orders.services import placing as placing_module
from stock.errors import NotEnoughStock, StockBusy, StockNotFound
from stock.models import StockRecord

pytestmark = pytest.mark.django_db


def place(quantities=None, **changes):
    return place_order(command=make_command(quantities, **changes), now=NOW)


# What is written


def test_place_stores_order_lines_record_and_stock(settings):
    settings.ORDER_PAY_TIMEOUT_SECONDS = 600
    make_goods(1, stock=5, price=9950)
    make_goods(2, stock=5, price=100)

    placed = place({1: 2, 2: 3})

    order = Order.objects.get()
    assert placed.created
    assert placed.order.order.order_id == order.order_id
    assert (order.user_id, order.status, order.pay_amount) == (7, Order.Status.UNPAID, 20200)
    assert (order.expires_at, order.created_at) == (later(600), NOW)
    assert (order.receive_address, order.receive_name, order.receive_phone) == (
        "1 Harbour Road",
        "Li Lei",
        "13800000000",
    )
    assert (order.idempotency_key, order.closed_by, order.trade_id, order.pay_time) == (None, "", "", None)
    lines = OrderDetail.objects.order_by("goods_id").values_list("order_id", "goods_id", "price", "num", "pay_amount")
    assert list(lines) == [(order.order_id, 1, 9950, 2, 19900), (order.order_id, 2, 100, 3, 300)]
    assert (counts(1), counts(2)) == ((3, 2, 0), (2, 3, 0))
    records = StockRecord.objects.order_by("goods_id").values_list("order_id", "goods_id", "num", "status")
    assert list(records) == [(order.order_id, 1, 2, 1), (order.order_id, 2, 3, 1)]


def test_place_puts_no_message_on_the_hot_path():
    make_goods(1, stock=5)

    place()

    assert not Message.objects.exists()


def test_place_returns_what_the_database_holds():
    make_goods(1, stock=5)
    make_room(3, goods_ids=[1])

    placed = place({1: 2}, room_id=3)

    stored = Order.objects.get()
    for name in ("order_id", "user_id", "room_id", "status", "closed_by", "expires_at", "pay_amount", "created_at"):
        assert getattr(placed.order.order, name) == getattr(stored, name), name
    assert [(line.goods_id, line.num, line.price) for line in placed.order.lines] == [(1, 2, 9950)]


def test_place_keeps_the_goods_as_they_were_sold():
    make_goods(1, stock=5, title="Mug", price=100, head_imgs=["/a.svg"], detail=["/d.svg"], brief="A mug")
    order = make_order({1: 2})

    Goods.objects.update(title="Other", price=999, head_imgs=[], brief="")

    line = OrderDetail.objects.get(order_id=order.order_id)
    assert (line.title, line.price, line.pay_amount, line.head_imgs, line.detail, line.brief) == (
        "Mug",
        100,
        200,
        ["/a.svg"],
        ["/d.svg"],
        "A mug",
    )
    order.refresh_from_db()
    assert order.pay_amount == 200


def test_place_gives_every_order_a_number_of_its_own():
    make_goods(1, stock=50)

    placed = place_orders(commands=[make_command() for _ in range(20)], now=NOW)

    numbers = [result.order.order.order_id for result in placed]
    assert len(set(numbers)) == 20
    assert numbers == sorted(numbers)


def test_place_of_twenty_sends_no_more_statements_than_of_two():
    make_goods(1, stock=500)
    place()

    def statements(number: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            place_orders(commands=[make_command() for _ in range(number)], now=NOW)
        return len(captured)

    assert statements(20) == statements(2)


# What is refused


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"user_id": 0}, "user_id"),
        ({"user_id": -1}, "user_id"),
        ({"user_id": MAX_INT64 + 1}, "user_id"),
        ({"address": " "}, "address"),
        ({"address": "x" * 256}, "address"),
        ({"address": "\ud800"}, "address"),
        ({"address": "a\x00b"}, "address"),
        ({"name": ""}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"phone": ""}, "phone"),
        ({"phone": "1" * 33}, "phone"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": " k"}, "idempotency_key"),
        ({"idempotency_key": "k" * 65}, "idempotency_key"),
        ({"idempotency_key": "é"}, "idempotency_key"),
        ({"idempotency_key": "a\nb"}, "idempotency_key"),
        ({"quantities": {}}, "items"),
        ({"quantities": dict.fromkeys(range(1, 102), 1)}, "items"),
        ({"quantities": {0: 1}}, "goods_id"),
        ({"quantities": {-1: 1}}, "goods_id"),
        ({"quantities": {MAX_INT64 + 1: 1}}, "goods_id"),
        ({"quantities": {1: 0}}, "quantity"),
        ({"quantities": {1: -1}}, "quantity"),
        ({"quantities": {1: MAX_INT64 + 1}}, "quantity"),
        ({"quantities": {1: MAX_INT64}}, "quantity"),  # the amount would not fit
    ],
)
def test_place_with_wrong_input_is_invalid_and_writes_nothing(changes, field):
    make_goods(1, stock=5)

    with pytest.raises(Invalid) as caught:
        place(**changes)

    assert caught.value.details["field"] == field
    assert_nothing_happened()


def test_place_of_unknown_deleted_or_off_sale_goods_is_refused():
    make_goods(1, stock=5)
    make_goods(2, stock=5, is_deleted=True)
    make_goods(3, stock=5, status=Goods.Status.OFF_SALE)

    with pytest.raises(GoodsNotFound):
        place({1: 1, 404: 1})
    with pytest.raises(GoodsNotFound):
        place({1: 1, 2: 1})
    with pytest.raises(GoodsOffSale):
        place({1: 1, 3: 1})

    assert_nothing_happened()


def test_place_in_an_unknown_or_deleted_room_is_refused():
    make_goods(1, stock=5)
    make_room(2, is_deleted=True)

    with pytest.raises(RoomNotFound):
        place(room_id=404)
    with pytest.raises(RoomNotFound):
        place(room_id=2)

    assert_nothing_happened()


def test_place_reads_the_rooms_that_are_named_and_no_others():
    make_goods(1, stock=5)
    Room.objects.bulk_create(Room(room_id=room_id, title="Room") for room_id in range(1, 501))
    read = []

    def note(instance, **_):
        read.append(instance.room_id)

    post_init.connect(note, sender=Room)
    try:
        placed = place_orders(commands=[make_command(room_id=room_id) for room_id in (7, 404, 7, 501)], now=NOW)
        place()
    finally:
        post_init.disconnect(note, sender=Room)

    assert errors_of(placed) == [type(None), type(None), type(None), RoomNotFound]
    assert sorted(read) == [7, 404]


def test_place_of_more_than_there_is_names_goods_and_both_numbers():
    make_goods(1, stock=5)

    with pytest.raises(NotEnoughStock) as caught:
        place({1: 6})

    assert caught.value.details == {"goods_id": 1, "requested": 6, "available": 5}
    assert_nothing_happened()


def test_place_of_goods_that_never_had_stock_is_refused():
    make_goods(1)

    with pytest.raises(StockNotFound):
        place()

    assert not Order.objects.exists()


def test_place_takes_all_goods_or_none():
    make_goods(1, stock=5)
    make_goods(2, stock=0)

    with pytest.raises(NotEnoughStock):
        place({1: 1, 2: 1})

    assert_nothing_happened()


def test_place_of_a_hundred_lines_is_accepted():
    for goods_id in range(1, 101):
        make_goods(goods_id, price=1)
        make_stock(goods_id, 1)

    place(dict.fromkeys(range(1, 101), 1))

    assert OrderDetail.objects.count() == 100


def test_place_of_many_refuses_only_the_wrong_ones():
    make_goods(1, stock=3)
    commands = [
        make_command(),
        make_command(phone=""),
        make_command({404: 1}),
        make_command({1: 3}),
        make_command({1: 2}),
    ]

    placed = place_orders(commands=commands, now=NOW)

    assert [type(result.error) for result in placed] == [
        type(None),
        Invalid,
        GoodsNotFound,
        NotEnoughStock,
        type(None),
    ]
    assert counts(1) == (0, 3, 0)
    assert Order.objects.count() == 2


def assert_nothing_happened() -> None:
    assert not Order.objects.exists()
    assert not OrderDetail.objects.exists()
    assert not StockRecord.objects.exists()
    assert counts(1) == (5, 0, 0)


# Idempotency


def test_place_again_with_the_key_returns_the_same_order():
    make_goods(1, stock=5)
    first = place({1: 2}, idempotency_key="k")

    again = place({1: 2}, idempotency_key="k")

    assert (first.created, again.created) == (True, False)
    assert again.order.order.order_id == first.order.order.order_id
    assert [line.num for line in again.order.lines] == [2]
    assert counts(1) == (3, 2, 0)


def test_place_again_with_the_key_returns_the_order_in_its_present_state():
    make_goods(1, stock=5)
    order = make_order({1: 2}, idempotency_key="k")
    record_captures(captures=[make_capture(make_payment(order))])

    again = place({1: 2}, idempotency_key="k")

    assert again.order.order.status == Order.Status.PAID


def test_place_again_with_the_key_when_goods_changed_returns_the_same_order():
    make_goods(1, stock=2)
    order = make_order({1: 2}, idempotency_key="k")
    Goods.objects.update(price=1)

    again = place({1: 2}, idempotency_key="k")

    assert (again.order.order.order_id, again.order.order.pay_amount) == (order.order_id, 19900)


@pytest.mark.parametrize(
    "change",
    [{"quantities": {1: 3}}, {"address": "elsewhere"}, {"name": "Han Meimei"}, {"phone": "1"}, {"room_id": 1}],
)
def test_place_with_the_key_of_another_request_is_refused(change):
    make_goods(1, stock=9)
    make_room(1, goods_ids=[1])
    place({1: 2}, idempotency_key="k")

    with pytest.raises(KeyReused):
        place(**{"quantities": {1: 2}, "idempotency_key": "k", **change})

    assert counts(1) == (7, 2, 0)


def test_place_with_the_key_of_another_user_is_another_order():
    make_goods(1, stock=5)

    first = place(idempotency_key="k", user_id=7)
    second = place(idempotency_key="k", user_id=8)

    assert second.created
    assert first.order.order.order_id != second.order.order.order_id


def test_place_with_keys_that_differ_in_case_only_makes_two_orders():
    make_goods(1, stock=5)

    assert place(idempotency_key="Key").created
    assert place(idempotency_key="key").created


def test_place_that_was_refused_does_not_bind_its_key():
    make_goods(1, stock=1)
    with pytest.raises(NotEnoughStock):
        place({1: 2}, idempotency_key="k")

    assert place({1: 1}, idempotency_key="k").created


def test_place_with_one_key_twice_in_one_batch_makes_one_order():
    make_goods(1, stock=5)
    same, other = make_command(idempotency_key="k"), make_command({1: 2}, idempotency_key="k")

    placed = place_orders(commands=[same, same, other], now=NOW)

    assert [result.created for result in placed] == [True, False, False]
    assert placed[0].order.order.order_id == placed[1].order.order.order_id
    assert isinstance(placed[2].error, KeyReused)
    assert counts(1) == (4, 1, 0)


def test_digest_does_not_depend_on_the_order_of_the_lines():
    command = make_command({1: 2, 2: 1})

    assert command.digest() == make_command({2: 1, 1: 2}).digest()
    assert command.digest() == replace(command, idempotency_key="k").digest()
    assert command.digest() != replace(command, user_id=8).digest()


# When something goes wrong


@pytest.mark.django_db(transaction=True)
def test_place_whose_commit_is_lost_but_happened_returns_the_order():
    make_goods(1, stock=5)

    with LostCommit(carried_out=True, error=OperationalError(2013, "Lost connection")):
        placed = place(idempotency_key="k")

    assert placed.order.order.order_id == Order.objects.get().order_id
    assert counts(1) == (4, 1, 0)
    assert not place(idempotency_key="k").created


@pytest.mark.django_db(transaction=True)
def test_place_whose_commit_did_not_happen_is_busy_and_can_be_repeated():
    make_goods(1, stock=5)

    with (
        LostCommit(carried_out=False, error=OperationalError(2013, "Lost connection")),
        pytest.raises(StockBusy),
    ):
        place(idempotency_key="k")

    assert_nothing_happened()
    assert place(idempotency_key="k").created


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("carried_out", [True, False])
def test_place_that_nothing_can_resolve_is_unknown_and_the_key_says_which_later(settings, carried_out):
    settings.TRANSACTION_TRIES = 2
    make_goods(1, stock=5)

    with (
        LostCommit(carried_out=carried_out, error=OperationalError(2013, "Lost connection"), times=99),
        pytest.raises(OutcomeUnknown),
    ):
        place(idempotency_key="k")

    assert place(idempotency_key="k").created is not carried_out
    assert counts(1) == (4, 1, 0)


def test_place_after_a_deadlock_stores_one_order():
    make_goods(1, stock=5)

    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="UPDATE shopping_stock ", times=2)
    with connection.execute_wrapper(deadlock):
        place()

    assert Order.objects.count() == OrderDetail.objects.count() == 1
    assert counts(1) == (4, 1, 0)


def test_place_under_a_number_that_exists_takes_another_number(monkeypatch):
    make_goods(1, stock=5)
    taken = make_order().order_id
    real = placing_module.next_ids
    handed_out = iter([[taken]])
    monkeypatch.setattr(placing_module, "next_ids", lambda count: next(handed_out, None) or real(count))

    placed = place()

    assert placed.order.order.order_id != taken
    assert counts(1) == (3, 2, 0)


def test_place_that_finds_no_free_number_fails_and_the_log_says_why(monkeypatch, caplog):
    make_goods(1, stock=5)
    taken = make_order().order_id
    monkeypatch.setattr(placing_module, "next_ids", lambda count: [taken] * count)

    with pytest.raises(OrderFailed):
        place()

    assert counts(1) == (4, 1, 0)
    assert "IntegrityError" in caplog.text


@pytest.fixture
def no_numbers(settings):
    """No node is free: whoever needs new order numbers is busy."""
    settings.NODE_FIRST, settings.NODE_LAST = 5, 4
    ids._snowflake.forget()
    yield
    ids._snowflake.forget()


def wake_ups() -> list[tuple[str, int]]:
    return [(task, slot) for task, slot in wakeups._wakeups._asked if task == TIMEOUT_TASK]


def errors_of(placed) -> list[type]:
    return [type(result.error) for result in placed]


def test_place_without_numbers_is_busy_for_every_command(no_numbers):
    make_goods(1, stock=5)

    placed = place_orders(commands=[make_command(), make_command(phone=""), make_command()], now=NOW)

    assert errors_of(placed) == [Busy, Invalid, Busy]
    assert_nothing_happened()


@pytest.mark.parametrize("away", ["charites_node", "shopping_goods ", "shopping_room "])
@pytest.mark.parametrize("error", [OperationalError(2006, "gone"), InterfaceError(0, "closed")])
def test_place_while_the_database_is_away_is_busy_for_every_command(away, error):
    make_goods(1, stock=5)
    make_room(3)
    ids._snowflake.forget()

    with connection.execute_wrapper(Interruption(error, at=f"(FROM|UPDATE) {away}", times=99)):
        placed = place_orders(commands=[make_command(room_id=3), make_command(room_id=3)], now=NOW)

    assert errors_of(placed) == [Busy, Busy]
    assert_nothing_happened()
    assert errors_of(place_orders(commands=[make_command(room_id=3)], now=NOW)) == [type(None)]


def test_place_keeps_what_was_placed_when_numbers_run_out_afterwards(monkeypatch, no_numbers):
    make_goods(1, stock=5)
    taken = 11
    Order.objects.create(order_id=taken, user_id=8, pay_amount=1, expires_at=NOW)
    real = placing_module.next_ids
    handed_out = iter([[taken, 12, 13]])
    monkeypatch.setattr(placing_module, "next_ids", lambda count: next(handed_out, None) or real(count))
    now = timezone.now()
    known = wake_ups()

    placed = place_orders(commands=[make_command(), make_command({1: 9}), make_command()], now=now)

    assert errors_of(placed) == [Busy, NotEnoughStock, type(None)]
    assert placed[2].created
    assert placed[2].order.order.order_id == Order.objects.exclude(order_id=taken).get().order_id
    assert counts(1) == (4, 1, 0)
    assert len(wake_ups()) == len(known) + 1


def test_place_again_whose_order_cannot_be_read_is_busy_and_the_others_are_placed():
    make_goods(1, stock=5)
    place(idempotency_key="k")
    commands = [make_command(), make_command(idempotency_key="k")]

    gone = Interruption(OperationalError(2006, "gone"), at="FROM shopping_order_detail ")
    with connection.execute_wrapper(gone):
        placed = place_orders(commands=commands, now=NOW)

    assert errors_of(placed) == [type(None), Busy]
    assert gone.seen == 1
    assert counts(1) == (3, 2, 0)


def test_place_beside_a_duplicate_of_another_batch_returns_the_stored_one():
    make_goods(1, stock=5)
    stored = make_order(idempotency_key="k")

    placed = place_orders(commands=[make_command(), make_command(idempotency_key="k")], now=NOW)

    assert [result.created for result in placed] == [True, False]
    assert placed[1].order.order.order_id == stored.order_id


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_place_with_one_key_from_two_sides_makes_one_order():
    make_goods(1, stock=5)

    with (
        Parked(lambda: place(idempotency_key="k"), at="INSERT INTO shopping_order ", after=True) as first,
        Background(lambda: place(idempotency_key="k")) as second,
    ):
        await_lock_wait()
        made, found = first.go(), second.result()

    assert (made.created, found.created) == (True, False)
    assert made.order.order.order_id == found.order.order.order_id
    assert counts(1) == (4, 1, 0)


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_place_with_one_key_for_two_requests_from_two_sides_refuses_the_second():
    make_goods(1, stock=5)

    with (
        Parked(lambda: place(idempotency_key="k"), at="INSERT INTO shopping_order ", after=True) as first,
        Background(lambda: place({1: 2}, idempotency_key="k")) as second,
    ):
        await_lock_wait()
        first.go()
        with pytest.raises(KeyReused):
            second.result()

    assert counts(1) == (4, 1, 0)
