"""When a product is for sale, and for how much: refusals that come from how things are by now."""

import pytest

from charites.common.errors import Invalid, KeyReused
from goods.errors import GoodsOffSale, SaleNotStarted, SaleOver
from goods.models import Goods
from lab.kit.factories import NOW, counts, later, make_command, make_goods
from orders.errors import PriceChanged
from orders.models import Order
from orders.queue import place_next
from orders.services import place_order, place_orders
from orders.tests.placing.placed import assert_nothing_happened, errors_of, place
from stock.errors import NotEnoughStock

pytestmark = pytest.mark.django_db(transaction=True)


def place_at(seconds: float):
    return place_order(command=make_command(), now=later(seconds))


def test_sale_begins_and_ends_at_its_times():
    make_goods(1, stock=5, sale_starts_at=later(0), sale_ends_at=later(60))

    with pytest.raises(SaleNotStarted) as early:
        place_at(-0.000001)
    with pytest.raises(SaleOver) as late:
        place_at(60)
    assert (early.value.code, early.value.details) == (30010002, {"goods_id": 1, "starts_at": "2026-06-01T12:00:00Z"})
    assert (late.value.code, late.value.details) == (30010003, {"goods_id": 1, "ended_at": "2026-06-01T12:01:00Z"})
    assert_nothing_happened()

    assert place_at(0).created
    assert place_at(59.999999).created


@pytest.mark.parametrize(("starts", "ends"), [(None, 60), (0, None)])
def test_sale_may_have_one_end_only(starts, ends):
    times = {"sale_starts_at": starts, "sale_ends_at": ends}
    make_goods(1, stock=5, **{name: None if at is None else later(at) for name, at in times.items()})

    assert place_at(1).created


def test_goods_off_sale_have_no_times():
    make_goods(1, stock=5, status=Goods.Status.OFF_SALE, sale_starts_at=later(60))

    with pytest.raises(GoodsOffSale):
        place()


def test_sold_out_goods_whose_sale_is_over_are_over():
    """Though "sold out" is remembered, and could be said at once."""
    make_goods(1, stock=1)
    place_next(command=make_command())
    with pytest.raises(NotEnoughStock):
        place_next(command=make_command(user_id=8))
    Goods.objects.update(sale_ends_at=NOW)

    assert errors_of(place_orders(commands=[make_command(user_id=9)], now=later(1))) == [SaleOver]


def test_amount_that_the_buyer_saw_is_the_amount_of_the_order():
    make_goods(1, stock=5, price=9950)
    make_goods(2, stock=5, price=100)

    placed = place({1: 2, 2: 3}, expected_amount=20_200)

    assert (placed.created, Order.objects.get().pay_amount) == (True, 20_200)


@pytest.mark.parametrize("expected", [20_199, 20_201, 1])
def test_other_amount_than_the_buyer_saw_is_refused_with_the_present_one(expected):
    make_goods(1, stock=5, price=10_100)

    with pytest.raises(PriceChanged) as refused:
        place({1: 2}, expected_amount=expected)

    assert (refused.value.code, refused.value.details) == (50010009, {"expected": expected, "amount": 20_200})
    assert_nothing_happened()


@pytest.mark.parametrize("expected", [0, -1, 2**63])
def test_expected_amount_that_is_none_is_invalid(expected):
    make_goods(1, stock=5)

    with pytest.raises(Invalid) as refused:
        place(expected_amount=expected)

    assert refused.value.details["field"] == "expected_amount"


def test_refusals_of_a_batch_look_up_their_keys_and_tell_an_order_from_a_misuse():
    make_goods(1, stock=5)
    make_goods(2, stock=5)
    first = place(idempotency_key="mine")
    Goods.objects.filter(goods_id=1).update(sale_ends_at=NOW)
    commands = [
        make_command(idempotency_key="mine"),
        make_command({1: 2}, idempotency_key="mine"),
        make_command(idempotency_key="new"),
        make_command(),
        make_command(user_id=8, idempotency_key="mine"),
        make_command({99: 1}, idempotency_key="mine"),
        make_command({2: 1}, idempotency_key="other"),
    ]

    placed = place_orders(commands=commands, now=NOW)

    assert errors_of(placed) == [type(None), KeyReused, SaleOver, SaleOver, SaleOver, KeyReused, type(None)]
    assert placed[0].order.order.order_id == first.order.order.order_id
    assert (counts(1), counts(2)) == ((4, 1, 0), (4, 1, 0))


def test_digest_of_a_command_without_an_expected_amount_is_that_of_versions_that_know_none():
    command = make_command(idempotency_key="k")

    assert command.digest() == "46c78f26d507597f5464f5862fb52a9f2cf67aff67ce5110964dd5836c8889f3"
    assert make_command(expected_amount=1).digest() != command.digest()
