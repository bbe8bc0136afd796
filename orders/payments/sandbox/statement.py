"""The sandbox's file of a day: what it took and what it sent back, as CSV."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from orders.models import SandboxPayment, SandboxRefund
from orders.payments.sandbox.notices import as_time
from orders.payments.statements import Kind, StatementLine, number_in, rows_of, unreadable

COLUMNS = ["kind", "our_id", "trade_id", "amount", "currency", "happened_at"]
STEP = 500


def read_lines(lines: Iterable[str]) -> Iterator[StatementLine]:
    """Yields the lines of a file. Raises StatementUnreadable."""
    rows = rows_of(lines)
    _number, columns = next(rows, (1, []))
    if columns != COLUMNS:
        raise unreadable(1, _("the columns are %(columns)s") % {"columns": ", ".join(COLUMNS)})
    for number, cells in rows:
        yield as_line(number, cells)


def as_line(number: int, cells: list[str]) -> StatementLine:
    """What a line says; what cannot be is left to `orders.payments.statements`."""
    if len(cells) != len(COLUMNS):
        raise unreadable(number, _("it has %(cells)s cells") % {"cells": len(cells)})
    kind, our_id, trade_id, amount, currency, happened_at = cells
    if kind not in list(Kind):
        raise unreadable(number, _("%(kind)s is no kind of line") % {"kind": repr(kind[:20])})
    moment: Any = as_time(happened_at) or happened_at
    return StatementLine(
        number=number,
        kind=Kind(kind),
        trade_id=trade_id,
        our_id=number_in(our_id) if our_id else None,
        amount=number_in(amount),
        currency=currency,
        happened_at=moment,
    )


def write_lines(*, since: datetime, until: datetime) -> Iterator[list[Any]]:
    """Yields the rows of the file of a span of time, the header first."""
    yield COLUMNS
    taken = SandboxPayment.objects.filter(captured_at__gte=since, captured_at__lt=until).order_by("pk")
    for row in taken.iterator(STEP):
        moment = row.captured_at.isoformat() if row.captured_at else ""
        yield [Kind.CAPTURE.value, row.payment_id, row.trade_id, row.amount, row.currency, moment]
    sent = SandboxRefund.objects.filter(created_at__gte=since, created_at__lt=until).order_by("pk")
    after = 0
    while page := list(sent.filter(pk__gt=after)[:STEP]):
        payments = {
            row.payment_id: row
            for row in SandboxPayment.objects.filter(payment_id__in=[refund.payment_id for refund in page])
        }
        for refund in page:
            payment = payments[refund.payment_id]
            moment = refund.created_at.isoformat()
            yield [Kind.REFUND.value, refund.refund_id, payment.trade_id, refund.amount, payment.currency, moment]
        after = page[-1].pk
