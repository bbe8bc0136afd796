"""Stripe's report of a day, "Balance change from activity, itemized", as CSV with the columns of our numbers: see
https://docs.stripe.com/reports/report-types/balance."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from charites.common.money import places_of
from orders.payments.statements import Kind, StatementLine, number_in, rows_of, unreadable
from orders.payments.stripe.notices import PAYMENT_MARK, REFUND_MARK

OF_PAYMENT, OF_REFUND = f"payment_metadata[{PAYMENT_MARK}]", f"refund_metadata[{REFUND_MARK}]"
NEEDED = {"created_utc", "reporting_category", "gross", "currency", "payment_intent_id", OF_PAYMENT, OF_REFUND}
# Category -> what a line of it is, and the column of our number; none: it is no payment or refund that the shop made,
# and is named for people to look at.
KINDS = {
    "charge": (Kind.CAPTURE, OF_PAYMENT),
    "refund": (Kind.REFUND, OF_REFUND),
    "refund_failure": (Kind.REFUND, ""),
    "charge_failure": (Kind.REFUND, ""),
    "dispute": (Kind.REFUND, ""),
    "dispute_reversal": (Kind.REFUND, ""),
}
# Category -> whether its money goes out; what comes the other way has a category of its own.
GOES_OUT = {"charge": False, "refund": True}
AMOUNT = re.compile(r"-?(\d{1,19}(\.\d{1,9})?)", re.ASCII)


def read_report(lines: Iterable[str]) -> Iterator[StatementLine]:
    """Yields what was paid, sent back and disputed of our payments; fees, payouts and other programs' money are passed
    over. Raises StatementUnreadable."""
    rows = rows_of(lines)
    _number, columns = next(rows, (1, []))
    if missing := NEEDED - set(columns):
        raise unreadable(1, _("it lacks the columns %(columns)s") % {"columns": ", ".join(sorted(missing))})
    if twice := [name for name, times in Counter(columns).items() if times > 1]:
        raise unreadable(1, _("it has the columns %(columns)s twice") % {"columns": ", ".join(twice)[:200]})
    for number, cells in rows:
        if len(cells) != len(columns):
            raise unreadable(number, _("it has %(cells)s cells") % {"cells": len(cells)})
        row = dict(zip(columns, cells, strict=True))
        if row["reporting_category"] in KINDS and (row[OF_PAYMENT] or row[OF_REFUND]):
            yield as_line(number, row)


def as_line(number: int, row: Mapping[str, str]) -> StatementLine:
    """What a line says; what cannot be is left to `orders.payments.statements`."""
    category, gross = row["reporting_category"], row["gross"]
    kind, column = KINDS[category]
    if gross.startswith("-") != GOES_OUT.get(category, gross.startswith("-")):
        about = {"category": category, "gross": repr(gross[:20])}
        raise unreadable(number, _("a %(category)s of %(gross)s goes the other way") % about)
    our_id = row[column] if column else ""
    # The buyer's money, where the account keeps another currency.
    amount = row.get("customer_facing_amount") or gross
    currency = (row.get("customer_facing_currency") or row["currency"]).upper()
    try:
        happened_at = datetime.strptime(row["created_utc"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise unreadable(number, _("created_utc is no time")) from error
    return StatementLine(
        number=number,
        kind=kind,
        trade_id=row["payment_intent_id"],
        our_id=number_in(our_id) if our_id else None,
        amount=units(number, amount, currency),
        currency=currency,
        happened_at=happened_at,
    )


def units(number: int, text: str, currency: str) -> int:
    """The smallest units in an amount such as -19.90, without its sign. Raises StatementUnreadable."""
    found = AMOUNT.fullmatch(text)
    exact = Decimal(found[1]).scaleb(places_of(currency)) if found else None
    if exact is None or exact != exact.to_integral_value():
        about = {"text": repr(text[:20]), "currency": repr(currency[:20])}
        raise unreadable(number, _("%(text)s is no amount of %(currency)s") % about)
    return int(exact)
