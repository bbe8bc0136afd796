"""The port to a payment provider. A real one is a class with these methods, named by `PAYMENT_PROVIDER`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from orders.errors import PaymentsUnavailable
from orders.moves import Capture


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """What we ask a provider to collect: `amount` cents before `expires_at`, under our `payment_id`."""

    payment_id: int
    order_id: int
    amount: int
    currency: str
    expires_at: datetime


class Provider(Protocol):
    """Every call may raise anything; the caller treats that as no answer. None is made inside a transaction."""

    channel: str

    def begin(self, request: PaymentRequest, *, outcome: str, now: datetime) -> str:
        """Opens a payment and returns the address of its pay page. Asking again for the same payment is harmless."""

    def close(self, payment_id: int, *, timeout_seconds: float, now: datetime) -> Capture | None:
        """Makes sure that no money comes in any more: None when closed, the capture when it came in before."""

    def query(self, payment_id: int, *, timeout_seconds: float) -> Capture | None:
        """Returns the capture of a payment, or None while there is none."""

    def refund(self, *, payment_id: int, trade_id: str, amount: int, now: datetime) -> None:
        """Sends money back; the same again is harmless."""

    def read_notice(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture:
        """Returns the capture that a callback reports. Raises BadSignature, Invalid."""


@cache
def _provider(path: str) -> Provider:
    provider: Provider = import_string(path)()
    return provider


def get_provider() -> Provider:
    """Returns the configured provider. Raises PaymentsUnavailable when none is."""
    if not settings.PAYMENT_PROVIDER:
        raise PaymentsUnavailable
    return _provider(settings.PAYMENT_PROVIDER)
