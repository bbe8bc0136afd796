"""Archiving beside those who still mean one of its orders: whoever comes second sees what the first one did."""

from pathlib import Path

import pytest

from charites.common import clock
from goods.models import Goods
from lab.kit.factories import BUYER_ID, counts, make_capture, make_goods, make_order, make_payment
from lab.kit.findings import findings
from lab.kit.interleaving import Background, Parked, await_lock_wait
from lab.kit.old_orders import AHEAD, archive, make_completed_order, make_ended_orders, read_lines
from orders.errors import OrderArchived
from orders.history import Kept
from orders.models import Allowance, Archive, Order, Payment, Refund
from orders.payloads import RefundOrder
from orders.services import (
    Archived,
    CheckedFile,
    archiving,
    cancel_order,
    check_archives,
    record_captures,
    refund_order,
)
from stock.models import ARCHIVED_ORDERS, StockRecord

pytestmark = [
    pytest.mark.servers,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sandbox"),
]

WRITTEN = "DELETE FROM shopping_order WHERE"


@pytest.fixture(autouse=True)
def _goods() -> None:
    for goods_id in (1, 2):
        make_goods(goods_id, stock=1000)


def make_closed_with_payment() -> Payment:
    order = make_order()
    payment = make_payment(order)
    cancel_order(order_id=order.order_id, user_id=None, closed_by=Order.ClosedBy.STAFF, now=clock.now())
    Payment.objects.update(next_question_at=None)
    return payment


def archive_one(order: Order, folder: Path) -> Archived:
    now = clock.now() + AHEAD
    return archiving.archive([order.order_id], folder, now, now)


def test_two_at_once_archive_each_order_once(tmp_path: Path) -> None:
    make_ended_orders()
    before = counts(1)

    with Parked(lambda: archive(tmp_path), at=WRITTEN) as first, Background(lambda: archive(tmp_path)) as second:
        await_lock_wait()
        assert first.go().orders == 3

    assert second.result().orders == 0
    assert Archive.objects.count() == 1
    assert (counts(1), findings()) == (before, [])


@pytest.mark.parametrize("user_id", [BUYER_ID, 8], ids=["same buyer", "another buyer"])
def test_two_at_once_add_what_products_sold_to_one_record(tmp_path: Path, user_id: int) -> None:
    """The second one waits for the first one's row: it begins anew where that has the pieces of the same buyer."""
    first, second = make_completed_order({1: 2}), make_completed_order({1: 3}, user_id=user_id)

    with (
        Parked(lambda: archive_one(first, tmp_path), at=WRITTEN) as one,
        Background(lambda: archive_one(second, tmp_path)) as other,
    ):
        await_lock_wait()
        assert one.go().orders == 1

    assert other.result().orders == 1
    record = StockRecord.objects.get(goods_id=1)
    assert (record.order_id, record.num) == (ARCHIVED_ORDERS, 5)
    assert len(read_lines(tmp_path)) == 2
    assert findings() == []


def test_who_finds_the_record_of_a_product_made_meanwhile_begins_anew(tmp_path: Path) -> None:
    """The first one saw none, and would insert it."""
    own = 91  # no other test has had a record of it: its key may still be in the index, and both would wait for it
    make_goods(own, stock=10)
    first, second = make_completed_order({own: 2}), make_completed_order({own: 3}, user_id=8)

    with Parked(lambda: archive_one(first, tmp_path), at="INSERT INTO shopping_stock_record") as one:
        assert archive_one(second, tmp_path).orders == 1
        assert one.go().orders == 1

    record = StockRecord.objects.get(goods_id=own)
    assert (record.order_id, record.num) == (ARCHIVED_ORDERS, 5)
    assert len(read_lines(tmp_path)) == 2
    assert findings() == []


def test_money_that_comes_first_keeps_its_order(tmp_path: Path) -> None:
    payment = make_closed_with_payment()

    with (
        Parked(lambda: record_captures(captures=[make_capture(payment)]), at="INSERT INTO shopping_refund") as capture,
        Background(lambda: archive(tmp_path)) as archiving,
    ):
        await_lock_wait()
        assert capture.go() == [None]

    archived = archiving.result()
    assert (archived.orders, archived.kept) == (0, {Kept.MESSAGE: 1})
    assert Order.objects.count() == 1
    assert findings() == []


def test_money_that_comes_second_is_sent_back(tmp_path: Path) -> None:
    payment = make_closed_with_payment()

    with (
        Parked(lambda: archive(tmp_path), at=WRITTEN) as archiving,
        Background(lambda: record_captures(captures=[make_capture(payment)])) as capture,
    ):
        await_lock_wait()
        assert archiving.go().orders == 1

    assert capture.result() == [None]
    assert Refund.objects.get().reason == "late"
    assert findings() == []


def test_refund_that_comes_second_is_refused(tmp_path: Path) -> None:
    order = make_completed_order()

    with (
        Parked(lambda: archive(tmp_path), at=WRITTEN) as archiving,
        Background(lambda: refund_order(command=RefundOrder(order.order_id, 1, "broken", "staff", "k"))) as refund,
    ):
        await_lock_wait()
        assert archiving.go().orders == 1

    with pytest.raises(OrderArchived):
        refund.result()
    assert Refund.objects.count() == 0
    assert findings() == []


def test_limit_that_is_switched_on_meanwhile_counts_each_piece_once(tmp_path: Path) -> None:
    make_completed_order({1: 2})
    Goods.objects.filter(goods_id=1).update(limit_per_buyer=5)

    with (
        Parked(lambda: archive(tmp_path), at=WRITTEN) as archiving,
        Background(lambda: make_order(now=clock.now())) as placing,
    ):
        await_lock_wait()
        assert archiving.go().orders == 1

    placing.result()
    assert Allowance.objects.get().pieces == 3
    assert findings() == []


def test_who_begins_to_count_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    make_completed_order({1: 2})

    with Parked(lambda: archive(tmp_path), at="FROM shopping_order_limited_goods"):
        assert len(read_lines(tmp_path)) == 1


def test_file_of_a_run_at_work_is_not_called_deletable(tmp_path: Path) -> None:
    """It has its name already, and its orders are still there: the check waits for the end of the run."""
    make_ended_orders()

    with (
        Parked(lambda: archive(tmp_path), at=WRITTEN) as archiving,
        Background(lambda: list(check_archives(folder=tmp_path))) as checking,
    ):
        await_lock_wait()
        assert archiving.go().orders == 3

    (path,) = tmp_path.iterdir()
    assert checking.result() == [CheckedFile(path.name)]
