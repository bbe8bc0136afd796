"""Idempotency: one key, one order, also from two sides."""

from dataclasses import replace

import pytest

from charites.common.errors import KeyReused
from goods.models import Goods
from lab.kit.factories import NOW, counts, make_capture, make_command, make_goods, make_order, make_payment, make_room
from lab.kit.interleaving import Background, Parked, await_lock_wait
from orders.models import Order
from orders.services import place_orders, record_captures
from orders.tests.placing.placed import place
from stock.errors import NotEnoughStock

pytestmark = pytest.mark.django_db


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


# Side by side


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
