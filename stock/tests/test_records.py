"""Every cell of the table of what arrives against what is there, under every strategy, by order id."""

from datetime import timedelta

import pytest

from charites.common import clock
from charites.common.errors import ServiceError
from charites.common.transactions import outermost
from lab.kit.factories import counts, make_stock
from lab.kit.stock_steps import confirm_stock, deduct_stock, reserve_stock, roll_back_stock
from stock.errors import RecordConflict, StockRolledBack
from stock.models import StockRecord
from stock.moves import Status, confirm, reserve, roll_back
from stock.records import RecordParticipant
from stock.selectors import list_records
from stock.services import move

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("strategy")]

ORDER = 10
RESERVED, ROLLED_BACK, DEDUCTED = (
    StockRecord.Status.RESERVED,
    StockRecord.Status.ROLLED_BACK,
    StockRecord.Status.DEDUCTED,
)


def reserve_two() -> None:
    reserve_stock(order_id=ORDER, quantities={1: 2})


def reserve_three() -> None:
    reserve_stock(order_id=ORDER, quantities={1: 3})


def reserve_another_product() -> None:
    reserve_stock(order_id=ORDER, quantities={2: 2})


def reserve_one_product_more() -> None:
    reserve_stock(order_id=ORDER, quantities={1: 2, 2: 1})


def confirm_it() -> None:
    confirm_stock(order_id=ORDER)


def roll_it_back() -> None:
    roll_back_stock(order_id=ORDER, goods_ids=[1])


NONE = ()
IS_RESERVED = (reserve_two,)
IS_ROLLED_BACK = (reserve_two, roll_it_back)
IS_TOMBSTONE = (roll_it_back,)
IS_DEDUCTED = (reserve_two, confirm_it)

# what was done before, what arrives, record afterwards (None: none), counts afterwards of 10 pieces, error
CELLS = [
    (NONE, reserve_two, (2, RESERVED), (8, 2, 0), None),
    (NONE, confirm_it, None, (10, 0, 0), RecordConflict),
    (NONE, roll_it_back, (0, ROLLED_BACK), (10, 0, 0), None),
    (IS_RESERVED, reserve_two, (2, RESERVED), (8, 2, 0), None),
    (IS_RESERVED, reserve_three, (2, RESERVED), (8, 2, 0), RecordConflict),
    (IS_RESERVED, reserve_another_product, (2, RESERVED), (8, 2, 0), RecordConflict),
    (IS_RESERVED, reserve_one_product_more, (2, RESERVED), (8, 2, 0), RecordConflict),
    (IS_RESERVED, confirm_it, (2, DEDUCTED), (8, 0, 2), None),
    (IS_RESERVED, roll_it_back, (2, ROLLED_BACK), (10, 0, 0), None),
    (IS_ROLLED_BACK, reserve_two, (2, ROLLED_BACK), (10, 0, 0), StockRolledBack),
    (IS_ROLLED_BACK, reserve_another_product, (2, ROLLED_BACK), (10, 0, 0), StockRolledBack),
    (IS_ROLLED_BACK, confirm_it, (2, ROLLED_BACK), (10, 0, 0), RecordConflict),
    (IS_ROLLED_BACK, roll_it_back, (2, ROLLED_BACK), (10, 0, 0), None),
    (IS_TOMBSTONE, reserve_two, (0, ROLLED_BACK), (10, 0, 0), StockRolledBack),
    (IS_TOMBSTONE, reserve_one_product_more, (0, ROLLED_BACK), (10, 0, 0), StockRolledBack),
    (IS_TOMBSTONE, confirm_it, (0, ROLLED_BACK), (10, 0, 0), RecordConflict),
    (IS_TOMBSTONE, roll_it_back, (0, ROLLED_BACK), (10, 0, 0), None),
    (IS_DEDUCTED, reserve_two, (2, DEDUCTED), (8, 0, 2), None),
    (IS_DEDUCTED, reserve_three, (2, DEDUCTED), (8, 0, 2), RecordConflict),
    (IS_DEDUCTED, confirm_it, (2, DEDUCTED), (8, 0, 2), None),
    (IS_DEDUCTED, roll_it_back, (2, DEDUCTED), (8, 0, 2), RecordConflict),
]


def cell_name(value: object) -> str | None:
    if isinstance(value, tuple) and all(map(callable, value)):
        return "+".join(step.__name__ for step in value) or "none"
    return value.__name__ if callable(value) else ""


@pytest.mark.parametrize(("before", "arriving", "record", "expected", "error"), CELLS, ids=cell_name)
def test_what_arrives_meets_what_is_there(before, arriving, record, expected, error):
    make_stock(1, 10)
    make_stock(2, 10)
    for step in before:
        step()

    raised: Exception | None = None
    try:
        arriving()
    except ServiceError as caught:
        raised = caught

    assert type(raised) is (error or type(None))
    found = {row.goods_id: (row.num, row.status) for row in list_records(order_ids=[ORDER])}
    assert found == ({1: record} if record else {})
    assert (counts(1), counts(2)) == (expected, (10, 0, 0))


def test_rolled_back_before_is_a_conflict_with_a_number_of_its_own():
    make_stock(1, 10)
    roll_it_back()

    with pytest.raises(StockRolledBack) as caught:
        reserve_two()

    assert (caught.value.code, caught.value.kind.value) == (40010007, "conflict")


def test_roll_back_gives_back_what_the_record_holds_and_not_what_the_caller_says():
    make_stock(1, 10)
    make_stock(2, 10)
    reserve_stock(order_id=ORDER, quantities={1: 2, 2: 3})

    roll_back_stock(order_id=ORDER, goods_ids=[])

    assert (counts(1), counts(2)) == ((10, 0, 0), (10, 0, 0))


def test_roll_back_naming_a_product_that_was_not_reserved_leaves_a_tombstone_for_it():
    make_stock(1, 10)
    reserve_two()

    roll_back_stock(order_id=ORDER, goods_ids=[1, 2])

    found = [(row.goods_id, row.num, row.status) for row in list_records(order_ids=[ORDER])]
    assert found == [(1, 2, ROLLED_BACK), (2, 0, ROLLED_BACK)]
    assert counts(1) == (10, 0, 0)


def test_roll_back_of_a_sold_order_leaves_no_tombstone_for_other_goods():
    make_stock(1, 10)
    reserve_two()
    confirm_it()

    with pytest.raises(RecordConflict):
        roll_back_stock(order_id=ORDER, goods_ids=[1, 2])

    assert [row.goods_id for row in list_records(order_ids=[ORDER])] == [1]


def test_records_raise_their_version_with_every_change():
    make_stock(1, 10)
    reserve_two()
    confirm_it()
    confirm_it()

    assert list_records(order_ids=[ORDER])[0].version == 1


def test_finishing_a_batch_touches_only_the_orders_of_the_batch():
    make_stock(1, 10)
    move([reserve(order_id, {1: 1}) for order_id in (10, 11, 12, 13)])

    outcomes = move([confirm(10), roll_back(12), confirm(99)])

    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.OK, Status.FAILED]
    found = [(row.order_id, row.status) for row in list_records(order_ids=[10, 11, 12, 13, 99])]
    assert found == [(10, DEDUCTED), (11, RESERVED), (12, ROLLED_BACK), (13, RESERVED)]
    assert counts(1) == (7, 2, 1)


def test_deduction_without_an_order_leaves_a_receipt():
    make_stock(1, 10)

    sold = deduct_stock(goods_id=1, quantity=3)

    (record,) = list_records(order_ids=[sold.number])
    assert (record.num, record.status, record.kind) == (3, DEDUCTED, StockRecord.Source.RECEIPT)
    assert sold.available == 7
    assert counts(1) == (7, 0, 3)


def test_find_of_a_reservation_does_not_take_other_lines_for_its_own():
    make_stock(1, 9)
    reserve_two()

    with outermost():
        found = RecordParticipant().find([reserve(ORDER, {1: 3}), same := reserve(ORDER, {1: 2})])

    assert list(found) == [same]


def test_records_are_what_the_orm_would_have_written():
    make_stock(1, 9)
    make_stock(2, 9)
    reserve_stock(order_id=ORDER, quantities={1: 2, 2: 3})
    receipt = deduct_stock(goods_id=1, quantity=1).number

    reserved = {"order_id": ORDER, "status": RESERVED, "kind": StockRecord.Source.ORDER}
    expected = [
        StockRecord(**reserved, goods_id=1, num=2),
        StockRecord(**reserved, goods_id=2, num=3),
        StockRecord(order_id=receipt, status=DEDUCTED, kind=StockRecord.Source.RECEIPT, goods_id=1, num=1),
    ]
    times = {"id", "created_at", "updated_at"}
    columns = [field.attname for field in StockRecord._meta.fields if field.attname not in times]
    found = list(StockRecord.objects.order_by("order_id", "goods_id"))
    assert [[getattr(row, name) for name in columns] for row in found] == [
        [getattr(row, name) for name in columns] for row in expected
    ]
    assert {row.created_at == row.updated_at for row in found} == {True}
    assert all(abs(row.created_at - clock.now()) < timedelta(minutes=5) for row in found)


def test_records_of_a_batch_are_inserted_by_their_orders_whatever_order_they_come_in():
    make_stock(1, 9)

    move([reserve(order_id, {1: 1}) for order_id in (12, 10, 11)])

    assert list(StockRecord.objects.order_by("pk").values_list("order_id", flat=True)) == [10, 11, 12]
