"""Stripe behind the port, by its own library: hosted pages of Checkout, refunds in parts, signed events, and the report
of a day. Never run against Stripe itself, but against its own stand-in: docs/payments.md.

`provider` is what the shop calls, `connection` how Stripe is reached, `ledger` what is written down, `notices` reads
events, `statement` the report. The library is an extra (requirements-stripe.txt), loaded only where PAYMENT_PROVIDER
names this.
"""

from django.core.exceptions import ImproperlyConfigured

try:
    from orders.payments.stripe.provider import Stripe
except ModuleNotFoundError as error:
    if error.name != "stripe":
        raise
    raise ImproperlyConfigured("Stripe's library is not there: pip install -r requirements-stripe.txt.") from error

__all__ = ["Stripe"]
