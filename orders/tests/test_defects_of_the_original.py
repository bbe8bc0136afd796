"""Defects of the Go original that must not come back. Each has a test here, or is named where it is covered:

* rollback errors swallowed and acknowledged: below, and messaging/tests/test_relay.py
  (`test_deliver_due_with_a_receiver_that_raises_retries_only_that_one`);
* rollback reads without a lock: orders/tests/closing/test_closing_races.py (`..._at_every_statement_of_...`),
  stock/tests/strategies/test_strategy_races.py (`test_confirm_and_roll_back_of_one_order_racing_end_it_once`);
* time-out closes an order without checking that it is still unpaid: below;
* check-back answers from process memory: there is no check-back yet;
* the optimistic variant subtracts 1 whatever was asked: below;
* deduction looks up by `id`, rollback by `goods_id`: below;
* only one variant writes the record: below, and every test of stock/tests/strategies/contract;
* the version column overflows: below;
* the Snowflake node is fixed at 1: charites/tests/common/ids/test_owners.py (`test_two_owners_in_one_millisecond_...`);
* SetStock and GetStock are stubs: stock/tests/test_adjusting.py, stock/tests/test_rpc.py;
* no way to pay: orders/tests/paying;
* any non-empty token passes: below, and charites/tests/common/test_auth.py;
* two current goods in a room: below;
* a delay message that fails to send after the order committed returns the order's stock: below.
"""

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from charites.common.auth import read_authorization
from charites.common.errors import Unauthenticated
from goods.models import Room
from goods.services import pin_goods
from lab.kit.factories import (
    SANDBOX,
    counts,
    later,
    make_capture,
    make_goods,
    make_order,
    make_payment,
    make_room,
    stored,
)
from lab.kit.interleaving import Interruption
from lab.kit.stock_steps import roll_back_stock
from messaging import wakeups
from orders.flows import local as flow
from orders.models import Order
from orders.payloads import Closing
from orders.services import close_due, record_captures
from stock.models import Stock, StockRecord
from stock.moves import Status, reserve, roll_back
from stock.services import move
from stock.strategies import STRATEGIES

pytestmark = pytest.mark.django_db

SAFE = sorted(name for name, strategy in STRATEGIES.items() if strategy.safe)


def test_roll_back_that_fails_is_not_answered_as_done():
    make_goods(1, stock=5)
    order = make_order({1: 2})

    broken = Interruption(OperationalError(1205, "Lock wait timeout exceeded"), at="UPDATE shopping_stock ", times=999)
    with connection.execute_wrapper(broken):
        assert close_due(now=later(10**6)) == 0

    assert stored(order).status == Order.Status.UNPAID
    assert counts(1) == (3, 2, 0)
    assert close_due(now=later(10**6)) == 1


def test_time_out_of_an_order_that_was_paid_meanwhile_closes_nothing(settings):
    settings.PAYMENT_PROVIDER = SANDBOX
    make_goods(1, stock=5)
    order = make_order({1: 2})
    record_captures(captures=[make_capture(make_payment(order))])

    # The sweep read it as overdue before the money came.
    closing = Closing(Order.ClosedBy.TIMEOUT, later(10**6))
    outcomes = flow.carry_out([roll_back(order.order_id, payload=closing)])

    assert [outcome.status for outcome in outcomes] == [Status.REPEATED]
    assert stored(order).status == Order.Status.PAID
    assert counts(1) == (3, 0, 2)


@pytest.mark.parametrize("name", SAFE)
def test_every_strategy_takes_what_was_asked_and_writes_the_record(settings, name):
    settings.STOCK_STRATEGY = name
    make_goods(1, stock=9)

    move([reserve(10, {1: 4})])

    assert counts(1) == (5, 4, 0)
    record = StockRecord.objects.get()
    assert (record.order_id, record.goods_id, record.num, record.status) == (10, 1, 4, 1)


def test_stock_is_looked_up_by_goods_id_and_never_by_the_rows_own_id():
    for goods_id in (5, 4, 3):  # the row ids go the other way round
        make_goods(goods_id, stock=9)

    move([reserve(10, {4: 2})])
    assert (counts(5), counts(4), counts(3)) == ((9, 0, 0), (7, 2, 0), (9, 0, 0))

    roll_back_stock(order_id=10, goods_ids=[4])
    assert (counts(5), counts(4), counts(3)) == ((9, 0, 0), (9, 0, 0), (9, 0, 0))


def test_version_goes_beyond_what_the_originals_column_held():
    make_goods(1, stock=9)
    set_version(32_767)

    move([reserve(10, {1: 1})])

    assert Stock.objects.get().version == 32_768


def set_version(version: int) -> None:
    """As many updates later. The guard of the tests wants to see `version = version + 1`, so it is a new row."""
    row = Stock.objects.get()
    row.delete()
    row.pk, row.version = None, version
    row.save(force_insert=True)


def test_a_token_is_more_than_a_word_that_is_not_empty():
    for header in ("token", "anything", "Bearer anything"):
        with pytest.raises(Unauthenticated):
            read_authorization(header)


def test_a_room_has_one_current_goods():
    make_goods(1)
    make_goods(2)
    make_room(1, goods_ids=[1, 2])

    pin_goods(room_id=1, goods_id=1)
    pin_goods(room_id=1, goods_id=2)

    assert list(Room.objects.values_list("current_goods_id", flat=True)) == [2]


def test_a_wake_up_that_cannot_be_set_takes_nothing_back(monkeypatch):
    def refuse(task: str, slot: int) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(wakeups, "_wakeups", wakeups.WakeUps(refuse))
    make_goods(1, stock=5)

    order = make_order({1: 2}, now=timezone.now())

    assert stored(order).status == Order.Status.UNPAID
    assert counts(1) == (3, 2, 0)
    # The row is the timer: no wake-up is needed for the order to be closed in time.
    assert close_due(now=order.expires_at) == 1
