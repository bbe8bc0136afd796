"""What is stored after a fault: who paid, who was closed, where the money is. Every finding names the order."""

from collections import Counter, defaultdict

from django.utils import timezone

from charites.audit import run_audit
from orders.models import Order, Payment, Refund, SandboxPayment


def findings() -> list[str]:
    """What the audit finds now; nothing when all is well."""
    results = run_audit(now=timezone.now())
    return [f"{result.check.id}: {', '.join(result.ids)}" for result in results if result.total]


def wrong_endings(order_ids: list[int]) -> dict[int, str]:
    """The orders that did not come to a good end, and why: neither paid nor closed, changed twice, paid by nothing, or
    with money that nobody sends back."""
    orders = Order.objects.filter(order_id__in=order_ids).order_by("order_id")
    captured: dict[int, list[Payment]] = defaultdict(list)
    for payment in Payment.objects.filter(order_id__in=order_ids, status=Payment.Status.CAPTURED):
        captured[payment.order_id].append(payment)
    by_themselves = Refund.objects.filter(order_id__in=order_ids).exclude(reason=Refund.Reason.STAFF)
    refunds = Counter(by_themselves.values_list("payment_id", flat=True))
    faults = {order.order_id: wrong_ending(order, captured[order.order_id], refunds) for order in orders}
    return {order_id: fault for order_id, fault in faults.items() if fault}


def wrong_ending(order: Order, captured: list[Payment], refunds: Counter[int]) -> str:
    """What is wrong with the end of one order; empty when nothing is."""
    if order.status not in (Order.Status.PAID, Order.Status.CLOSED):
        return f"is {order.get_status_display()}"
    if order.version != 1:
        return f"has changed {order.version} times"
    is_paid = order.status == Order.Status.PAID
    paid_by = [payment for payment in captured if is_paid and payment.trade_id == order.trade_id]
    if len(paid_by) != is_paid:
        return f"is paid {len(paid_by)} times"
    for payment in captured:
        if refunds[payment.payment_id] != (payment not in paid_by):
            return f"has {refunds[payment.payment_id]} refunds of payment {payment.payment_id}"
    return ""


def unheard_of() -> list[int]:
    """Payments for which the provider has the buyer's money, and the shop does not know."""
    known = Payment.objects.filter(status=Payment.Status.CAPTURED).values_list("trade_id", flat=True)
    taken = SandboxPayment.objects.filter(status=SandboxPayment.Status.CAPTURED).exclude(trade_id__in=known)
    return list(taken.values_list("payment_id", flat=True))
