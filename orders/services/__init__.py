"""Everything that changes orders. Services take many; one is the case n = 1. `now` is the clock that decides."""

from orders.services.archiving import UNCHANGED, Archived, archivable_until, archive_old, find_old
from orders.services.checking_archives import CheckedFile, check_archives
from orders.services.closing import (
    cancel_order,
    cancel_orders,
    close_due,
    close_overdue_payments,
    complete_order,
    complete_orders,
)
from orders.services.comparing import Booking, Comparison, Difference, Finding, book_missing, compare_statement
from orders.services.forgetting import forget_buyer, forget_old, forget_order
from orders.services.paying import (
    BegunPayment,
    begin_payment,
    begin_payments,
    close_unsellable,
    pay_by,
    receive_notice,
    record_captures,
)
from orders.services.placing import TIMEOUT_TASK, Placed, place_order, place_orders
from orders.services.reconciling import ask_about_order, ask_about_payments, ask_now, reconcile
from orders.services.refunding import send_forgotten_refunds, send_refunds
from orders.services.requesting_refunds import RequestedRefund, refund_order, refund_orders
from orders.services.returning import list_returning, return_pieces

__all__ = [
    "TIMEOUT_TASK",
    "UNCHANGED",
    "Archived",
    "BegunPayment",
    "Booking",
    "CheckedFile",
    "Comparison",
    "Difference",
    "Finding",
    "Placed",
    "RequestedRefund",
    "archivable_until",
    "archive_old",
    "ask_about_order",
    "ask_about_payments",
    "ask_now",
    "begin_payment",
    "begin_payments",
    "book_missing",
    "cancel_order",
    "cancel_orders",
    "check_archives",
    "close_due",
    "close_overdue_payments",
    "compare_statement",
    "complete_order",
    "complete_orders",
    "find_old",
    "forget_buyer",
    "forget_old",
    "forget_order",
    "list_returning",
    "pay_by",
    "place_order",
    "place_orders",
    "receive_notice",
    "reconcile",
    "record_captures",
    "refund_order",
    "refund_orders",
    "close_unsellable",
    "return_pieces",
    "send_forgotten_refunds",
    "send_refunds",
]
