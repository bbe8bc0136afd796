"""Whose a reservation is: only who reserved confirms it or rolls it back."""

import pytest
from django.db import connection

from charites.common.auth import Identity, Role, read_authorization, service_header
from charites.common.errors import ServiceError
from lab.kit.factories import counts, make_stock
from lab.kit.participants import NoteParticipant
from lab.kit.stock_steps import confirm_stock, reserve_stock, roll_back_stock
from stock.errors import RecordConflict, ReservationOfAnother, StockRolledBack
from stock.models import SHOP, StockRecord
from stock.moves import Status, confirm, reserve, roll_back
from stock.services import move

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("strategy")]

ORDER = 10
WAREHOUSE, STRANGER, NAMELESS = "service:warehouse", "staff:5", "service:0"
RESERVED, ROLLED_BACK, DEDUCTED = StockRecord.Status


@pytest.fixture(autouse=True)
def _stock(strategy: str) -> None:
    make_stock(1, 10)
    make_stock(2, 10)


def rows() -> list[tuple[int, int, int, str]]:
    """Returns (goods_id, num, status, owner) of the order's records."""
    found = StockRecord.objects.filter(order_id=ORDER).order_by("goods_id")
    return list(found.values_list("goods_id", "num", "status", "owner"))


def place(quantities: dict[int, int]) -> None:
    """Reserves as an order of this database does: with rows of its own, and no look at records before."""
    (outcome,) = move([reserve(ORDER, quantities)], participant=NoteParticipant())
    assert outcome.status is Status.OK


def refusal_of(step, **asked) -> type[ServiceError]:
    with pytest.raises(ServiceError) as caught:
        step(order_id=ORDER, **asked)
    return type(caught.value)


@pytest.mark.parametrize("owner", [SHOP, WAREHOUSE, NAMELESS])
@pytest.mark.parametrize("is_sold", [False, True], ids=["reserved", "sold"])
def test_steps_of_somebody_else_are_refused_and_change_nothing(owner, is_sold):
    reserve_stock(order_id=ORDER, quantities={1: 2}, owner=owner)
    if is_sold:
        confirm_stock(order_id=ORDER, owner=owner)
    before = rows(), counts(1), counts(2)

    refusals = [
        refusal_of(confirm_stock, owner=STRANGER),
        refusal_of(roll_back_stock, goods_ids=[], owner=STRANGER),
        refusal_of(roll_back_stock, goods_ids=[1], owner=STRANGER),
        refusal_of(roll_back_stock, goods_ids=[2], owner=STRANGER),
        refusal_of(reserve_stock, quantities={1: 2}, owner=STRANGER),
        refusal_of(reserve_stock, quantities={2: 1}, owner=STRANGER),
    ]

    assert refusals == [ReservationOfAnother] * 6
    assert (rows(), counts(1), counts(2)) == before


@pytest.mark.parametrize("owner", [SHOP, WAREHOUSE, STRANGER, NAMELESS])
def test_owner_confirms_and_rolls_back(owner):
    for order_id in (ORDER, ORDER + 1):
        reserve_stock(order_id=order_id, quantities={1: 2}, owner=owner)

    confirm_stock(order_id=ORDER, owner=owner)
    roll_back_stock(order_id=ORDER + 1, goods_ids=[1], owner=owner)

    assert rows() == [(1, 2, DEDUCTED, owner)]
    assert counts(1) == (8, 0, 2)


def test_refusal_of_a_stranger_leaves_the_others_of_its_batch_alone():
    move([reserve(order_id, {1: 1}) for order_id in (10, 11)])

    outcomes = move([confirm(10, owner=STRANGER), confirm(11), roll_back(10, goods_ids=[1], owner=WAREHOUSE)])

    assert [outcome.status for outcome in outcomes] == [Status.FAILED, Status.OK, Status.FAILED]
    assert counts(1) == (8, 1, 1)


def test_number_of_the_refusal_is_its_own():
    assert (ReservationOfAnother.code, ReservationOfAnother.kind.value) == (40010011, "forbidden")


def test_tombstone_of_a_stranger_keeps_the_owner_from_nothing():
    roll_back_stock(order_id=ORDER, goods_ids=[2], owner=STRANGER)  # before anybody reserved
    place({1: 2})

    confirm_stock(order_id=ORDER)

    assert rows() == [(1, 2, DEDUCTED, SHOP), (2, 0, ROLLED_BACK, STRANGER)]


def test_owner_rolls_back_what_a_stranger_left_a_tombstone_for():
    roll_back_stock(order_id=ORDER, goods_ids=[1], owner=STRANGER)

    roll_back_stock(order_id=ORDER, goods_ids=[1, 2])

    assert rows() == [(1, 0, ROLLED_BACK, STRANGER), (2, 0, ROLLED_BACK, SHOP)]
    assert refusal_of(reserve_stock, quantities={1: 1}) is StockRolledBack


def test_stranger_with_a_record_of_the_same_order_moves_only_that():
    reserve_stock(order_id=ORDER, quantities={2: 3}, owner=STRANGER)
    place({1: 2})

    assert refusal_of(roll_back_stock, goods_ids=[1], owner=STRANGER) is ReservationOfAnother
    confirm_stock(order_id=ORDER, owner=STRANGER)
    confirm_stock(order_id=ORDER)

    assert rows() == [(1, 2, DEDUCTED, SHOP), (2, 3, DEDUCTED, STRANGER)]


def test_confirm_of_what_nobody_reserved_stays_a_conflict():
    assert refusal_of(confirm_stock, owner=STRANGER) is RecordConflict


# Beside the version before, which knew no owners


def test_record_of_the_version_before_is_the_shops_own():
    reserve_stock(order_id=ORDER, quantities={1: 2}, owner=WAREHOUSE)
    StockRecord.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO shopping_stock_record (order_id, goods_id, num, status, kind, created_at, updated_at, "
            "created_by, updated_by, version, is_deleted) "
            "VALUES (10, 1, 2, 1, 'order', '2026-06-01 12:00:00', '2026-06-01 12:00:00', '', '', 0, FALSE)"
        )

    assert refusal_of(confirm_stock, owner=WAREHOUSE) is ReservationOfAnother
    confirm_stock(order_id=ORDER)

    assert rows() == [(1, 2, DEDUCTED, SHOP)]
    assert counts(1) == (8, 0, 2)


def test_orders_service_ends_what_it_reserved_before_it_had_a_name_and_no_other_does():
    reserve_stock(order_id=ORDER, quantities={1: 2}, owner=NAMELESS)

    assert refusal_of(confirm_stock, owner=WAREHOUSE) is ReservationOfAnother
    confirm_stock(order_id=ORDER, owner=SHOP)

    assert rows() == [(1, 2, DEDUCTED, NAMELESS)]


def test_orders_service_signs_as_the_shop():
    identity = read_authorization(service_header("orders"))

    assert identity == Identity(0, Role.SERVICE, "orders")
    assert identity.actor == SHOP
