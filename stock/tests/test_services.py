"""Stock of an order: reserved, confirmed, rolled back, deducted."""

import pytest

from charites.common.errors import Invalid
from charites.common.models import MAX_INT64
from lab.kit.factories import counts, make_stock
from lab.kit.stock_steps import confirm_stock, deduct_stock, reserve_stock, roll_back_stock
from stock.errors import NotEnoughStock, StockNotFound, StockRolledBack
from stock.selectors import get_stock, list_records

pytestmark = pytest.mark.django_db


def test_reserve_confirm_of_an_order_moves_its_pieces_to_sold():
    make_stock(1, 5)

    reserve_stock(order_id=10, quantities={1: 2})
    confirm_stock(order_id=10)

    assert counts(1) == (3, 0, 2)


def test_reserve_of_too_many_names_the_goods_and_both_numbers():
    make_stock(1, 5)

    with pytest.raises(NotEnoughStock) as caught:
        reserve_stock(order_id=10, quantities={1: 6})

    assert caught.value.details == {"goods_id": 1, "requested": 6, "available": 5}


def test_reserve_after_its_roll_back_is_refused():
    make_stock(1, 5)
    roll_back_stock(order_id=10, goods_ids=[1])

    with pytest.raises(StockRolledBack):
        reserve_stock(order_id=10, quantities={1: 2})

    assert counts(1) == (5, 0, 0)


def test_deduct_without_stock_raises_and_leaves_no_receipt():
    make_stock(1, 1)

    with pytest.raises(NotEnoughStock):
        deduct_stock(goods_id=1, quantity=2)
    with pytest.raises(StockNotFound):
        deduct_stock(goods_id=2, quantity=2)

    assert counts(1) == (1, 0, 0)


def test_deduct_twice_deducts_twice():
    make_stock(1, 5)

    first = deduct_stock(goods_id=1, quantity=2)
    second = deduct_stock(goods_id=1, quantity=2)

    assert first.number != second.number
    assert (first.available, second.available, counts(1)) == (3, 1, (1, 0, 4))


@pytest.mark.parametrize("order_id", [0, -1, MAX_INT64 + 1])
def test_order_ids_out_of_range_are_invalid(order_id):
    with pytest.raises(Invalid, match="order_id"):
        reserve_stock(order_id=order_id, quantities={1: 1})
    with pytest.raises(Invalid, match="order_id"):
        confirm_stock(order_id=order_id)
    with pytest.raises(Invalid, match="order_id"):
        roll_back_stock(order_id=order_id, goods_ids=[1])


@pytest.mark.parametrize(
    ("quantities", "field"),
    [
        ({}, "items"),
        (dict.fromkeys(range(1, 102), 1), "items"),
        ({0: 1}, "goods_id"),
        ({MAX_INT64 + 1: 1}, "goods_id"),
        ({1: 0}, "quantity"),
        ({1: -1}, "quantity"),
        ({1: MAX_INT64 + 1}, "quantity"),
    ],
)
def test_quantities_out_of_range_are_invalid(quantities, field):
    with pytest.raises(Invalid, match=field):
        reserve_stock(order_id=10, quantities=quantities)


def test_roll_back_naming_an_impossible_goods_is_invalid():
    with pytest.raises(Invalid, match="goods_id"):
        roll_back_stock(order_id=10, goods_ids=[0])

    assert list_records(order_ids=[10]) == []


def test_get_of_unknown_goods_raises_stock_not_found():
    with pytest.raises(StockNotFound):
        get_stock(goods_id=404)
