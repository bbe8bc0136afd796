"""What is written down of Stripe's: the number of each payment's session, by which alone Stripe finds it."""

from django.db import connection

from charites.common.transactions import run
from orders.models import StripeSession


def remember(payment_id: int, session_id: str) -> None:
    """Keeps the number of a payment's session before anybody is told its page; the same again is harmless. Raises Busy,
    OutcomeUnknown."""
    row = StripeSession(payment_id=payment_id, session_id=session_id)
    has_target = connection.features.supports_update_conflicts_with_target

    def write() -> None:
        StripeSession.objects.bulk_create(
            [row],
            update_conflicts=True,
            update_fields=["payment_id"],
            unique_fields=["payment_id"] if has_target else None,
        )

    run(write, name="stripe_begin")


def find(payment_id: int) -> str | None:
    rows = StripeSession.objects.filter(payment_id=payment_id)
    return rows.values_list("session_id", flat=True).first()
