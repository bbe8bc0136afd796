"""The visitor's own orders, as the page of a room shows them: what became of each, and until when it can be paid."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from orders.models import Order
from orders.refunds import REFUNDABLE
from orders.selectors import OrderWithLines, list_begun_payments, list_refunds, sum_sent_back
from orders.services import pay_by


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """`is_payable`: a payment can still begin, until `pay_by`; `may_be_paid`: one has begun, so that the provider may
    know of money that the shop has not heard of; `is_sent_back`: money that came too late; `sent_back`: cents of an
    order that is paid."""

    found: OrderWithLines
    pay_by: datetime
    is_payable: bool
    may_be_paid: bool = False
    is_sent_back: bool = False
    sent_back: int = 0

    @property
    def order(self) -> Order:
        return self.found.order

    @property
    def state(self) -> str:
        """The name of the status; it stands in the page."""
        return Order.Status(self.order.status).name.lower()

    @property
    def step(self) -> str:
        """What the page has to show anew when it is another one."""
        return f"{self.state} {self.is_payable} {self.may_be_paid} {self.is_sent_back} {self.sent_back}"


def own_order(found: OrderWithLines, now: datetime) -> OwnOrder:
    """The order that is shown."""
    order = found.order
    is_unpaid = order.status == Order.Status.UNPAID
    return OwnOrder(
        found,
        pay_by(order),
        is_payable=is_unpaid and now < pay_by(order),
        may_be_paid=is_unpaid and bool(list_begun_payments(order_ids=[order.order_id])),
        is_sent_back=order.status == Order.Status.CLOSED and bool(list_refunds(order_id=order.order_id)),
        sent_back=sent_back_of([found]).get(order.order_id, 0),
    )


def sent_back_of(orders: Sequence[OrderWithLines]) -> dict[int, int]:
    """Returns order_id -> cents that were sent back to the buyer, for those of the orders that are paid."""
    paid = [found.order.order_id for found in orders if found.order.status in REFUNDABLE]
    return sum_sent_back(order_ids=paid, currency=settings.CURRENCY)


def waiting_orders(unpaid: Sequence[OrderWithLines], shown: OwnOrder | None, now: datetime) -> list[OwnOrder]:
    """Those of the unpaid orders that are not shown and can still be paid, the one whose time ends first in front."""
    payable = [OwnOrder(found, pay_by(found.order), is_payable=True) for found in unpaid if now < pay_by(found.order)]
    number = shown and shown.order.order_id
    return sorted((own for own in payable if own.order.order_id != number), key=lambda own: own.pay_by)
