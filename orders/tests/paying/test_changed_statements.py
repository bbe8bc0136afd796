"""A day of orders, and the provider's file of it in which ten lines were changed by lot: exactly those are named, and
nothing is changed by looking."""

import csv
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from lab.kit.factories import NOW, SANDBOX, later, make_command, make_goods, make_order, stored
from lab.kit.findings import findings
from lab.kit.stripe_api import StripeApi
from lab.kit.trials import Trials
from messaging.models import Message
from orders.models import Order, Refund
from orders.payloads import Capture, Closing, RefundOrder
from orders.payments.port import PaymentRequest, get_provider
from orders.payments.sandbox import take_payments
from orders.payments.statements import Kind
from orders.services import begin_payments, place_orders, record_captures, refund_order, send_refunds
from orders.services.closing import close

pytestmark = pytest.mark.django_db(transaction=True)

DAY = "2026-06-01"
PORTION = 100  # orders that are placed at once
CHANGED = 10
CNY = "\u00a0CNY"

Line = dict[str, str]
Named = tuple[str, str, str, str, int | None, str]  # difference, kind, number, trade, line, words


class Shape(Protocol):
    """A provider's file, as lines by column. `kind` to `moment`: columns; `numbers`: those of ours, by kind."""

    kind: str
    kinds: dict[Kind, str]
    numbers: dict[Kind, str]
    trade: str
    amount: str
    currency: str
    moment: str

    def take(self, requests: Sequence[PaymentRequest]) -> list[Capture]:
        """The provider takes the money, and tells nobody."""

    def lines(self) -> list[Line]: ...


class SandboxFile:
    kind, trade, amount, currency, moment = "kind", "trade_id", "amount", "currency", "happened_at"
    kinds = {kind: kind.value for kind in Kind}
    numbers = dict.fromkeys(Kind, "our_id")

    def take(self, requests: Sequence[PaymentRequest]) -> list[Capture]:
        return take_payments(requests, now=NOW)

    def lines(self) -> list[Line]:
        out = StringIO()
        call_command("sandbox_statement", "--day", DAY, stdout=out)
        return list(csv.DictReader(StringIO(out.getvalue())))


class StripeReport:
    """Made from what the stand-in remembers, with lines that are about something else in it."""

    kind, trade, amount, currency, moment = (
        "reporting_category",
        "payment_intent_id",
        "gross",
        "currency",
        "created_utc",
    )
    kinds = {Kind.CAPTURE: "charge", Kind.REFUND: "refund"}
    numbers = {
        Kind.CAPTURE: "payment_metadata[charites_payment_id]",
        Kind.REFUND: "refund_metadata[charites_refund_id]",
    }

    def __init__(self, api: StripeApi) -> None:
        self.api = api

    def take(self, requests: Sequence[PaymentRequest]) -> list[Capture]:
        provider, captures = get_provider(), []
        for request in requests:
            url = provider.begin(request, outcome="page", timeout_seconds=60, now=NOW)
            self.api.pay(url.rpartition("/")[2])
            captures.append(provider.query(request.payment_id, timeout_seconds=60))
        return [capture for capture in captures if capture]

    def lines(self) -> list[Line]:
        sessions = [session for session in self.api.sessions.values() if session["payment_intent"]]
        payments = {session["payment_intent"]: session["metadata"]["charites_payment_id"] for session in sessions}
        lines = [self.line("charge", row["amount_total"], row["payment_intent"], payments) for row in sessions]
        for made in self.api.refunds:
            refund_id = made["metadata"]["charites_refund_id"]
            lines.append(self.line("refund", -made["amount"], made["payment_intent"], payments, refund_id))
        others = [self.line(kind, -500, "", {}) for kind in ("fee", "payout")]
        return [*lines, *others, self.line("charge", 500, "pi_of_another_program", {})]

    def line(self, kind: str, cents: int, trade: str, payments: dict[str, str], refund: str = "") -> Line:
        numbers = {self.numbers[Kind.CAPTURE]: payments.get(trade, ""), self.numbers[Kind.REFUND]: refund}
        money = {"gross": f"{cents / 100:.2f}", "currency": "cny"}
        about = {"created_utc": f"{DAY} 12:00:00", "reporting_category": kind, "payment_intent_id": trade}
        return {"balance_transaction_id": "txn_1", **about, **money, **numbers}


@pytest.fixture(params=["sandbox", "stripe"])
def shape(request: pytest.FixtureRequest, settings: Any) -> Iterator[Shape]:
    with ExitStack() as stack:
        if request.param == "sandbox":
            settings.PAYMENT_PROVIDER = SANDBOX
            yield SandboxFile()
        else:
            api = stack.enter_context(StripeApi())
            for name, value in api.environment.items():
                setattr(settings, name, value)
            yield StripeReport(api)


def live_a_day(shape: Shape, *, orders: int) -> None:
    """Orders that were paid at noon: of twenty one when it was closed, three refunded in part and two wholly."""
    make_goods(1, price=9950, stock=2 * orders)
    for start in range(0, orders, PORTION):
        commands = [make_command({1: 1 + number % 2}) for number in range(start, min(start + PORTION, orders))]
        placed = [result.order.order for result in place_orders(commands=commands, now=NOW) if result.order]
        assert len(placed) == len(commands)
        captures = shape.take(begin_payments(order_ids=[order.order_id for order in placed], now=NOW))
        late = {order.order_id: order.pay_amount for order in placed[::20]}
        close(late, Closing(Order.ClosedBy.TIMEOUT, later(3600), despite_payment=True))
        assert set(record_captures(captures=captures)) == {None}
        for number, order in enumerate(placed):
            if (part := number % 20) in range(1, 6):
                amount = None if part > 3 else 100 * part
                refund_order(command=RefundOrder(order.order_id, amount, "broken", "staff:1", "k"))
    refund_ids = list(Refund.objects.values_list("refund_id", flat=True))
    assert send_refunds(refund_ids=refund_ids, now=NOW) == {}


class Statement:
    """The file of a day while it is changed. `named`: what has to be said of it, each with the line it is about."""

    def __init__(self, shape: Shape, lines: Sequence[Line], lots: random.Random, untold: Capture) -> None:
        self.shape, self.lots, self.untold = shape, lots, untold
        self.lines = [dict(line) for line in lines]
        self.named: list[tuple[Line | None, tuple[str, Kind, str, str, str]]] = []
        self.undrawn = {kind: [line for line in self.lines if self.is_ours(line, kind)] for kind in Kind}
        for drawn in self.undrawn.values():
            lots.shuffle(drawn)

    def is_ours(self, line: Line, kind: Kind) -> bool:
        return line[self.shape.kind] == self.shape.kinds[kind] and line[self.shape.numbers[kind]] != ""

    def draw(self, kind: Kind) -> Line:
        """A line that nobody has changed yet."""
        return self.undrawn[kind].pop()

    def expect(self, line: Line | None, difference: str, kind: Kind, like: Line, words: str = "") -> None:
        number, trade = like[self.shape.numbers[kind]], like[self.shape.trade]
        self.named.append((line, (difference, kind, number, trade, words)))

    def insert(self, line: Line) -> Line:
        self.lines.insert(self.lots.randrange(1, len(self.lines)), line)
        return line

    def cents(self, line: Line) -> str:
        """An amount as it is shown."""
        text = line[self.shape.amount].lstrip("-")
        return text if "." in text else f"{int(text) / 100:.2f}"

    def written(self) -> list[Named]:
        """What has to be said, with the numbers that the lines have at last."""
        found = []
        for line, (difference, kind, number, trade, words) in self.named:
            at = None if line is None else 2 + next(n for n, other in enumerate(self.lines) if other is line)
            found.append((difference, kind.value, number, trade, at, words))
        return found


def change_amount(statement: Statement, kind: Kind) -> None:
    line = statement.draw(kind)
    before, text = statement.cents(line), line[statement.shape.amount]
    line[statement.shape.amount] = text[:-1] + statement.lots.choice("123456789".replace(text[-1], ""))
    words = f"amount: {before}{CNY} here, {statement.cents(line)}{CNY} there"
    statement.expect(line, "different", kind, line, words)


def change_currency(statement: Statement, kind: Kind) -> None:
    line = statement.draw(kind)
    line[statement.shape.currency] = "EUR"
    statement.expect(line, "different", kind, line, "currency: CNY here, EUR there")


def change_trade(statement: Statement, kind: Kind) -> None:
    line = statement.draw(kind)
    before, trade = line[statement.shape.trade], f"T-{kind}"
    line[statement.shape.trade] = trade
    payment = r"payment: \d+ here, an unknown one there"
    words = payment if kind is Kind.REFUND else f"trade: {before} here, {trade} there"
    statement.expect(line, "different", kind, line, words)


def change_number(statement: Statement, kind: Kind) -> None:
    """A refund is known by our number alone, so both that the file has and that it lacks are named."""
    line = statement.draw(kind)
    before = dict(line)
    line[statement.shape.numbers[kind]] = "77"
    if kind is Kind.CAPTURE:
        statement.expect(line, "different", kind, line, r"order: \d+ here, an unknown one there")
    else:
        statement.expect(line, "missing here", kind, line, "there is no such refund")
        statement.expect(None, "missing there", kind, before)


def lose(statement: Statement, kind: Kind) -> None:
    line = statement.draw(kind)
    statement.lines[:] = [other for other in statement.lines if other is not line]
    statement.expect(None, "missing there", kind, line)


def repeat(statement: Statement, kind: Kind) -> None:
    line = statement.draw(kind)
    copy = dict(line)
    statement.lines.append(copy)
    statement.expect(copy, "twice in the file", kind, copy)


def invent(statement: Statement, kind: Kind) -> None:
    like = statement.draw(kind)
    shape = statement.shape
    line = statement.insert({**like, shape.numbers[kind]: "78", shape.trade: f"T-new-{kind}"})
    words = "there is no such payment" if kind is Kind.CAPTURE else "there is no such refund"
    statement.expect(line, "missing here", kind, line, words)


def send_by_hand(statement: Statement, kind: Kind) -> None:
    """A refund that somebody made on the provider's pages."""
    like = statement.draw(kind)
    line = statement.insert({**like, statement.shape.numbers[kind]: ""})
    statement.expect(line, "missing here", kind, line, "it has no number of ours")


def tell_of_untold(statement: Statement, kind: Kind) -> None:
    """Money of which the shop has not heard."""
    capture, shape, like = statement.untold, statement.shape, statement.draw(kind)
    line = statement.insert({**like, shape.numbers[kind]: str(capture.payment_id), shape.trade: capture.trade_id})
    line[shape.amount] = str(capture.amount) if "." not in like[shape.amount] else f"{capture.amount / 100:.2f}"
    statement.expect(line, "missing here", kind, line)


Change = Callable[[Statement, Kind], None]
OF_EITHER = (change_amount, change_currency, change_trade, change_number, lose, repeat, invent)
EVERY_TIME: list[tuple[Change, Kind]] = [(change_trade, Kind.CAPTURE), (tell_of_untold, Kind.CAPTURE)]  # for --book
BY_LOT: list[tuple[Change, Kind]] = [
    *((change, kind) for change in OF_EITHER for kind in Kind if (change, kind) not in EVERY_TIME),
    (send_by_hand, Kind.REFUND),
]


def file_of(lines: Sequence[Line], folder: Path) -> Path:
    file = folder / "statement.csv"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return file


@dataclass
class Reconciled:
    code: int
    said: str
    named: list[Named]


def reconcile(lines: Sequence[Line], folder: Path, *options: str) -> Reconciled:
    """Runs the command."""
    out, told = StringIO(), folder / "found.json"
    code = 0
    try:
        call_command("reconcile", str(file_of(lines, folder)), "--day", DAY, "--json", str(told), *options, stdout=out)
    except CommandError as error:
        code = error.returncode
    fields = ("difference", "kind", "number", "trade_id", "line", "words")
    named = [tuple(found[field] for field in fields) for found in json.loads(told.read_text())["findings"]]
    return Reconciled(code, out.getvalue(), named)


def everything_stored() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the shop."""
    return {model._meta.db_table: list(model.objects.order_by("pk").values_list()) for model in apps.get_models()}


def assert_named(found: Reconciled, expected: Sequence[Named]) -> None:
    """Exactly these, in whatever order; the words are patterns where they hold a number of ours."""
    bare = sorted(named[:5] for named in found.named if named[4] is not None)
    assert bare == sorted(named[:5] for named in expected if named[4] is not None)
    lacking = sorted(named[:4] for named in found.named if named[4] is None)
    assert lacking == sorted(named[:4] for named in expected if named[4] is None)
    words = {named[:5]: named[5] for named in found.named}
    for named in expected:
        assert words[named[:5]] == named[5] or re.fullmatch(named[5], words[named[:5]]), named


def pay_untold(shape: Shape) -> tuple[Order, Capture]:
    """An order that was paid after the file was made, of which the shop has not heard."""
    order = make_order({1: 1}, now=NOW + timedelta(minutes=1))
    (capture,) = shape.take(begin_payments(order_ids=[order.order_id], now=NOW))
    return order, capture


def test_ten_lines_changed_by_lot_are_named_and_no_others(shape: Shape, trials: Trials, tmp_path: Path) -> None:
    orders, rounds = trials.count(sample=300, full=5000), trials.count(sample=3, full=20)
    live_a_day(shape, orders=orders)
    lines = shape.lines()
    untouched = reconcile(lines, tmp_path)
    assert (untouched.code, untouched.named) == (0, []), untouched.said
    order, untold = pay_untold(shape)

    for number in range(rounds):
        statement = Statement(shape, lines, trials.random, untold)
        chosen = trials.random.sample(BY_LOT, CHANGED - len(EVERY_TIME)) + EVERY_TIME
        for change, kind in chosen:
            change(statement, kind)
        before, expected = everything_stored(), statement.written()
        done = f"seed {trials.seed}, round {number}: {[f'{change.__name__} {kind}' for change, kind in chosen]}"

        found = reconcile(statement.lines, tmp_path)

        assert found.code == 1, done
        assert_named(found, expected)
        assert everything_stored() == before, done

    book_what_is_missing(statement, order, tmp_path)
    trials.tell(f"{orders} orders, {len(lines)} lines, {rounds} times ten of them changed")


def book_what_is_missing(statement: Statement, order: Order, folder: Path) -> None:
    """The money of which the shop had not heard pays its order, once; all else is left to people."""
    assert stored(order).status == Order.Status.UNPAID
    left = [named for named in statement.written() if named[3] != statement.untold.trade_id]

    booked = reconcile(statement.lines, folder, "--book")

    assert "Recorded: 1 payments" in booked.said
    assert stored(order).status == Order.Status.PAID
    before = everything_stored()
    again = reconcile(statement.lines, folder, "--book")
    assert (again.code, "Recorded: 0 payments" in again.said) == (1, True)
    assert_named(again, left)
    assert everything_stored() == before
    Message.objects.all().delete()  # what the shop would still send, months late
    assert findings() == []
