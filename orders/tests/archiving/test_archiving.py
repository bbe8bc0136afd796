"""Which orders leave, what stays of them, and what stays as true as it was."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from charites.common import clock
from charites.common.errors import Busy
from lab.kit.factories import (
    BUYER_ID,
    counts,
    make_capture,
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    stored,
)
from lab.kit.findings import findings
from lab.kit.interleaving import LostCommit
from lab.kit.message_rows import make_message
from lab.kit.old_orders import (
    AHEAD,
    archive,
    make_completed_order,
    make_ended_orders,
    make_refunded_order,
    read_lines,
)
from messaging.models import Announced, Message
from orders import archives
from orders.archives import ArchiveFile, is_part, write_archive
from orders.history import Kept, read_histories
from orders.models import Archive, ArchivedOrder, ArchivedPieces, Order, OrderDetail, Payment, Refund, RefundLine
from orders.payloads import RefundOrder
from orders.services import archiving, cancel_order, check_archives, find_old, record_captures, refund_order
from stock.models import ARCHIVED_ORDERS, StockRecord

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox")]

PERSONAL = ("Li Lei", "13800000000", "1 Harbour Road")


@pytest.fixture(autouse=True)
def _goods() -> None:
    for goods_id in (1, 2):
        make_goods(goods_id, stock=1000)


def carried() -> dict[int, int]:
    """What products sold in archived orders, as stock has it: goods_id -> pieces."""
    return dict(StockRecord.objects.filter(order_id=ARCHIVED_ORDERS).values_list("goods_id", "num"))


def rows_of_orders() -> list[int]:
    """How many orders, lines and records of orders there are."""
    records = StockRecord.objects.exclude(order_id=ARCHIVED_ORDERS)
    return [rows.count() for rows in (Order.objects, OrderDetail.objects, records)]


def test_orders_that_have_ended_leave_and_what_they_prove_stays(tmp_path: Path) -> None:
    closed, completed, other = make_ended_orders()
    refunded = make_refunded_order()
    before = [counts(1), counts(2)]
    money = [list(rows.values()) for rows in (Payment.objects.order_by("pk"), Refund.objects.order_by("pk"))]

    archived = archive(tmp_path)

    assert (archived.orders, archived.files, archived.kept) == (4, 1, {})
    assert rows_of_orders() == [0, 0, 0]
    assert [counts(1), counts(2)] == before
    assert carried() == {1: 5, 2: 1}
    assert dict(ArchivedPieces.objects.values_list("goods_id", "pieces")) == {1: 5, 2: 1}
    kept = {row.order_id: (row.status, row.pieces) for row in ArchivedOrder.objects.all()}
    ended = {closed: (300, 0), completed: (400, 4), other: (400, 1), refunded: (200, 1)}
    assert kept == {order.order_id: end for order, end in ended.items()}
    # Money stays as it was.
    assert [list(rows.values()) for rows in (Payment.objects.order_by("pk"), Refund.objects.order_by("pk"))] == money
    assert findings() == []


def test_file_has_every_row_of_an_order_and_not_who_bought(tmp_path: Path) -> None:
    refunded = make_refunded_order()
    lines = list(OrderDetail.objects.values_list("title", "num", "pay_amount"))

    archive(tmp_path)

    (told,) = read_lines(tmp_path)
    assert told["v"] == 1
    assert told["order"]["order_id"] == str(refunded.order_id)
    assert told["order"]["pay_time"].startswith(refunded.pay_time.isoformat()[:19])
    assert [(line["title"], line["num"], line["pay_amount"]) for line in told["lines"]] == lines
    assert [(row["num"], row["status"]) for row in told["stock_records"]] == [(1, 3)]
    assert [row["trade_id"] for row in told["payments"]] == [refunded.trade_id]
    assert [row["amount"] for row in told["refunds"]] == [refunded.pay_amount]
    assert [row["num"] for row in told["returned"]] == [1]
    assert not told["order"].keys() & {"receive_name", "receive_phone", "receive_address", "request_digest"}
    assert not any(word in str(told) for word in PERSONAL)
    (file,) = tmp_path.iterdir()
    digest = Archive.objects.get().digest
    assert file.name == f"orders-{refunded.order_id}-{refunded.order_id}-{digest[:12]}.jsonl.gz"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.sqlite
def test_order_of_a_product_whose_texts_hold_half_a_character_leaves_and_is_read_again(tmp_path: Path) -> None:
    """No door lets it in, and JSON of SQLite can hold it; MariaDB takes none."""
    order, odd = make_completed_order(), ["\ud83d", "\0\n\u2028 \udcff五月"]
    OrderDetail.objects.filter(order_id=order.order_id).update(detail=odd)

    assert archive(tmp_path).orders == 1

    (told,) = read_lines(tmp_path)
    assert told["lines"][0]["detail"] == odd
    assert [file.wrong for file in check_archives(folder=tmp_path)] == [""]


def test_next_ones_are_added_to_what_was_carried_over(tmp_path: Path) -> None:
    make_ended_orders()
    archive(tmp_path)
    make_completed_order({1: 2})

    assert archive(tmp_path).orders == 1
    assert archive(tmp_path).orders == 0

    assert carried() == {1: 6, 2: 1}
    assert Archive.objects.count() == 2
    assert findings() == []


def test_many_orders_leave_in_small_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "STEP", 2)
    monkeypatch.setattr(archiving, "PAGE", 3)
    orders = [make_closed_order() for _ in range(5)]

    assert (archived := archive(tmp_path)).orders == 5

    assert archived.files == 3
    told = [int(line["order"]["order_id"]) for line in read_lines(tmp_path)]
    assert told == [order.order_id for order in orders]
    assert sorted(Archive.objects.values_list("orders", flat=True)) == [1, 2, 2]
    assert findings() == []


def test_step_has_no_more_lines_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "MOST_LINES", 3)
    for _ in range(3):
        make_closed_order({1: 1, 2: 1})

    assert archive(tmp_path).files == 3


def cancel(order: Order) -> None:
    cancel_order(order_id=order.order_id, user_id=None, closed_by=Order.ClosedBy.STAFF, now=clock.now())


def unpaid() -> tuple[Order, Kept | None]:
    return make_order(), None


def paid() -> tuple[Order, Kept | None]:
    return make_paid_order(), Kept.OPEN


def partly_refunded() -> tuple[Order, Kept | None]:
    order = make_refunded_order()
    Refund.objects.update(amount=order.pay_amount - 1)
    return order, Kept.OPEN


def changed_lately() -> tuple[Order, Kept | None]:
    order = make_closed_order()
    Order.objects.filter(pk=order.pk).update(updated_at=clock.now() + AHEAD - timedelta(days=179))
    return order, None


def placed_lately() -> tuple[Order, Kept | None]:
    order = make_closed_order()
    Order.objects.filter(pk=order.pk).update(created_at=clock.now() + AHEAD - timedelta(days=199))
    return order, None


def refunded_lately() -> tuple[Order, Kept | None]:
    order = make_refunded_order()
    Refund.objects.update(updated_at=clock.now() + AHEAD - timedelta(days=179))
    return order, Kept.MONEY


def refund_under_way() -> tuple[Order, Kept | None]:
    order = make_completed_order()
    refund_order(command=RefundOrder(order.order_id, 100, "broken", "staff:1", "k"))
    return order, Kept.MESSAGE


def refund_without_message() -> tuple[Order, Kept | None]:
    order, _kept = refund_under_way()
    Message.objects.all().delete()
    return order, Kept.MONEY


def payment_that_is_asked_about() -> tuple[Order, Kept | None]:
    order = make_order()
    make_payment(order)
    cancel(order)
    assert Payment.objects.get().next_question_at
    return stored(order), Kept.MONEY


def dead_message() -> tuple[Order, Kept | None]:
    order = make_closed_order()
    make_message(key=str(order.order_id), state=Message.State.DEAD)
    return order, Kept.MESSAGE


def another_amount_than_its_lines() -> tuple[Order, Kept | None]:
    order = make_closed_order()
    Order.objects.filter(pk=order.pk).update(pay_amount=1)
    return order, Kept.DIFFERENT


def another_price_than_its_amount() -> tuple[Order, Kept | None]:
    order = make_closed_order()
    OrderDetail.objects.filter(order_id=order.order_id).update(price=1)
    return order, Kept.DIFFERENT


def more_that_came_back() -> tuple[Order, Kept | None]:
    order = make_refunded_order()
    RefundLine.objects.filter(order_id=order.order_id).update(num=2)
    return order, Kept.DIFFERENT


def another_product_that_came_back() -> tuple[Order, Kept | None]:
    order = make_refunded_order()
    RefundLine.objects.filter(order_id=order.order_id).update(goods_id=2)
    return order, Kept.DIFFERENT


def record_that_is_not_rolled_back() -> tuple[Order, Kept | None]:
    order = make_closed_order()
    StockRecord.objects.filter(order_id=order.order_id).update(status=StockRecord.Status.RESERVED)
    return order, Kept.DIFFERENT


def record_of_another() -> tuple[Order, Kept | None]:
    order = make_closed_order()
    StockRecord.objects.filter(order_id=order.order_id).update(owner="service:somebody")
    return order, Kept.DIFFERENT


def completed_without_payment() -> tuple[Order, Kept | None]:
    order = make_completed_order()
    Payment.objects.all().delete()
    return order, Kept.DIFFERENT


def money_that_nobody_sent_back() -> tuple[Order, Kept | None]:
    order = make_order()
    payment = make_payment(order)
    assert record_captures(captures=[make_capture(payment, amount=1)]) == [None]
    cancel(order)
    Refund.objects.all().delete()
    Message.objects.all().delete()
    return order, Kept.DIFFERENT


def make_archived(**changes: Any) -> None:
    """An order that has left, of which only this is of interest; no file has it."""
    ArchivedOrder.objects.create(user_id=BUYER_ID, status=300, pay_amount=1, pieces=0, archive_id=1, **changes)


def number_of_an_archived_one() -> tuple[Order, Kept | None]:
    order = make_closed_order(user_id=8)
    make_archived(order_id=order.order_id)
    return order, Kept.DIFFERENT


def key_of_an_archived_one() -> tuple[Order, Kept | None]:
    order = make_closed_order(idempotency_key="k")
    make_archived(order_id=1, idempotency_key="k")
    make_archived(order_id=2, idempotency_key="K")
    return order, Kept.DIFFERENT


def amount_too_large() -> tuple[Order, Kept | None]:
    order = make_closed_order()
    huge = 2**62
    Order.objects.filter(pk=order.pk).update(pay_amount=huge)
    OrderDetail.objects.filter(order_id=order.order_id).update(pay_amount=huge, price=huge)
    return order, Kept.LARGE


STAYING = [
    *(unpaid, paid, partly_refunded, changed_lately, placed_lately, refunded_lately, refund_under_way),
    *(refund_without_message, payment_that_is_asked_about, dead_message, another_amount_than_its_lines),
    *(another_price_than_its_amount, more_that_came_back, another_product_that_came_back),
    *(record_that_is_not_rolled_back, record_of_another, completed_without_payment, money_that_nobody_sent_back),
    *(number_of_an_archived_one, key_of_an_archived_one, amount_too_large),
]


@pytest.mark.parametrize("make", STAYING, ids=lambda make: make.__name__)
def test_order_stays_and_its_neighbour_leaves(make: Callable[[], tuple[Order, Kept | None]], tmp_path: Path) -> None:
    order, kept = make()
    neighbour = make_closed_order()

    archived = archive(tmp_path)

    assert archived.orders == 1
    assert archived.kept == ({kept: 1} if kept else {})
    assert [int(line["order"]["order_id"]) for line in read_lines(tmp_path)] == [neighbour.order_id]
    assert Order.objects.get().order_id == order.order_id
    assert OrderDetail.objects.filter(order_id=order.order_id).exists()


def test_order_stays_until_endpoints_are_told_of_it(tmp_path: Path) -> None:
    order = make_closed_order()
    pending = Announced.objects.create(created_at=order.created_at, events=[["order.placed", "1", None]])

    assert archive(tmp_path).orders == 0
    pending.delete()
    assert archive(tmp_path).orders == 1


def test_dry_run_tells_the_same_and_changes_nothing(tmp_path: Path) -> None:
    make_ended_orders()
    make_paid_order()
    now = clock.now() + AHEAD

    (told,) = find_old(placed_before=now - timedelta(days=200), now=now)

    assert rows_of_orders() == [4, 6, 6]
    archived = archive(tmp_path)
    assert (
        (told.orders, told.files, told.kept)
        == (archived.orders, archived.files, archived.kept)
        == (3, 1, {Kept.OPEN: 1})
    )


def test_records_of_another_service_stay_as_they_are(tmp_path: Path, settings: Any) -> None:
    orders = make_ended_orders()
    records = list(StockRecord.objects.order_by("pk").values())
    settings.APPS = ["orders"]

    assert archive(tmp_path).orders == 3

    assert list(StockRecord.objects.order_by("pk").values()) == records
    assert carried() == {}
    assert [line["stock_records"] for line in read_lines(tmp_path)] == [[], [], []]
    assert set(ArchivedOrder.objects.values_list("order_id", flat=True)) == {order.order_id for order in orders}
    assert findings() == []


# What goes wrong


def test_folder_that_cannot_be_written_leaves_everything_as_it_was(tmp_path: Path) -> None:
    make_ended_orders()

    with pytest.raises(FileNotFoundError):
        archive(tmp_path / "nowhere")

    assert rows_of_orders() == [3, 5, 5]
    assert Archive.objects.count() == 0
    assert findings() == []


def test_disk_that_is_full_leaves_no_part_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ended_orders()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("orders.archives.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            archive(tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert rows_of_orders() == [3, 5, 5]
    assert archive(tmp_path).orders == 3


def test_part_that_somebody_deletes_ends_the_run_without_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ended_orders()

    def delete_it(handle: int) -> None:
        (part,) = tmp_path.iterdir()
        assert is_part(part)
        part.unlink()

    monkeypatch.setattr("orders.archives.os.fsync", delete_it)

    with pytest.raises(FileNotFoundError):
        archive(tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert rows_of_orders() == [3, 5, 5]
    assert findings() == []


def test_two_that_write_the_same_orders_do_not_share_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On two machines with one folder even their process ids may be the same."""
    histories = read_histories(order_ids=[make_closed_order().order_id, make_closed_order().order_id])
    digest = archives.digest_of
    written: list[ArchiveFile] = []

    def digest_beside_another(part: Path) -> str:
        monkeypatch.setattr(archives, "digest_of", digest)
        written.append(write_archive(tmp_path, histories))
        return digest(part)

    monkeypatch.setattr(archives, "digest_of", digest_beside_another)

    mine = write_archive(tmp_path, histories)

    assert written == [mine]
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]


@pytest.mark.parametrize("is_carried_out", [True, False])
def test_commit_without_a_reply_is_looked_up(tmp_path: Path, is_carried_out: bool) -> None:
    make_ended_orders()
    lost = OperationalError(2013, "Lost connection to server during query")

    with LostCommit(carried_out=is_carried_out, error=lost):
        if is_carried_out:
            assert archive(tmp_path).orders == 3
        else:
            with pytest.raises(Busy):
                archive(tmp_path)

    assert Order.objects.count() == (0 if is_carried_out else 3)
    assert archive(tmp_path).orders == (0 if is_carried_out else 3)
    assert carried() == {1: 4, 2: 1}
    assert findings() == []


class Broken(Exception):
    """Something of ours that breaks in the middle."""


class BrokenAt:
    """Lets so many statements through, then raises."""

    def __init__(self, statements: int) -> None:
        self.left = statements

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.left == 0:
            raise Broken(sql)
        self.left -= 1
        return execute(sql, params, many, context)


def test_error_at_any_statement_leaves_orders_whole_and_the_next_run_goes_on(tmp_path: Path) -> None:
    make_ended_orders()
    before = [counts(1), counts(2)]

    for statements in range(100):
        broken = BrokenAt(statements)
        try:
            with connection.execute_wrapper(broken):
                archive(tmp_path)
            break
        except Broken:
            assert rows_of_orders() == [3, 5, 5]
            assert findings() == []
    assert statements > 15

    assert rows_of_orders() == [0, 0, 0]
    assert [counts(1), counts(2)] == before
    assert len(read_lines(tmp_path)) == 3  # what was written before was replaced
    assert findings() == []


def test_buyer_is_told_of_in_what_stays_by_number_alone(tmp_path: Path) -> None:
    make_completed_order(user_id=BUYER_ID)

    archive(tmp_path)

    row = ArchivedOrder.objects.values().get()
    assert row["user_id"] == BUYER_ID
    assert not any(word in str(row) for word in PERSONAL)
