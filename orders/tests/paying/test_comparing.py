"""A provider's statement against the ledger: exactly what differs is named, and nothing is changed by looking."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from lab.kit.factories import NOW, make_goods, make_order, make_payment, stored
from lab.kit.findings import findings
from messaging.models import Message
from orders.models import Order, Payment, Refund
from orders.payloads import RefundOrder
from orders.payments import sandbox
from orders.payments.sandbox.statement import COLUMNS, write_lines
from orders.payments.statements import StatementUnreadable, find_reader, read_statement
from orders.services import book_missing, compare_statement, record_captures, refund_order, send_refunds

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox")]

DAY = datetime(2026, 6, 1, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)
Rows = list[list[Any]]


def pay(order: Order, *, recorded: bool = True) -> Payment:
    """The sandbox takes the money; the shop hears of it, or not yet."""
    payment = make_payment(order, outcome="now")
    if recorded:
        capture = sandbox.Sandbox().query(payment.payment_id, timeout_seconds=1)
        assert record_captures(captures=[capture]) == [None]
    return Payment.objects.get(pk=payment.pk)


@pytest.fixture
def day() -> list[Payment]:
    """Five orders paid and one refund sent at noon of 1 June."""
    make_goods(1, stock=100)
    payments = [pay(make_order({1: 1})) for _ in range(5)]
    refund = refund_order(command=RefundOrder(payments[0].order_id, 100, "broken", "staff", "k")).refund
    assert send_refunds(refund_ids=[refund.refund_id], now=NOW) == {}
    return payments


def file_of(rows: Sequence[Sequence[Any]], folder: Path) -> Path:
    file = folder / "statement.csv"
    file.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return file


def statement() -> Rows:
    return [list(row) for row in write_lines(since=DAY, until=NEXT)]


def compare(rows: Rows, folder: Path) -> list[tuple[str, str, str]]:
    reader, file = find_reader(), file_of(rows, folder)
    found = compare_statement(lines=lambda: read_statement(file, reader), channel=reader.channel, since=DAY, until=NEXT)
    assert found.counts.total() == len(found.findings)
    return [(finding.difference, finding.kind, finding.number) for finding in found.findings]


def test_file_of_the_sandbox_agrees(day: list[Payment], tmp_path: Path) -> None:
    rows = statement()

    assert [row[0] for row in rows] == ["kind", *["capture"] * 5, "refund"]
    assert compare(rows, tmp_path) == []


def test_exactly_what_was_changed_is_named(day: list[Payment], tmp_path: Path) -> None:
    rows = statement()
    rows[1][3] += 1  # another amount
    rows[2][4] = "EUR"
    del rows[3]
    rows[4:4] = [["capture", 77, "T-77", 5, "CNY", NOW.isoformat()]]
    rows.append(rows[-2])
    rows[-2][3] -= 1  # the refund's

    assert sorted(compare(rows, tmp_path)) == sorted(
        [
            ("different", "capture", str(day[0].payment_id)),
            ("different", "capture", str(day[1].payment_id)),
            ("missing there", "capture", str(day[2].payment_id)),
            ("missing here", "capture", "77"),
            ("twice in the file", "capture", str(day[4].payment_id)),
            ("different", "refund", str(Refund.objects.get().refund_id)),
        ]
    )


def test_line_without_a_number_of_ours_is_named_and_hides_no_other(day: list[Payment], tmp_path: Path) -> None:
    rows = statement()
    rows[1:1] = [[kind, "", "T-77", 5, "CNY", NOW.isoformat()] for kind in ("capture", "refund", "refund")]

    missing = ("missing here", "capture", ""), ("missing here", "refund", "")
    assert sorted(compare(rows, tmp_path)) == sorted([*missing, missing[1]])


def test_money_without_a_number_of_ours_is_not_booked(day: list[Payment], tmp_path: Path) -> None:
    file = file_of([*statement(), ["capture", "", "T-77", 5, "CNY", NOW.isoformat()]], tmp_path)

    with pytest.raises(CommandError) as ended:
        call_command("reconcile", str(file), "--book", stdout=StringIO(), stderr=StringIO())

    assert ended.value.returncode == 1
    assert not Payment.objects.filter(trade_id="T-77").exists()


def test_payment_of_another_order_is_different(day: list[Payment], tmp_path: Path) -> None:
    rows = statement()
    rows[1][1], rows[2][1] = rows[2][1], rows[1][1]

    assert [found[0] for found in compare(rows, tmp_path)] == ["different", "different"]


def test_second_money_of_a_payment_agrees(day: list[Payment], tmp_path: Path) -> None:
    """The provider knows it by the payment that it was made for; here it has one of its own."""
    capture = sandbox.Sandbox().query(day[0].payment_id, timeout_seconds=1)

    assert record_captures(captures=[replace(capture, trade_id="T-2")]) == [None]
    rows = [*statement(), ["capture", day[0].payment_id, "T-2", capture.amount, "CNY", NOW.isoformat()]]

    assert compare(rows, tmp_path) == []


def test_money_under_another_trade_number_is_different_and_not_booked(day: list[Payment], tmp_path: Path) -> None:
    """To book it would be to have it twice, and send it back: of a whole day, where a provider numbers its file
    otherwise than its notices."""
    rows = statement()
    for row in rows[1:6]:
        row[2] = f"ch_{row[2]}"

    found = compare(rows, tmp_path)
    with pytest.raises(CommandError, match=r"Differences: 5\."):
        reconcile(rows, tmp_path, "--book")

    assert found == [("different", "capture", str(payment.payment_id)) for payment in day]
    assert (Payment.objects.count(), Refund.objects.count()) == (5, 1)


def test_other_money_of_a_payment_is_missing_here_and_says_so(day: list[Payment], tmp_path: Path) -> None:
    """The file has the first money, too, or another day's has."""
    rows = statement()
    Payment.objects.filter(pk=day[1].pk).update(captured_at=DAY - timedelta(hours=1))
    of_today, of_yesterday = rows[1], rows.pop(2)
    rows += [[*row[:2], f"T-{row[1]}", *row[3:]] for row in (of_today, of_yesterday)]
    out = StringIO()

    assert compare(rows, tmp_path) == [("missing here", "capture", str(row[1])) for row in (of_today, of_yesterday)]
    with pytest.raises(CommandError, match=r"Differences: 2\."):
        call_command("reconcile", str(tmp_path / "statement.csv"), stdout=out)
    assert "other money of the payment" in out.getvalue()


def test_time_of_a_line_is_not_compared(day: list[Payment], tmp_path: Path) -> None:
    rows = statement()
    rows[1][5] = rows[6][5] = (NOW - timedelta(days=3)).isoformat()

    assert compare(rows, tmp_path) == []


def test_refund_that_is_on_its_way_here_is_missing_here(day: list[Payment], tmp_path: Path) -> None:
    rows = statement()
    Refund.objects.update(status="requested", done_at=None)

    assert compare(rows, tmp_path) == [("missing here", "refund", str(Refund.objects.get().refund_id))]


def test_refund_that_the_file_does_not_have_is_missing_there(day: list[Payment], tmp_path: Path) -> None:
    assert compare(statement()[:-1], tmp_path) == [("missing there", "refund", str(Refund.objects.get().refund_id))]


def test_refund_of_the_last_minutes_may_be_in_the_next_file(day: list[Payment], tmp_path: Path) -> None:
    Refund.objects.update(done_at=NEXT - timedelta(minutes=59))

    assert compare(statement()[:-1], tmp_path) == []


def test_what_happened_on_another_day_is_not_missed(day: list[Payment], tmp_path: Path) -> None:
    Payment.objects.filter(pk=day[0].pk).update(captured_at=NEXT)
    Payment.objects.filter(pk=day[1].pk).update(captured_at=DAY - timedelta(microseconds=1))
    rows = statement()
    del rows[1:3]

    assert compare(rows, tmp_path) == []


# A file that is none

HEAD = ",".join(COLUMNS)
FINE = "capture,1,T-1,5,CNY,2026-06-01T12:00:00Z"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Line 1: the columns are"),
        (b"a,b\n", "Line 1: the columns are"),
        (f"{HEAD}\n{FINE}\nfee,1,T-1,5,CNY,2026-06-01T12:00:00Z\n".encode(), "Line 3: 'fee' is no kind"),
        (f"{HEAD}\n{FINE},\n".encode(), "Line 2: it has 7 cells"),
        (f"{HEAD}\n{FINE}\n\xff\n".encode("latin-1"), "Line 3: it is no UTF-8"),
        (f'{HEAD}\n"capture\n'.encode(), "Line 2:"),
        (f"{HEAD}\ncapture,0,T-1,5,CNY,2026-06-01T12:00:00Z\n".encode(), "Line 2: our_id cannot be 0"),
        (f"{HEAD}\ncapture,1,马,5,CNY,2026-06-01T12:00:00Z\n".encode(), "Line 2: trade_id cannot be '马'"),
        (f"{HEAD}\ncapture,1,T-1,-5,CNY,2026-06-01T12:00:00Z\n".encode(), "Line 2: amount cannot be '-5'"),
        (f"{HEAD}\ncapture,1,T-1,5.00,CNY,2026-06-01T12:00:00Z\n".encode(), "Line 2: amount cannot be '5.00'"),
        (f"{HEAD}\ncapture,1,T-1,5,RMB1,2026-06-01T12:00:00Z\n".encode(), "Line 2: currency cannot be 'RMB1'"),
        (f"{HEAD}\ncapture,1,T-1,5,CNY,yesterday\n".encode(), "Line 2: happened_at cannot be 'yesterday'"),
        (f"{HEAD}\ncapture,1,T-1,5,CNY,2026-06-01T12:00:00\n".encode(), "Line 2: happened_at cannot be 2026-06-01 12"),
        (f"{HEAD}\n{'x' * 70_000}\n".encode(), "Line 2: it is longer than"),
    ],
)
def test_file_that_cannot_be_read_names_its_line(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(content)

    with pytest.raises(StatementUnreadable, match=f"^{words}"):
        list(read_statement(file, find_reader()))


# The command


def reconcile(rows: Rows, folder: Path, *options: str) -> str:
    """Runs the command; raises CommandError."""

    out = StringIO()
    call_command("reconcile", str(file_of(rows, folder)), *options, stdout=out)
    return out.getvalue()


def test_command_says_that_everything_agrees(day: list[Payment], tmp_path: Path) -> None:
    assert "2026-06-01, statement.csv: 5 captures, 1 refunds; everything agrees." in reconcile(statement(), tmp_path)


def test_command_ends_with_1_and_changes_nothing(tmp_path: Path) -> None:
    make_goods(1, stock=10)
    pay(make_order({1: 1}))
    lost = pay(make_order({1: 1}), recorded=False)

    with pytest.raises(CommandError) as refused:
        reconcile(statement(), tmp_path)

    assert (str(refused.value), refused.value.returncode) == ("Differences: 1.", 1)
    lost.refresh_from_db()
    assert lost.status == Payment.Status.BEGUN


def test_command_shows_amounts_and_times_as_people_read_them(day: list[Payment], tmp_path: Path) -> None:
    rows = statement()
    rows[1][3] += 1
    missing = rows.pop(3)
    rows.append(["capture", 77, "T-77", 5, "JPY", NOW.isoformat()])
    out, told = StringIO(), tmp_path / "found.json"
    file = str(file_of(rows, tmp_path))
    with pytest.raises(CommandError):
        call_command("reconcile", file, "--zone", "Asia/Shanghai", "--json", str(told), stdout=out)

    table = {cells[3]: cells for line in out.getvalue().splitlines() if len(cells := cells_of(line)) > 7}
    assert table[missing[2]][4:7] == ["99.50 CNY", "2026-06-01 20:00:00", "missing there"]
    assert table["T-77"][4:7] == ["5 JPY", "2026-06-01 20:00:00", "missing here"]
    found = {finding["trade_id"]: finding for finding in json.loads(told.read_text())["findings"]}
    assert found[rows[1][2]]["words"] == "amount: 99.50\u00a0CNY here, 99.51\u00a0CNY there"
    assert (found[missing[2]]["amount"], found[missing[2]]["currency"]) == (9950, "CNY")
    assert found[missing[2]]["happened_at"].startswith("2026-06-01T12:00:00")


def cells_of(line: str) -> list[str]:
    return [cell.strip().replace("\u00a0", " ") for cell in line.strip()[1:-1].split("│")]


def test_book_records_what_is_missing_here_once(tmp_path: Path) -> None:
    make_goods(1, stock=10)
    order = make_order({1: 1})
    pay(order, recorded=False)
    rows = statement()

    said = reconcile(rows, tmp_path, "--book")

    assert "Recorded: 1 payments that were missing here." in said
    assert stored(order).status == Order.Status.PAID
    assert "Recorded: 0 payments" in reconcile(rows, tmp_path, "--book")
    assert Refund.objects.count() == 0
    Message.objects.all().delete()  # the sandbox's callback, which is months late by now
    assert findings() == []


def test_book_leaves_what_is_different_to_people(day: list[Payment], tmp_path: Path) -> None:
    rows = statement()
    rows[1][3] += 1
    rows.append(["capture", 77, "T-77", 5, "CNY", NOW.isoformat()])

    with pytest.raises(CommandError, match=r"Differences: 2\."):
        reconcile(rows, tmp_path, "--book")

    assert Payment.objects.count() == 5
    assert Payment.objects.get(pk=day[0].pk).amount == 9950


def test_unreadable_file_ends_with_2_before_anything_is_booked(tmp_path: Path) -> None:
    make_goods(1, stock=10)
    pay(make_order({1: 1}), recorded=False)

    with pytest.raises(CommandError) as refused:
        reconcile([*statement(), ["nonsense"]], tmp_path, "--book")

    assert refused.value.returncode == 2
    assert Payment.objects.get().status == Payment.Status.BEGUN


def test_findings_are_in_the_order_of_the_lines(day: list[Payment], tmp_path: Path) -> None:
    rows = statement()
    rows[1:1] = [rows[-1], ["refund", 77, "T-77", 5, "CNY", NOW.isoformat()]]
    rows[4][3] += 1
    rows.append(["capture", "", "T-78", 5, "CNY", NOW.isoformat()])
    told = tmp_path / "found.json"

    with pytest.raises(CommandError):
        reconcile([*rows[:3], *rows[4:]], tmp_path, "--json", str(told))

    assert [finding["line"] for finding in json.loads(told.read_text())["findings"]] == [3, 4, 8, 9, None]


@pytest.mark.parametrize("options", [(), ("--book",)])
def test_lines_of_another_day_are_counted_and_end_with_1(
    day: list[Payment], tmp_path: Path, options: tuple[str, ...]
) -> None:
    told, out = tmp_path / "found.json", StringIO()
    file = str(file_of(statement(), tmp_path))

    with pytest.raises(CommandError) as refused:
        call_command("reconcile", file, "--day", "2026-05-31", "--json", str(told), *options, stdout=out)

    assert (str(refused.value), refused.value.returncode) == ("Lines of other days: 6.", 1)
    assert "Not of 2026-05-31: 6 lines of 2026-06-01." in out.getvalue()
    assert "everything agrees" not in out.getvalue()
    assert json.loads(told.read_text())["other_days"] == {"2026-06-01": 6}


def test_line_just_over_midnight_is_of_the_day(day: list[Payment], tmp_path: Path) -> None:
    rows = statement()
    for row, moment in zip(rows[-2:], (DAY - timedelta(minutes=59), NEXT + timedelta(minutes=59)), strict=True):
        row[5] = moment.isoformat()

    assert "everything agrees" in reconcile(rows, tmp_path)
    rows[-1][5] = (NEXT + timedelta(hours=1)).isoformat()
    with pytest.raises(CommandError, match=r"^Lines of other days: 1\.$"):
        reconcile(rows, tmp_path)


def test_empty_file_needs_a_day(day: list[Payment], tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--day"):
        reconcile(statement()[:1], tmp_path)
    with pytest.raises(CommandError, match=r"Differences: 6\."):
        reconcile(statement()[:1], tmp_path, "--day", "2026-06-01")


def test_day_of_a_zone(day: list[Payment], tmp_path: Path) -> None:
    """Noon in UTC is the evening of the same day in Shanghai, and 2 June begins there at 16:00 UTC."""
    Payment.objects.update(captured_at=datetime(2026, 6, 1, 16, tzinfo=UTC))

    with pytest.raises(CommandError, match=r"Differences: 5\."):
        reconcile(statement()[:1], tmp_path, "--day", "2026-06-02", "--zone", "Asia/Shanghai")


def test_of_a_trade_that_stands_there_twice_the_first_line_is_booked(tmp_path: Path) -> None:
    make_goods(1, stock=10)
    order = make_order({1: 1})
    pay(order, recorded=False)
    rows = statement()
    rows.append([*rows[-1][:3], 999_999, *rows[-1][4:]])

    with pytest.raises(CommandError, match=r"Differences: 1\."):
        reconcile(rows, tmp_path, "--book")

    assert stored(order).status == Order.Status.PAID
    assert Payment.objects.get().amount == 9950
    assert Refund.objects.count() == 0


def test_line_of_another_providers_payment_is_booked_neither_once_nor_twice(tmp_path: Path) -> None:
    make_goods(1, stock=10)
    order = make_order({1: 1})
    pay(order, recorded=False)
    Payment.objects.update(channel="another")
    rows = statement()

    for _ in range(2):
        with pytest.raises(CommandError, match=r"Differences: 1\."):
            reconcile(rows, tmp_path, "--book")

    assert stored(order).status == Order.Status.UNPAID
    assert [payment.status for payment in Payment.objects.all()] == [Payment.Status.BEGUN]
    assert Refund.objects.count() == 0


def test_quotes_do_not_gather_a_file_into_one_row(day: list[Payment], tmp_path: Path) -> None:
    file = tmp_path / "statement.csv"
    file.write_text(",".join(COLUMNS) + '\n"' + '\n","' * 1_000 + '"\n')

    with pytest.raises(CommandError, match=r"^Line 2: its row goes over more than 100 lines\.$"):
        call_command("reconcile", str(file))


def test_reasons_are_kept_of_the_first_lines_alone(tmp_path: Path) -> None:
    rows = [["capture", "", f"trade-{number}", 9950, "CNY", NOW.isoformat()] for number in range(1_200)]
    file = file_of([COLUMNS, *rows], tmp_path)
    reader = find_reader()
    lines = partial(read_statement, file, reader)
    found = compare_statement(lines=lines, channel=reader.channel, since=DAY, until=NEXT)

    booking = book_missing(lines=lines, channel=reader.channel, found=found)

    assert (booking.booked, booking.left, len(booking.errors)) == (0, 1_200, 1_000)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--day", "9999-12-31"], "9999-12-31 is no day of ours: name one from 2000 to 2099."),
        (["--day", "0001-01-01"], "0001-01-01 is no day of ours: name one from 2000 to 2099."),
        (["--json", "{folder}/no/found"], "{folder}/no/found cannot be written: No such file or directory."),
        (["--json", "{folder}/statement.csv"], "--json {folder}/statement.csv is the statement itself: name another."),
    ],
)
def test_what_the_command_cannot_do_is_a_sentence_and_2(
    day: list[Payment], tmp_path: Path, options: list[str], words: str
) -> None:
    with pytest.raises(CommandError) as refused:
        reconcile(statement(), tmp_path, *(option.format(folder=tmp_path) for option in options))

    assert (str(refused.value), refused.value.returncode) == (words.format(folder=tmp_path), 2)
    assert (tmp_path / "statement.csv").read_text().startswith("kind")


def test_pipe_is_no_file(day: list[Payment], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(CommandError, match="is no file: it is read more than once"):
        call_command("reconcile", str(pipe))
