"""All that is known of orders that may leave the database, and why one of them stays.

What does not agree stays: the rules of the audit find it, and would not in a file.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from charites.common.models import MAX_INT64
from messaging.models import Message
from orders.models import ON_ITS_WAY, Order, OrderDetail, Payment, Refund, RefundLine
from orders.refunds import left_of
from orders.selectors import list_archived_alike
from stock.models import SHOP, StockRecord
from stock.records import NAMELESS
from stock.selectors import list_records

LARGEST_AMOUNT = MAX_INT64 // 10_000  # in cents: that many orders of it can still be added up
OWNERS = (SHOP, NAMELESS)
FINISHED = (Message.State.DONE, Message.State.ABORTED)
RECORD_STATUS = {
    Order.Status.CLOSED: StockRecord.Status.ROLLED_BACK,
    Order.Status.PAID: StockRecord.Status.DEDUCTED,
    Order.Status.COMPLETED: StockRecord.Status.DEDUCTED,
}


class Kept(StrEnum):
    """Why orders stay."""

    OPEN = "paid, and neither completed nor refunded whole"
    MONEY = "money of theirs has moved lately, or may still"
    MESSAGE = "a message about them is not done"
    LARGE = "their amount is too large to be added up"
    DIFFERENT = "their rows do not agree with one another: see manage.py audit"


@dataclass(slots=True)
class History:
    """An order, and all rows that are about it."""

    order: Order
    lines: list[OrderDetail] = field(default_factory=list)
    records: list[StockRecord] = field(default_factory=list)  # none where stock is another service
    payments: list[Payment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    returned: list[RefundLine] = field(default_factory=list)

    @property
    def paid_by(self) -> Payment | None:
        """The payment that paid it."""
        return next((payment for payment in self.captured if self.is_paid_by(payment)), None)

    @property
    def captured(self) -> list[Payment]:
        return [payment for payment in self.payments if payment.status == Payment.Status.CAPTURED]

    @property
    def money(self) -> list[Payment | Refund]:
        return [*self.payments, *self.refunds]

    @property
    def is_closed(self) -> bool:
        return self.order.status == Order.Status.CLOSED

    @property
    def pieces(self) -> dict[int, int]:
        """What it sold: goods_id -> pieces."""
        return {} if self.is_closed else {line.goods_id: line.num for line in self.lines}

    def is_paid_by(self, payment: Payment) -> bool:
        paid = (payment.channel, payment.trade_id, payment.amount, payment.currency)
        order = self.order
        return not self.is_closed and paid == (order.pay_channel, order.trade_id, order.pay_amount, settings.CURRENCY)


def read_histories(*, order_ids: Collection[int]) -> list[History]:
    """Returns what is known of those of the orders that exist, by number: one statement a table."""
    orders = Order.objects.filter(order_id__in=order_ids).order_by("order_id")
    histories = {order.order_id: History(order) for order in orders}
    for line in of_orders(OrderDetail.objects.order_by("goods_id"), histories):
        histories[line.order_id].lines.append(line)
    for record in list_records(order_ids=list(histories)) if "stock" in settings.APPS else ():
        histories[record.order_id].records.append(record)
    for payment in of_orders(Payment.objects.order_by("payment_id"), histories):
        histories[payment.order_id].payments.append(payment)
    for refund in of_orders(Refund.objects.order_by("pk"), histories):
        histories[refund.order_id].refunds.append(refund)
    for piece in of_orders(RefundLine.objects.order_by("pk"), histories):
        histories[piece.order_id].returned.append(piece)
    return list(histories.values())


def of_orders(rows: QuerySet[Any], order_ids: Iterable[int]) -> QuerySet[Any]:
    return rows.filter(order_id__in=list(order_ids))


def find_kept(histories: Sequence[History], *, unchanged_since: datetime) -> dict[int, Kept]:
    """Returns order_id -> why it stays, for those of the orders that do."""
    reasons = {history.order.order_id: why_kept(history, unchanged_since) for history in histories}
    reasons |= dict.fromkeys(find_taken(histories), Kept.DIFFERENT)
    reasons |= dict.fromkeys(find_busy(histories), Kept.MESSAGE)
    return {order_id: reason for order_id, reason in reasons.items() if reason}


def find_taken(histories: Sequence[History]) -> set[int]:
    """Which of the orders have the number or the key of an archived one: a version that knew of none placed them."""
    alike = list_archived_alike(orders=[history.order for history in histories])
    numbers = {archived.order_id for archived in alike}
    keys = {(archived.user_id, archived.idempotency_key) for archived in alike if archived.idempotency_key is not None}
    return {
        history.order.order_id
        for history in histories
        if history.order.order_id in numbers or (history.order.user_id, history.order.idempotency_key) in keys
    }


def find_busy(histories: Sequence[History]) -> set[int]:
    """Which of the orders have a message that is not done: about them, their payments or their refunds."""
    orders_of: Mapping[str, set[int]] = defaultdict(set)
    for history in histories:
        for key in keys_of(history):
            orders_of[str(key)].add(history.order.order_id)
    waiting = Message.objects.filter(key__in=list(orders_of)).exclude(state__in=FINISHED)
    return {order_id for key in waiting.values_list("key", flat=True) for order_id in orders_of[key]}


def keys_of(history: History) -> Iterator[int]:
    """The numbers that messages are sent under."""
    yield history.order.order_id
    yield from (payment.payment_id for payment in history.payments)
    yield from (refund.refund_id for refund in history.refunds)


def why_kept(history: History, unchanged_since: datetime) -> Kept | None:
    """Why an order stays that ended long ago, going by its own rows; None: it may leave."""
    if any(map(is_under_way, history.money)) or any(row.updated_at >= unchanged_since for row in history.money):
        return Kept.MONEY
    if history.order.status == Order.Status.PAID and not is_sent_back(history, history.paid_by):
        return Kept.OPEN
    if history.order.pay_amount > LARGEST_AMOUNT or sum(history.pieces.values()) > LARGEST_AMOUNT:
        return Kept.LARGE
    return None if has_right_lines(history) and has_right_money(history) else Kept.DIFFERENT


def is_under_way(row: Payment | Refund) -> bool:
    """Whether a payment may still bring money, or a refund is yet to leave."""
    if isinstance(row, Payment):
        return row.status == Payment.Status.BEGUN or row.next_question_at is not None
    return row.status in ON_ITS_WAY


def is_sent_back(history: History, payment: Payment | None) -> bool:
    """Whether all of a payment's money has gone back."""
    return payment is not None and left_of(payment, history.refunds) == 0


def has_right_lines(history: History) -> bool:
    """Whether its lines are right and make its amount, no more of them came back, and its stock records are those of
    its lines, in the state of its end."""
    lines = {line.goods_id: line.num for line in history.lines}
    status = RECORD_STATUS[Order.Status(history.order.status)]
    ours = (status, StockRecord.Source.ORDER, True)
    records = {
        record.goods_id: record.num
        for record in history.records
        if (record.status, record.kind, record.owner in OWNERS) == ours
    }
    has_stock = "stock" not in settings.APPS or (records == lines and len(history.records) == len(lines))
    has_amount = sum(line.pay_amount for line in history.lines) == history.order.pay_amount
    returned: Counter[int] = Counter()
    for piece in history.returned:
        returned[piece.goods_id] += piece.num
    return bool(lines) and all(map(is_right, history.lines)) and has_amount and returned <= Counter(lines) and has_stock


def is_right(line: OrderDetail) -> bool:
    return line.num >= 1 and line.price >= 0 and line.pay_amount == line.price * line.num


def has_right_money(history: History) -> bool:
    """Whether it was paid once if at all, and what else came in has gone back."""
    paid_by = history.paid_by
    others = [payment for payment in history.captured if payment is not paid_by]
    return history.is_closed == (paid_by is None) and all(is_sent_back(history, payment) for payment in others)
