"""Adjustments side by side, and one whose COMMIT had no reply."""

import pytest
from django.db import OperationalError

from charites.common.errors import Busy, KeyReused
from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import Background, LostCommit, Parked, await_lock_wait
from lab.kit.stock_steps import reserve_stock
from stock.services import Adjustment, adjust_stock
from stock.tests.adjusting import adjust, deltas

pytestmark = pytest.mark.django_db


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_adjust_for_the_first_time_from_two_sides_makes_one_row_and_both_count():
    with (
        Parked(lambda: adjust(3), at="INSERT INTO shopping_stock ", after=True) as first,
        Background(lambda: adjust(4)) as second,
    ):
        await_lock_wait()
        first.go()
        second.result()

    assert counts(1) == (7, 0, 0)
    assert deltas() == [3, 4]


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_adjust_with_one_key_from_two_sides_is_done_once():
    make_stock(1, 5)

    with (
        Parked(lambda: adjust(3, idempotency_key="k"), at="UPDATE shopping_stock ", after=True) as first,
        Background(lambda: adjust(3, idempotency_key="k")) as second,
    ):
        await_lock_wait()
        first.go()
        assert second.result().available == 8

    assert deltas() == [5, 3]


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_adjust_with_one_key_for_two_goods_from_two_sides_is_refused_on_one_of_them():
    make_stock(1, 5)
    make_stock(2, 5)

    with (
        Parked(lambda: adjust(3, idempotency_key="k"), at="UPDATE shopping_stock ", after=True) as first,
        Background(lambda: adjust(3, goods_id=2, idempotency_key="k")) as second,
    ):
        await_lock_wait()
        first.go()
        with pytest.raises(KeyReused):
            second.result()

    assert (counts(1), counts(2)) == ((8, 0, 0), (5, 0, 0))


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_set_beside_a_reservation_keeps_both():
    make_stock(1, 5)

    with (
        Parked(lambda: adjust(target=9), at="INSERT INTO shopping_stock_adjustment", after=True) as setting,
        Background(lambda: reserve_stock(order_id=10, quantities={1: 2})) as reserving,
    ):
        await_lock_wait()
        setting.go()
        reserving.result()

    assert counts(1) == (7, 2, 0)
    assert deltas() == [5, 4]


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.django_db(transaction=True)
def test_lost_commit_of_adjustments_of_which_one_was_there_before_is_told_by_the_others(carried_out):
    make_stock(1, 10)
    make_stock(2, 10)
    adjust(5, idempotency_key="key:1")
    both = [Adjustment(number, "count", "staff:1", delta=5, idempotency_key=f"key:{number}") for number in (1, 2)]

    with LostCommit(carried_out=carried_out, error=OperationalError(2013, "Lost connection")):
        if carried_out:
            assert [row.available for row in adjust_stock(adjustments=both).rows] == [15, 15]
        else:
            with pytest.raises(Busy):
                adjust_stock(adjustments=both)

    assert (counts(1), counts(2)) == ((15, 0, 0), (15 if carried_out else 10, 0, 0))
