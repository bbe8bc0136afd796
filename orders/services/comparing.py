"""A provider's statement of a day against our own ledger: what is missing here, missing there, or different.

The file is read once for the numbers in it, and once more in portions, each looked up as a set; then comes what we have
of that time and the file has not. Nothing is changed by that. `book_missing` reads it again, and takes what is missing
here as any other news of money.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from charites.common.errors import ServiceError
from charites.common.money import money
from orders import selectors
from orders.models import ON_ITS_WAY, Payment, Refund
from orders.payloads import Capture
from orders.payments.statements import Kind, StatementLine
from orders.services.paying import record_captures

PORTION = 500
NO_NUMBER = "it has no number of ours"
MOST_SHOWN = 1_000  # findings, and reasons, that are kept; all are counted
# A refund is written down after the provider has sent it: one of the last hour may be in the next day's file, or of the
# first in that of the day before. A line beside the day by no more than that is taken for one of the day.
MARGIN = timedelta(hours=1)

Lines = Callable[[], Iterator[StatementLine]]


class Difference(StrEnum):
    MISSING_HERE = "missing here"
    MISSING_THERE = "missing there"
    DIFFERENT = "different"
    TWICE = "twice in the file"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree. `line`: of the file; None where it is missing there. Amount and time are those of
    the file, or ours where it has none."""

    difference: Difference
    kind: Kind
    number: str  # ours: of the payment or the refund; empty where the provider knows none
    trade_id: str
    line: int | None
    words: str
    amount: int
    currency: str
    happened_at: datetime


@dataclass(slots=True)
class Comparison:
    """What a statement and our ledger have agreed on, and what not."""

    since: datetime
    until: datetime
    lines: Counter[Kind] = field(default_factory=Counter)
    counts: Counter[Difference] = field(default_factory=Counter)
    # Lines of money that we have under another trade number: to book them would be to have it twice, and send it back.
    other_trades: set[int] = field(default_factory=set)
    other_days: Counter[date] = field(default_factory=Counter)  # of which lines are that should be of this time
    findings: list[Finding] = field(default_factory=list)

    def note(self, line: StatementLine) -> None:
        self.lines[line.kind] += 1
        if not self.since - MARGIN <= line.happened_at < self.until + MARGIN:
            self.other_days[line.happened_at.astimezone(self.since.tzinfo).date()] += 1

    def add(self, finding: Finding) -> None:
        self.counts[finding.difference] += 1
        if len(self.findings) < MOST_SHOWN:
            self.findings.append(finding)


@dataclass(slots=True)
class Booking:
    """What became of what was missing here: `booked` captures, how many were `left`, and why, of the first of them."""

    booked: int = 0
    left: int = 0
    errors: list[str] = field(default_factory=list)

    def leave(self, line: StatementLine, reason: str) -> None:
        self.left += 1
        if len(self.errors) < MOST_SHOWN:
            self.errors.append(f"line {line.number}: {reason}")


def compare_statement(
    *, lines: Lines, channel: str, since: datetime, until: datetime, advance: Callable[[int], None] = lambda lines: None
) -> Comparison:
    """Compares the lines of a file, and what happened from `since` until before `until`; changes nothing. Findings are
    in the order of the lines, then what the file does not have. `advance` is told how many lines were looked at. Raises
    StatementUnreadable."""
    comparison, is_read = Comparison(since, until), dict.fromkeys(marks_of(lines()), False)
    for portion in portions(lines()):
        fresh, found = [], []
        for line in portion:
            comparison.note(line)
            mark = mark_of_line(line)
            if mark is None:
                found.append(of_line(Difference.MISSING_HERE, line, NO_NUMBER))
            elif is_read.get(mark):
                found.append(of_line(Difference.TWICE, line, ""))
            else:
                is_read[mark] = True
                fresh.append(line)
        found += look_up(fresh, channel, comparison, is_read)
        for finding in sorted(found, key=lambda finding: finding.line or 0):
            comparison.add(finding)
        advance(len(portion))
    for finding in missing_there(is_read, channel, since, until):
        comparison.add(finding)
    return comparison


def portions(lines: Iterable[StatementLine]) -> Iterator[list[StatementLine]]:
    lines = iter(lines)
    while portion := list(islice(lines, PORTION)):
        yield portion


def marks_of(lines: Iterable[StatementLine]) -> Iterator[int]:
    return (mark for line in lines if (mark := mark_of_line(line)) is not None)


def mark_of_line(line: StatementLine) -> int | None:
    number = line.trade_id if line.kind is Kind.CAPTURE else line.our_id
    return None if number is None else mark_of(line.kind, number)


def mark_of(kind: Kind, number: str | int) -> int:
    """A number for a line: of a million lines that is what is held."""
    return int.from_bytes(hashlib.blake2b(f"{kind}:{number}".encode(), digest_size=8).digest())


def of_line(difference: Difference, line: StatementLine, words: str) -> Finding:
    about = (line.amount, line.currency, line.happened_at)
    return Finding(difference, line.kind, str(line.our_id or ""), line.trade_id, line.number, words, *about)


def look_up(
    lines: Sequence[StatementLine], channel: str, comparison: Comparison, marks: dict[int, bool]
) -> Iterator[Finding]:
    """What of a portion of a file is not as we have it. `marks`: of the whole file."""
    captures = [line for line in lines if line.kind is Kind.CAPTURE]
    refunds = [line for line in lines if line.kind is Kind.REFUND]
    by_trade = selectors.list_by_trades(channel=channel, trade_ids=[line.trade_id for line in lines])
    payments = selectors.list_by_payment_ids(channel=channel, payment_ids=numbers_of(captures))
    found = selectors.list_by_refund_ids(refund_ids=numbers_of(refunds))
    stored = {refund.refund_id: refund for refund in found}
    for line in captures:
        named = payments.get(line.our_id or 0)
        if line.trade_id in by_trade:
            finding = compare_capture(line, by_trade[line.trade_id], named)
        elif named and is_of_day(named, comparison) and (mark := trade_mark(named)) not in marks:
            marks[mark] = True
            comparison.other_trades.add(line.number)
            finding = differing(line, {"trade": named.trade_id}, {"trade": line.trade_id})
        else:
            finding = of_line(Difference.MISSING_HERE, line, why_missing(line, named))
        if finding:
            yield finding
    for line in refunds:
        if finding := compare_refund(line, stored.get(line.our_id or 0), by_trade.get(line.trade_id)):
            yield finding


def numbers_of(lines: Iterable[StatementLine]) -> list[int]:
    return [line.our_id for line in lines if line.our_id is not None]


def is_of_day(payment: Payment, comparison: Comparison) -> bool:
    """Whether its money came in when the file is of, so that the file has to have it."""
    moment = payment.captured_at
    return moment is not None and comparison.since <= moment < comparison.until


def trade_mark(payment: Payment) -> int:
    return mark_of(Kind.CAPTURE, str(payment.trade_id))


def why_missing(line: StatementLine, named: Payment | None) -> str:
    if line.our_id is None:
        return NO_NUMBER
    if named is None:
        return "there is no such payment"
    return f"other money of the payment came in as {named.trade_id}" if named.trade_id else ""


def compare_capture(line: StatementLine, payment: Payment, named: Payment | None) -> Finding | None:
    ours = {"amount": payment.amount, "currency": payment.currency, "order": payment.order_id}
    # Second money of a payment has a payment of its own here, of the same order.
    theirs = {"amount": line.amount, "currency": line.currency, "order": named.order_id if named else None}
    return differing(line, ours, theirs)


def compare_refund(line: StatementLine, refund: Refund | None, payment: Payment | None) -> Finding | None:
    if refund is None:
        return of_line(Difference.MISSING_HERE, line, "there is no such refund")
    if refund.status in ON_ITS_WAY:
        return of_line(Difference.MISSING_HERE, line, f"the refund is {refund.status} here, and tried again by itself")
    ours = {"amount": refund.amount, "currency": refund.currency, "payment": refund.payment_id, "status": refund.status}
    of_payment = payment.payment_id if payment else None
    theirs = {"amount": line.amount, "currency": line.currency, "payment": of_payment, "status": Refund.Status.DONE}
    return differing(line, ours, theirs)


def differing(line: StatementLine, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Finding | None:
    """A finding that names every value that differs, ours first."""
    words = [
        f"{name}: {written(name, ours)} here, {written(name, theirs)} there"
        for name in ours
        if ours[name] != theirs[name]
    ]
    return of_line(Difference.DIFFERENT, line, "; ".join(words)) if words else None


def written(name: str, values: Mapping[str, Any]) -> str:
    """A value for people."""
    if name == "amount":
        return money(values["amount"], values["currency"])
    return "an unknown one" if values[name] is None else str(values[name])


def missing_there(marks: Container[int], channel: str, since: datetime, until: datetime) -> Iterator[Finding]:
    """What we have of a time and the file has not."""
    for payment in selectors.each_captured(channel=channel, since=since, until=until):
        if trade_mark(payment) not in marks:
            yield of_ours(Kind.CAPTURE, payment.payment_id, payment, str(payment.trade_id), payment.captured_at)
    for refund, trade_id in selectors.each_refunded(channel=channel, since=since + MARGIN, until=until - MARGIN):
        if mark_of(Kind.REFUND, refund.refund_id) not in marks:
            yield of_ours(Kind.REFUND, refund.refund_id, refund, trade_id, refund.done_at)


def of_ours(kind: Kind, number: int, row: Payment | Refund, trade_id: str, moment: datetime | None) -> Finding:
    """A payment or a refund that is missing there."""
    about = (row.amount, row.currency, moment or row.created_at)
    return Finding(Difference.MISSING_THERE, kind, str(number), trade_id, None, "", *about)


def book_missing(
    *, lines: Lines, channel: str, found: Comparison, advance: Callable[[int], None] = lambda lines: None
) -> Booking:
    """Takes the captures of a file that are missing here, through the one function for news of money; the same again
    has no effect. `found`: what the comparison of the file has found. Of a trade that stands there twice the first line
    counts. What is different, and refunds, are left to people. Raises StatementUnreadable."""
    booking = Booking()
    for portion in portions(lines()):
        captures = [line for line in portion if line.kind is Kind.CAPTURE and line.number not in found.other_trades]
        known = selectors.list_by_trades(channel=channel, trade_ids=[line.trade_id for line in captures])
        first = {line.trade_id: line for line in reversed(captures)}
        news = [line for line in captures if line.trade_id not in known and first[line.trade_id] is line]
        for line in [line for line in news if line.our_id is None]:
            booking.leave(line, NO_NUMBER)
        ours = [(line, line.our_id) for line in news if line.our_id is not None]
        errors = record_captures(captures=[as_capture(line, payment_id, channel) for line, payment_id in ours])
        for (line, _), error in zip(ours, errors, strict=True):
            if error is None:
                booking.booked += 1
            else:
                booking.leave(line, error.message if isinstance(error, ServiceError) else repr(error))
        advance(len(portion))
    return booking


def as_capture(line: StatementLine, payment_id: int, channel: str) -> Capture:
    return Capture(
        payment_id=payment_id,
        channel=channel,
        trade_id=line.trade_id,
        amount=line.amount,
        currency=line.currency,
        captured_at=line.happened_at,
    )
