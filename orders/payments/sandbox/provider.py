"""The sandbox as the shop sees it, through the port."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from django.conf import settings
from django.core.signing import Signer
from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from charites.common.strict_json import read_json
from charites.common.transactions import run
from orders.models import SandboxPayment
from orders.payloads import Capture
from orders.payments import signing
from orders.payments.port import PaymentRequest, RefundRequest, check_notice
from orders.payments.sandbox.ledger import insert_open, write_capture, write_close, write_refund
from orders.payments.sandbox.notices import CHANNEL, as_capture, notice_of
from orders.payments.sandbox.statement import read_lines
from orders.payments.statements import StatementLine


class Sandbox:
    """See `orders.payments.port.Provider`. Outcomes of `begin`: `now` pays at once, `page` waits for the page."""

    channel = CHANNEL

    def begin(self, request: PaymentRequest, *, outcome: str, timeout_seconds: float, now: datetime) -> str:
        def open_payment() -> None:
            insert_open(request)
            if outcome == "now":
                write_capture(request.payment_id, now=now)

        run(open_payment, name="sandbox_begin")
        link = Signer(salt=CHANNEL).sign(str(request.payment_id))
        return f"{settings.PUBLIC_URL}/sandbox/pay/{link}"

    def close(self, payment_id: int, *, timeout_seconds: float, now: datetime) -> Capture | None:
        if run(lambda: write_close(payment_id, now=now), name="sandbox_close"):
            return None
        return self.query(payment_id, timeout_seconds=timeout_seconds)

    def query(self, payment_id: int, *, timeout_seconds: float) -> Capture | None:
        row = SandboxPayment.objects.filter(payment_id=payment_id, status=SandboxPayment.Status.CAPTURED).first()
        return as_capture(notice_of(row)) if row else None

    def refund(self, request: RefundRequest, *, timeout_seconds: float, now: datetime) -> None:
        run(lambda: write_refund(request, now=now), name="sandbox_refund")

    def read_statement(self, lines: Iterable[str]) -> Iterator[StatementLine]:
        return read_lines(lines)

    def read_notice(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture:
        accepted = [settings.PAYMENT_SECRET, *settings.PAYMENT_SECRET_FALLBACKS]
        signing.verify(secrets=accepted, headers=headers, body=body, now=now)
        notice = read_json(body)
        if not isinstance(notice, dict):
            raise Invalid("body", _("is not a notice of a captured payment"))
        return check_notice(as_capture(notice))
