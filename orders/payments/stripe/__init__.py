"""Stripe behind the port, by its own library: hosted pages of Checkout, refunds in parts, signed events, and the report
of a day. Never run against Stripe itself by us, but against its own stand-in: docs/payments.md.

`provider` is what the shop calls, `notices` reads events, `statement` the report. The library is an extra
(requirements-stripe.txt), loaded only where PAYMENT_PROVIDER names this.
"""

from orders.payments.stripe.provider import Stripe

__all__ = ["Stripe"]
