"""Providers for tests; each stands behind the port of `orders.payments.provider`."""

from collections.abc import Mapping
from datetime import datetime

from orders.moves import Capture
from orders.payments.provider import PaymentRequest


class Away:
    """Answers nothing."""

    channel = "sandbox"

    def begin(self, request: PaymentRequest, *, outcome: str, now: datetime) -> str:
        raise ConnectionError("away")

    def close(self, payment_id: int, *, timeout_seconds: float, now: datetime) -> Capture | None:
        raise ConnectionError("away")

    def query(self, payment_id: int, *, timeout_seconds: float) -> Capture | None:
        raise ConnectionError("away")

    def refund(self, *, payment_id: int, trade_id: str, amount: int, now: datetime) -> None:
        raise ConnectionError("away")

    def read_notice(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture:
        raise ConnectionError("away")


AWAY = "orders.tests.providers.Away"
