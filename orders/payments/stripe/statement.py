"""Stripe's report of a day: "Balance change from activity, itemized", as CSV, in UTC."""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from charites.common.money import places_of
from charites.common.text import whole
from orders.payments.statements import Kind, StatementLine, unreadable

KINDS = {"charge": Kind.CAPTURE, "payment": Kind.CAPTURE, "refund": Kind.REFUND, "payment_refund": Kind.REFUND}
NEEDED = {
    "created_utc",
    "reporting_category",
    "gross",
    "currency",
    "payment_intent_id",
    "payment_metadata[payment_id]",
    "refund_metadata[refund_id]",
}
OUR_ID = {Kind.CAPTURE: "payment_metadata[payment_id]", Kind.REFUND: "refund_metadata[refund_id]"}


def read_report(lines: Iterable[str]) -> Iterator[StatementLine]:
    """Yields the charges and refunds of a report that carry our numbers: fees, payouts and other programs' money are
    passed over. Raises StatementUnreadable."""
    reader = csv.DictReader(lines, strict=True)
    try:
        if missing := NEEDED - set(reader.fieldnames or ()):
            raise unreadable(1, _("it lacks the columns %(columns)s") % {"columns": ", ".join(sorted(missing))})
        for row in reader:
            kind = KINDS.get(row["reporting_category"] or "")
            if kind and row[OUR_ID[kind]]:
                yield as_line(reader.line_num, kind, row)
    except csv.Error as error:
        raise unreadable(reader.line_num, str(error)) from error


def as_line(number: int, kind: Kind, row: dict[str, str]) -> StatementLine:
    amount, currency = (
        (row.get("customer_facing_amount") or row["gross"]),
        (row.get("customer_facing_currency") or row["currency"] or "").upper(),
    )
    try:
        happened_at = datetime.strptime(row["created_utc"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise unreadable(number, _("created_utc is no time")) from error
    return StatementLine(
        number=number,
        kind=kind,
        trade_id=row["payment_intent_id"] or "",
        our_id=whole(row[OUR_ID[kind]]) or 0,
        amount=units(number, amount, currency),
        currency=currency,
        happened_at=happened_at,
    )


def units(number: int, text: str, currency: str) -> int:
    """The smallest units in an amount such as -19.90, without its sign. Raises StatementUnreadable."""
    try:
        exact = abs(Decimal(text)).scaleb(places_of(currency))
        if exact != exact.to_integral_value():
            raise InvalidOperation
    except (InvalidOperation, ValueError, KeyError) as error:
        raise unreadable(
            number, _("%(text)s is no amount of %(currency)s") % {"text": text, "currency": currency}
        ) from error
    return int(exact)
