"""Archiving: orders that ended long ago leave the database for files. What their rows proved stays proved.

    lock the payments, the orders and the stock records
    judge each order again: who has something under way, or does not agree, stays
    write the file, and have the disk say that it has it
    keep anybody from beginning to count what buyers have
    insert what stays: the file's sums, a row an order, the pieces of buyers, the pieces that products sold
    delete lines, orders and records, each as it was read
    COMMIT

Whoever dies before COMMIT leaves a file of orders that are all still there; it is replaced, or named by
`check_archives`. Payments and refunds stay as they are. Why: docs/adr/0042-old-orders.md.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db.models import QuerySet

from charites.common.ids import CLOCKS_DIFFER
from charites.common.transactions import Undone, expect_rows, reading, run
from messaging.webhooks.reading import oldest_announced_at
from orders import selectors
from orders.archives import ArchiveFile, write_archive
from orders.history import History, Kept, find_kept, read_histories
from orders.limits import keep_counted
from orders.models import Archive, ArchivedOrder, Order, OrderDetail, Payment
from orders.pieces import ARCHIVED, Share
from stock.services import carry_over, lock_records

log = structlog.get_logger(__name__)

# So long nothing about an order may have changed: card networks let a buyer dispute a payment for four months.
UNCHANGED = timedelta(days=180)
STEP, MOST_LINES = 500, 1_000  # of one transaction and file; what is on a line nobody bounds
PAGE = 500


@dataclass(slots=True)
class Archived:
    """What became of some old orders: how many left, in how many files, and how many stay, by why."""

    orders: int = 0
    files: int = 0
    kept: Counter[Kept] = field(default_factory=Counter)

    def add(self, other: "Archived") -> None:
        self.orders += other.orders
        self.files += other.files
        self.kept += other.kept


def archive_old(*, folder: Path, placed_before: datetime, now: datetime) -> Iterator[Archived]:
    """Archives orders that ended, were placed before a time and have not changed in UNCHANGED, transaction by
    transaction; yields what became of each. Whoever stops in the middle has archived what was yielded.

    Call it outside any transaction. Raises OSError (the step had no effect), Busy, OutcomeUnknown.
    """
    with reading():
        for numbers in old_numbers(placed_before, now):
            yield archive(numbers, folder, placed_before, now)


def find_old(*, placed_before: datetime, now: datetime) -> Iterator[Archived]:
    """The same as far as it can be told without doing it. Raises Busy."""
    with reading():
        for numbers in old_numbers(placed_before, now):
            histories = read_histories(order_ids=numbers)
            kept = find_kept(histories, unchanged_since=now - UNCHANGED)
            leaving = len(histories) - len(kept)
            yield Archived(leaving, bool(leaving), Counter(kept.values()))


def archivable_until(*, placed_before: datetime) -> datetime:
    """Returns from when on orders stay: that time, or an earlier one where events have waited so long to be spread. Of
    a new order that was announced only its number is kept: the rest is read when endpoints are told of it. Raises Busy.
    """
    with reading():
        announced_at = oldest_announced_at()
    return min(placed_before, announced_at - CLOCKS_DIFFER) if announced_at else placed_before


def old_numbers(placed_before: datetime, now: datetime) -> Iterator[list[int]]:
    """Yields the numbers of orders to look at, as many as one transaction takes."""
    until = archivable_until(placed_before=placed_before)
    pages = selectors.pages_of_ended(placed_before=until, unchanged_since=now - UNCHANGED, page=PAGE)
    portion: list[int] = []
    lines = 0
    for page in pages:
        counts = selectors.count_lines(order_ids=page) if page else {}
        for order_id in page:
            more = counts.get(order_id, 0)
            if portion and (len(portion) == STEP or lines + more > MOST_LINES):
                yield portion
                portion, lines = [], 0
            portion.append(order_id)
            lines += more
    if portion:
        yield portion


def archive(numbers: Sequence[int], folder: Path, placed_before: datetime, now: datetime) -> Archived:
    """Archives those of the orders that may leave, in one transaction."""
    ended = selectors.ended_orders(placed_before=placed_before, unchanged_since=now - UNCHANGED)
    written: list[ArchiveFile] = []
    archived = Archived()

    def work() -> Archived:
        nonlocal archived
        lock_all(numbers)
        still = list(ended.filter(order_id__in=numbers).values_list("order_id", flat=True))
        histories = read_histories(order_ids=still)
        kept = find_kept(histories, unchanged_since=now - UNCHANGED)
        leaving = [history for history in histories if history.order.order_id not in kept]
        archived = Archived(len(leaving), bool(leaving), Counter(kept.values()))
        written[:] = [write_archive(folder, leaving)] if leaving else []
        for file in written:
            keep_what_stays(file, leaving)
            delete(leaving, ended)
        return archived

    def find() -> Archived | Undone:
        """After a COMMIT without a reply: whether the row of our file is there."""
        rows = Archive.objects.select_for_update().filter(name__in=[file.name for file in written])
        return archived if not written or list(rows) else Undone.BUSY

    run(work, name="archive_orders", find=find)
    for file in written:
        log.info("orders_archived", file=file.name, orders=archived.orders)
    return archived


def lock_all(numbers: Sequence[int]) -> None:
    """Locks everything about these orders, in the order in which everybody does. Nobody stands in line there: they
    ended half a year ago."""
    of_these = {"order_id__in": numbers}
    list(Payment.objects.filter(**of_these).order_by("payment_id").select_for_update().values_list("pk"))
    list(Order.objects.filter(**of_these).order_by("order_id").select_for_update().values_list("pk"))
    if "stock" in settings.APPS:
        lock_records(order_ids=numbers)


def keep_what_stays(file: ArchiveFile, histories: Sequence[History]) -> None:
    """Inserts what the database keeps of orders that leave."""
    keep_counted()  # after the file: who begins to count does not wait for the disk
    archive = Archive.objects.create(
        name=file.name,
        digest=file.digest,
        orders=len(histories),
        amount=sum(history.order.pay_amount for history in histories),
        pieces=sum(sum(history.pieces.values()) for history in histories),
    )
    ArchivedOrder.objects.bulk_create(as_archived(history, archive.pk) for history in histories)
    add_pieces(histories)
    carry_over(records=[record for history in histories for record in history.records])


def as_archived(history: History, archive_id: int) -> ArchivedOrder:
    order, paid_by = history.order, history.paid_by
    return ArchivedOrder(
        order_id=order.order_id,
        user_id=order.user_id,
        status=order.status,
        pay_amount=order.pay_amount,
        payment_id=paid_by.payment_id if paid_by else None,
        pieces=sum(history.pieces.values()),
        idempotency_key=order.idempotency_key,
        archive_id=archive_id,
    )


def add_pieces(histories: Iterable[History]) -> None:
    """Adds to what buyers have in archived orders. Raises Stale where another archiving was faster."""
    pieces: Counter[Share] = Counter()
    for history in histories:
        for goods_id, number in history.pieces.items():
            pieces[goods_id, history.order.user_id] += number
    ARCHIVED.add(pieces, known=ARCHIVED.find(pieces))


def delete(histories: Sequence[History], ended: QuerySet[Order]) -> None:
    """Deletes the lines of orders and the orders; `ended`: as they were read."""
    numbers = [history.order.order_id for history in histories]
    gone, _tables = OrderDetail.objects.filter(order_id__in=numbers).delete()
    expect_rows(gone, sum(len(history.lines) for history in histories))
    gone, _tables = ended.filter(order_id__in=numbers).delete()
    expect_rows(gone, len(numbers))
