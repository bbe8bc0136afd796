"""Stock that staff adjust or set."""

from dataclasses import replace

import pytest

from charites.common.errors import Invalid, KeyReused
from charites.common.models import MAX_INT64
from charites.common.transactions import Undone, outermost
from lab.kit.factories import counts, make_stock
from lab.kit.stock_steps import reserve_stock
from stock.errors import NotEnoughStock, StockChanged
from stock.models import Stock, StockAdjustment
from stock.selectors import list_adjustments
from stock.services import Adjustment, adjust_stock
from stock.services.adjusting import find_adjustments
from stock.tests.adjusting import adjust, deltas

pytestmark = pytest.mark.django_db


def test_adjust_the_first_time_makes_the_stock_row():
    stock = adjust(5)

    assert (stock.goods_id, stock.available, stock.reserved, stock.sold, stock.version) == (1, 5, 0, 0, 1)
    (adjustment,) = list_adjustments(goods_id=1)
    assert (adjustment.delta, adjustment.reason, adjustment.actor) == (5, "count", "staff:1")
    assert str(adjustment.idempotency_key).startswith("unnamed:")


def test_adjust_the_first_time_by_nothing_makes_a_row_with_its_first_adjustment():
    stock = adjust(0)

    assert (stock.available, stock.version) == (0, 1)
    assert deltas() == [0]


def test_adjust_later_by_nothing_writes_nothing():
    make_stock(1, 5)

    stock = adjust(0)

    assert (stock.available, stock.version) == (5, 1)
    assert deltas() == [5]


def test_adjust_up_and_down_adds_up():
    make_stock(1, 5)

    adjust(3)
    stock = adjust(-8)

    assert (stock.available, stock.version) == (0, 3)
    assert deltas() == [5, 3, -8]


def test_adjust_below_zero_is_refused_and_writes_nothing():
    make_stock(1, 5)
    reserve_stock(order_id=10, quantities={1: 2})

    with pytest.raises(NotEnoughStock) as caught:
        adjust(-4)

    assert caught.value.details == {"goods_id": 1, "requested": 4, "available": 3}
    assert counts(1) == (3, 2, 0)
    assert deltas() == [5]


def test_adjust_below_zero_the_first_time_makes_no_row():
    with pytest.raises(NotEnoughStock):
        adjust(-1)

    assert not Stock.objects.exists()
    assert not StockAdjustment.objects.exists()


def test_adjust_of_many_is_all_or_nothing():
    make_stock(1, 5)
    make_stock(2, 5)

    with pytest.raises(NotEnoughStock):
        adjust_stock(adjustments=[Adjustment(1, "count", "staff", delta=1), Adjustment(2, "count", "staff", delta=-6)])

    assert (counts(1), counts(2)) == ((5, 0, 0), (5, 0, 0))
    assert (deltas(1), deltas(2)) == ([5], [5])


def test_adjust_of_many_returns_the_rows_in_the_order_asked_for():
    rows = adjust_stock(adjustments=[Adjustment(n, "count", "staff", delta=n) for n in (3, 1, 2)]).rows

    assert [(row.goods_id, row.available) for row in rows] == [(3, 3), (1, 1), (2, 2)]


def test_adjust_of_one_product_twice_in_one_call_does_both():
    rows = adjust_stock(
        adjustments=[Adjustment(1, "delivery", "staff", delta=5), Adjustment(1, "broken", "staff", delta=-2)]
    ).rows

    assert [row.available for row in rows] == [3, 3]
    assert deltas() == [5, -2]


def test_set_writes_the_difference():
    make_stock(1, 5)
    reserve_stock(order_id=10, quantities={1: 2})

    stock = adjust(target=10)

    assert (stock.available, stock.reserved) == (10, 2)
    assert deltas() == [5, 7]


def test_set_to_what_there_is_writes_nothing():
    make_stock(1, 5)

    stock = adjust(target=5)

    assert stock.version == 1
    assert deltas() == [5]


def test_set_with_the_present_version_is_carried_out():
    make_stock(1, 5)

    assert adjust(target=9, version=1).available == 9


def test_set_with_an_old_version_is_refused():
    make_stock(1, 5)
    reserve_stock(order_id=10, quantities={1: 1})

    with pytest.raises(StockChanged) as caught:
        adjust(target=9, version=1)

    assert caught.value.details == {"goods_id": 1}
    assert counts(1) == (4, 1, 0)
    assert deltas() == [5]


def test_adjust_with_a_repeated_key_is_done_once():
    make_stock(1, 5)

    adjust(3, idempotency_key="delivery-1")
    stock = adjust(3, idempotency_key="delivery-1")

    assert stock.available == 8
    assert deltas() == [5, 3]


@pytest.mark.parametrize(
    "other",
    [
        Adjustment(1, "count", "staff:1", delta=4, idempotency_key="k"),
        Adjustment(2, "count", "staff:1", delta=3, idempotency_key="k"),
        Adjustment(1, "delivery", "staff:1", delta=3, idempotency_key="k"),
        Adjustment(1, "count", "staff:2", delta=3, idempotency_key="k"),
    ],
    ids=["other delta", "other goods", "other reason", "another hand"],
)
def test_adjust_with_the_key_of_another_adjustment_is_refused(other):
    make_stock(1, 5)
    make_stock(2, 5)
    adjust(3, idempotency_key="k")

    with pytest.raises(KeyReused):
        adjust_stock(adjustments=[other])

    assert (counts(1), counts(2)) == ((8, 0, 0), (5, 0, 0))


def test_adjust_with_one_key_twice_in_one_call_is_done_once():
    same = Adjustment(1, "delivery", "staff", delta=3, idempotency_key="k")

    rows = adjust_stock(adjustments=[same, same]).rows

    assert [row.available for row in rows] == [3, 3]
    assert deltas() == [3]


def test_adjust_tells_which_products_this_call_has_changed():
    first, second = (Adjustment(n, "delivery", "staff", delta=3, idempotency_key=f"key:{n}") for n in (1, 2))

    told = [adjust_stock(adjustments=some).new for some in ([first], [first, second], [first, second])]

    assert told == [{1}, {2}, set()]


def test_adjust_with_one_key_for_two_goods_in_one_call_is_refused():
    first = Adjustment(1, "delivery", "staff", delta=3, idempotency_key="k")
    second = Adjustment(2, "delivery", "staff", delta=3, idempotency_key="k")

    with pytest.raises(KeyReused):
        adjust_stock(adjustments=[first, second])

    assert not Stock.objects.exists()


def test_adjust_that_was_refused_does_not_bind_its_key():
    make_stock(1, 5)
    with pytest.raises(NotEnoughStock):
        adjust(-9, idempotency_key="k")

    stock = adjust(2, idempotency_key="k")

    assert stock.available == 7


def test_adjust_keys_that_differ_in_case_only_are_different_keys():
    adjust(3, idempotency_key="Key")

    assert adjust(3, idempotency_key="key").available == 6


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Adjustment(0, "r", "a", delta=1), "goods_id"),
        (Adjustment(MAX_INT64 + 1, "r", "a", delta=1), "goods_id"),
        (Adjustment(1, "r", "a", target=-1), "available"),
        (Adjustment(1, "r", "a", target=MAX_INT64 + 1), "available"),
        (Adjustment(1, "r", "a", delta=MAX_INT64 + 1), "delta"),
        (Adjustment(1, "r", "a", delta=-MAX_INT64 - 1), "delta"),
        (Adjustment(1, " ", "a", delta=1), "reason"),
        (Adjustment(1, "r" * 256, "a", delta=1), "reason"),
        (Adjustment(1, "r", "a", delta=1, idempotency_key="k" * 65), "idempotency_key"),
        (Adjustment(1, "r", "a", delta=1, idempotency_key="schlüssel"), "idempotency_key"),
    ],
)
def test_adjust_with_wrong_input_is_invalid_and_writes_nothing(wrong, field):
    with pytest.raises(Invalid) as caught:
        adjust_stock(adjustments=[wrong])

    assert caught.value.details["field"] == field
    assert not Stock.objects.exists()


def test_adjust_beyond_what_a_column_holds_counts_what_is_reserved_and_sold():
    adjust(MAX_INT64)
    reserve_stock(order_id=10, quantities={1: 5})

    for field, change in {"delta": {"delta": 1}, "available": {"target": MAX_INT64}}.items():
        with pytest.raises(Invalid) as refused:
            adjust(**change)
        assert refused.value.details["field"] == field

    assert counts(1) == (MAX_INT64 - 5, 5, 0)


def test_find_of_an_adjustment_does_not_take_another_under_its_key_for_its_own():
    adjust(2, idempotency_key="lorry-7")
    mine = Adjustment(1, "count", "staff:1", delta=2, idempotency_key="lorry-7")

    with outermost():
        assert find_adjustments([mine])[0].available == 2
        assert find_adjustments([replace(mine, delta=1000)]) is Undone.BUSY


def test_find_of_adjustments_of_which_only_an_older_one_is_stored_finds_nothing():
    adjust(2, idempotency_key="lorry-7")
    known = Adjustment(1, "count", "staff:1", delta=2, idempotency_key="lorry-7")
    nameless = Adjustment(1, "count", "staff:1", delta=5, idempotency_key="unnamed:of this call")

    with outermost():
        assert find_adjustments([known, nameless]) is Undone.BUSY
