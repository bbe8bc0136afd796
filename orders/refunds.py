"""Money on its way back: what is left of an order's, the rows that say what leaves, and the messages that send it."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from messaging.services import Draft, publish_many
from orders.models import OF_ITS_ORDER, Order, OrderDetail, Payment, Refund, RefundLine

REFUND_TOPIC = "payment_refund"
REQUESTED_TOPIC = "order_refund"
RETURN_TOPIC = "stock_returned"
REFUNDABLE = (Order.Status.PAID, Order.Status.COMPLETED)


@dataclass(slots=True)
class Account:
    """What came in for an order and what went back, money and pieces."""

    order: Order
    payment: Payment | None  # that paid it
    refunds: list[Refund] = field(default_factory=list)
    bought: Counter[int] = field(default_factory=Counter)  # goods_id -> pieces
    returned: Counter[int] = field(default_factory=Counter)
    titles: dict[int, str] = field(default_factory=dict)  # goods_id -> as it was when the order was placed

    @property
    def is_refundable(self) -> bool:
        return self.payment is not None and self.order.status in REFUNDABLE

    @property
    def left(self) -> int:
        """Cents that can be refunded."""
        return left_of(self.payment, self.refunds) if self.payment else 0

    @property
    def refunded(self) -> int:
        """Cents of what paid the order that have left or are about to."""
        gone = [refund for refund in self.refunds if refund.status != Refund.Status.REFUSED]
        return sum(refund.amount for refund in gone if refund.reason in OF_ITS_ORDER)

    @property
    def kept(self) -> Counter[int]:
        """Pieces that can come back: goods_id -> pieces."""
        return self.bought - self.returned

    def find(self, key: str) -> Refund | None:
        """The refund that somebody asked for under a key."""
        return next((refund for refund in self.refunds if refund.idempotency_key == key), None)


def read_accounts(*, order_ids: Collection[int], locked: bool = False) -> dict[int, Account]:
    """Returns order_id -> what is known of its money, for the orders that exist.

    `locked`: under the locks of their captured payments and then of the orders, so that it stays true until the end of
    the transaction.
    """
    captured = Payment.objects.filter(order_id__in=order_ids, status=Payment.Status.CAPTURED).order_by("payment_id")
    orders = Order.objects.filter(order_id__in=order_ids).order_by("order_id")
    if locked:
        captured, orders = captured.select_for_update(), orders.select_for_update()
    payments = {(payment.order_id, payment.channel, payment.trade_id): payment for payment in captured}
    accounts = {
        order.order_id: Account(order, payments.get((order.order_id, order.pay_channel, order.trade_id)))
        for order in orders
    }
    for refund in Refund.objects.filter(order_id__in=accounts).order_by("pk"):
        accounts[refund.order_id].refunds.append(refund)
    for line in OrderDetail.objects.filter(order_id__in=accounts).order_by("goods_id"):
        accounts[line.order_id].bought[line.goods_id] += line.num
        accounts[line.order_id].titles[line.goods_id] = line.title
    for piece in RefundLine.objects.filter(order_id__in=accounts):
        accounts[piece.order_id].returned[piece.goods_id] += piece.num
    return accounts


def left_of(payment: Payment, refunds: Iterable[Refund]) -> int:
    """What of a payment's money is still the shop's: all that came in, less what has left or is about to."""
    gone = [r.amount for r in refunds if r.payment_id == payment.payment_id and r.status != Refund.Status.REFUSED]
    return payment.amount - sum(gone)


class NewRefund(NamedTuple):
    """Money that goes back by itself, by the columns of its row."""

    payment_id: int
    order_id: int
    amount: int
    currency: str
    reason: Refund.Reason


def store_refunds(refunds: Sequence[NewRefund]) -> None:
    """Inserts refund rows, and the messages that send the money back."""
    Refund.objects.bulk_create(Refund(**refund._asdict()) for refund in refunds)
    if refunds:
        keys = [str(refund.payment_id) for refund in refunds]
        publish_many([Draft(REFUND_TOPIC, key, {"payment_id": key}) for key in keys])
