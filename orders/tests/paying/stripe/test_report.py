"""Stripe's report of a day against the shop's own ledger."""

from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from lab.kit.findings import findings
from lab.kit.stripe_api import StripeApi
from orders.models import Order, Payment, Refund
from orders.payments.statements import StatementUnreadable, find_reader, read_statement
from orders.tests.paying.stripe.steps import pay, request_refund, send, session_of, status_of

pytestmark = pytest.mark.django_db(transaction=True)

NOON = "2026-06-01 12:00:00"
COLUMNS = [
    *("balance_transaction_id", "created_utc", "reporting_category", "gross", "currency"),
    *("customer_facing_amount", "customer_facing_currency", "payment_intent_id"),
    *("payment_metadata[charites_payment_id]", "refund_metadata[charites_refund_id]"),
]
Rows = list[list[str]]


def row(kind: str, gross: str, trade: str, payment: object = "", refund: object = "") -> list[str]:
    return ["txn_1", NOON, kind, gross, "cny", "", "", trade, str(payment), str(refund)]


def file_of(rows: Rows, folder: Path) -> Path:
    file = folder / "report.csv"
    file.write_text("".join(",".join(cells) + "\n" for cells in rows))
    return file


def reconcile(rows: Rows, folder: Path, *options: str) -> str:
    """Runs the command; returns what it says. Raises CommandError."""
    out = StringIO()
    call_command("reconcile", str(file_of([COLUMNS, *rows], folder)), *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def rows(api: StripeApi, order: Order) -> Rows:
    """What Stripe says of an order that was paid and half refunded at noon of 1 June."""
    refund = request_refund(api, order, 9950)
    assert send(refund) == []
    Refund.objects.update(done_at=datetime(2026, 6, 1, 12, tzinfo=UTC))
    payment = Payment.objects.get()
    trade = str(payment.trade_id)
    return [
        row("charge", "199.00", trade, payment.payment_id),
        row("refund", "-99.50", trade, payment.payment_id, refund.refund_id),
        row("fee", "-3.00", trade, payment.payment_id),
        row("payout", "-400.00", ""),
        row("charge", "5.00", "pi_of_another_program"),
        row("refund", "-5.00", "pi_of_another_program"),
    ]


def test_report_of_a_day_agrees(rows: Rows, tmp_path: Path) -> None:
    assert "2026-06-01, report.csv: 1 captures, 1 refunds; everything agrees." in reconcile(rows, tmp_path)


def test_buyers_money_counts_where_the_account_keeps_another_currency(rows: Rows, tmp_path: Path) -> None:
    rows[0][3:7] = ["27.41", "usd", "199.00", "cny"]
    rows[1][3:7] = ["-13.70", "usd", "-99.50", "cny"]

    assert "everything agrees" in reconcile(rows, tmp_path)


def change_amount(rows: Rows) -> None:
    rows[0][3] = "199.01"


def change_refund(rows: Rows) -> None:
    rows[1][3] = "-99.49"


def lose_charge(rows: Rows) -> None:
    del rows[0]


def lose_refund(rows: Rows) -> None:
    del rows[1]


def repeat_refund(rows: Rows) -> None:
    rows.append(rows[1])


def refund_by_hand(rows: Rows) -> None:
    rows.append([*rows[1][:-1], ""])


def dispute(rows: Rows) -> None:
    rows.append(row("dispute", "-199.00", rows[0][7], rows[0][8]))


def failed_refund(rows: Rows) -> None:
    rows.append(row("refund_failure", "99.50", rows[0][7], rows[0][8], rows[1][9]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_amount, "different"),
        (change_refund, "different"),
        (lose_charge, "missing there"),
        (lose_refund, "missing there"),
        (repeat_refund, "twice in the file"),
        (refund_by_hand, "missing here"),
        (dispute, "missing here"),
        (failed_refund, "missing here"),
    ],
)
def test_what_differs_is_named(rows: Rows, tmp_path: Path, change: Callable[[Rows], None], words: str) -> None:
    change(rows)
    out = StringIO()

    with pytest.raises(CommandError, match=r"^Differences: 1\.$"):
        call_command("reconcile", str(file_of([COLUMNS, *rows], tmp_path)), stdout=out)

    assert words in out.getvalue()


def test_money_that_nobody_told_of_is_booked_from_the_report_once(api: StripeApi, order: Order, tmp_path: Path) -> None:
    session_id = pay(api, order)
    payment = Payment.objects.get()
    assert session_of(payment) == session_id
    rows = [row("charge", "199.00", api.sessions[session_id]["payment_intent"], payment.payment_id)]

    assert "Recorded: 1 payments" in reconcile(rows, tmp_path, "--book")
    assert "Recorded: 0 payments" in reconcile(rows, tmp_path, "--book")

    assert status_of(order) == Order.Status.PAID
    assert not Refund.objects.exists()
    assert findings() == []


FINE = row("charge", "199.00", "pi_1", 7)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "Line 1: it lacks the columns created_utc, currency"),
        ([COLUMNS[:-1]], r"Line 1: it lacks the columns refund_metadata\[charites_refund_id\]"),
        ([[*COLUMNS, "gross"], [*FINE, "1.00"]], "Line 1: it has the columns gross twice"),
        ([COLUMNS, FINE, FINE[:-1]], "Line 3: it has 9 cells"),
        ([COLUMNS, [*FINE, "more"]], "Line 2: it has 11 cells"),
        ([COLUMNS, ['"charge']], "Line 2:"),
        ([COLUMNS, [*FINE[:1], "yesterday", *FINE[2:]]], "Line 2: created_utc is no time"),
        ([COLUMNS, row("charge", "a lot", "pi_1", 7)], "Line 2: 'a lot' is no amount of 'CNY'"),
        ([COLUMNS, row("charge", "1.999", "pi_1", 7)], "Line 2: '1.999' is no amount of 'CNY'"),
        ([COLUMNS, row("charge", "Infinity", "pi_1", 7)], "Line 2: 'Infinity' is no amount of 'CNY'"),
        ([COLUMNS, row("charge", "1e9", "pi_1", 7)], "Line 2: '1e9' is no amount of 'CNY'"),
        ([COLUMNS, row("charge", "-1.00", "pi_1", 7)], "Line 2: a charge of '-1.00' goes the other way"),
        ([COLUMNS, row("refund", "1.00", "pi_1", 7, 8)], "Line 2: a refund of '1.00' goes the other way"),
        ([COLUMNS, row("charge", "0.00", "pi_1", 7)], "Line 2: amount cannot be 0"),
        ([COLUMNS, row("charge", "1.00", "", 7)], "Line 2: trade_id cannot be ''"),
        ([COLUMNS, row("charge", "1.00", "pi_1", "seven")], "Line 2: our_id cannot be 'seven'"),
    ],
)
def test_report_that_cannot_be_read_names_its_line(api: StripeApi, tmp_path: Path, rows: Rows, words: str) -> None:
    with pytest.raises(StatementUnreadable, match=f"^{words}"):
        list(read_statement(file_of(rows, tmp_path), find_reader()))
