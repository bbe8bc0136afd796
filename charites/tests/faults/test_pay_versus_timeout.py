"""Money and the end of an order meet, at every pair of statements: never paid and closed, never closed with money that
nobody sends back."""

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from charites.common import ids
from lab.kit.factories import BUYER_ID, SANDBOX, make_command, make_goods
from lab.kit.findings import findings, unheard_of, wrong_endings
from lab.kit.providers import AWAY
from lab.kit.schedules import Side, alone, meet, meet_at_random, pairs_of_stops, two_sides
from lab.kit.trials import Trials
from messaging.models import Message
from orders import services
from orders.errors import OrderStateConflict
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payloads import Capture
from orders.payments import sandbox

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]

STEP = timedelta(seconds=1000)  # between the ends of two orders: what closes one leaves the others alone
GROUP = 250  # orders that are placed, and audited, together


@dataclass(frozen=True, slots=True)
class Case:
    """An order with a begun payment, whose time will be up at `expires_at`."""

    order_id: int
    payment_id: int
    amount: int
    expires_at: datetime

    @property
    def paid_at(self) -> datetime:
        return self.expires_at - timedelta(seconds=300)

    def capture(self, trade: str = "T") -> Capture:
        trade_id = f"{trade}{self.payment_id}"
        return Capture(self.payment_id, sandbox.CHANNEL, trade_id, self.amount, "CNY", self.paid_at)

    # What one side or the other does

    def take_news(self) -> None:
        assert services.record_captures(captures=[self.capture()]) == [None]

    def take_other_news(self) -> None:
        assert services.record_captures(captures=[self.capture("U")]) == [None]

    def buyer_pays(self) -> None:
        """The buyer pays on the provider's page, and its callback comes in."""
        if sandbox.capture_payment(payment_id=self.payment_id, now=self.paid_at):
            capture = sandbox.Sandbox().query(self.payment_id, timeout_seconds=1)
            assert services.record_captures(captures=[capture]) == [None]

    def begin_and_pay(self) -> None:
        """The buyer asks to pay now; the order may be gone by then."""
        try:
            begun = services.begin_payment(
                order_id=self.order_id, user_id=BUYER_ID, outcome="now", now=self.paid_at
            ).payment
        except OrderStateConflict:
            return
        capture = sandbox.Sandbox().query(begun.payment_id, timeout_seconds=1)
        assert services.record_captures(captures=[capture]) == [None]

    def close_due(self) -> None:
        services.close_due(now=self.expires_at)

    def sweep(self) -> None:
        """What the sweep does about an overdue order with a begun payment, and once more."""
        for seconds in (0, 100):
            now = self.expires_at + timedelta(seconds=seconds)
            services.close_overdue_payments(now=now)
            services.close_due(now=now)

    def lose_patience(self) -> None:
        """The provider has not answered for ten minutes: closed anyway."""
        services.close_overdue_payments(now=self.expires_at + timedelta(seconds=700))

    def cancel(self) -> None:
        closed_by = Order.ClosedBy.USER
        with contextlib.suppress(OrderStateConflict):  # it was paid
            services.cancel_order(order_id=self.order_id, user_id=BUYER_ID, closed_by=closed_by, now=self.paid_at)


@dataclass(frozen=True, slots=True)
class Duel:
    """Two things that happen to one order at once. `payment`: in which state its payment is when they begin.
    `refunds`: whether money may have to go back; never when the provider is asked before the order closes."""

    first: Callable[[Case], Any]
    second: Callable[[Case], Any]
    payment: str = Payment.Status.BEGUN
    provider: str = SANDBOX
    refunds: bool = True


DUELS = {
    "news of money, time-out": Duel(Case.take_news, Case.close_due, payment=Payment.Status.CLOSED),
    "news of money, time-out without the provider": Duel(Case.take_news, Case.lose_patience, provider=AWAY),
    "the buyer pays, the sweep closes": Duel(Case.buyer_pays, Case.sweep, refunds=False),
    "the buyer pays, the buyer cancels": Duel(Case.buyer_pays, Case.cancel, refunds=False),
    "payment begins, time-out": Duel(Case.begin_and_pay, Case.close_due, payment="", refunds=False),
    "the same news twice": Duel(Case.take_news, Case.take_news, refunds=False),
    "news of two trades": Duel(Case.take_news, Case.take_other_news),
}


@pytest.fixture(autouse=True)
def _settings(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.ORDER_PAY_TIMEOUT_SECONDS = 1800
    settings.STOCK_STRATEGY = "atomic_update"  # two sides of one process would meet in the queue of group_commit
    monkeypatch.setattr(ids, "LEASE_SECONDS", 7200)  # nobody renews a lease in the middle of a schedule
    ids._snowflake.forget()
    make_goods(1, stock=100_000)


class Cases:
    """Orders for one duel, made a group at a time; a group that is used up is looked at before the next is made."""

    def __init__(self, duel: Duel, *, group: int) -> None:
        self.duel, self._group = duel, min(group, GROUP)
        self.endings: Counter[str] = Counter()
        self._waiting: list[Case] = []
        self._used: dict[int, str] = {}

    def __str__(self) -> str:
        return ", ".join(f"{count} {ending}" for ending, count in sorted(self.endings.items()))

    def next(self, name: str) -> Case:
        """An order of its own, for the schedule of that name."""
        if not self._waiting:
            self.check()
            self._waiting = make_cases(self._group, self.duel)
        case = self._waiting.pop()
        self._used[case.order_id] = name
        return case

    def check(self) -> None:
        """Every order that was used has come to a good end, and the audit finds nothing."""
        wrong = wrong_endings(list(self._used))
        assert [f"{self._used[order_id]}: order {order_id} {fault}" for order_id, fault in wrong.items()] == []
        assert unheard_of() == []
        assert findings() == []
        for order in Order.objects.filter(order_id__in=self._used):
            self.endings[str(order.get_status_display())] += 1
        self.endings["refunds"] += Refund.objects.filter(order_id__in=self._used).count()
        assert self.duel.refunds or not self.endings["refunds"]
        Message.objects.all().delete()
        self._used = {}


def make_cases(number: int, duel: Duel) -> list[Case]:
    """Places orders whose time is up one after the other, long after everything that was there."""
    start = timezone.now()
    placed = services.place_orders(commands=[make_command()] * number, now=start)
    numbers = [result.order.order.order_id for result in placed if result.order]
    orders = list(Order.objects.filter(order_id__in=numbers).order_by("order_id"))
    begun = {}
    if duel.payment:
        requests = services.begin_payments(order_ids=numbers, now=start)
        begun = {request.order_id: request for request in requests}
        Payment.objects.filter(order_id__in=begun).update(status=duel.payment)
    latest = Order.objects.exclude(order_id__in=numbers).order_by("expires_at").last()
    for position, order in enumerate(orders, start=1):
        order.expires_at = max(start, latest.expires_at if latest else start) + position * STEP
    Order.objects.bulk_update(orders, ["expires_at"])
    if duel.payment == Payment.Status.BEGUN:
        SandboxPayment.objects.bulk_create(
            SandboxPayment(
                payment_id=begun[order.order_id].payment_id,
                amount=order.pay_amount,
                currency="CNY",
                expires_at=order.expires_at,
            )
            for order in orders
        )
    cases = [
        Case(
            order.order_id,
            begun[order.order_id].payment_id if begun else 0,
            order.pay_amount,
            order.expires_at,
        )
        for order in orders
    ]
    return cases[::-1]  # the earliest is taken first


@pytest.fixture
def sides() -> Iterator[tuple[Side, Side]]:
    with two_sides() as sides:
        yield sides


def functions(duel: Duel, case: Case) -> tuple[Callable[[], Any], Callable[[], Any]]:
    return (lambda: duel.first(case)), (lambda: duel.second(case))


def statement_counts(duel: Duel, sides: tuple[Side, Side]) -> tuple[int, int]:
    """How many statements each side has when nobody disturbs it."""
    cases = Cases(duel, group=2)
    first, _ = functions(duel, cases.next("first alone"))
    _, second = functions(duel, cases.next("second alone"))
    return alone(sides[0], first), alone(sides[1], second)


@pytest.mark.parametrize("name", DUELS)
def test_money_meets_the_end_of_an_order(name: str, sides: tuple[Side, Side], trials: Trials, settings: Any) -> None:
    duel = DUELS[name]
    settings.PAYMENT_PROVIDER = duel.provider
    counts = statement_counts(duel, sides)
    pairs = pairs_of_stops(counts)
    # One duel meets at every pair of statements in every run; the others at a few.
    sample = len(pairs) if duel.payment == Payment.Status.CLOSED else 16
    chosen = trials.random.sample(pairs, trials.count(sample=sample, full=len(pairs)))
    random_ones = trials.count(sample=8, full=math.ceil(10_000 / len(DUELS)))
    cases = Cases(duel, group=len(chosen) + random_ones)

    for turned, i, j in chosen:
        pair = functions(duel, cases.next(f"{'second' if turned else 'first'} to {i}, the other to {j}"))
        meet(sides, pair[::-1] if turned else pair, (i, j))
    for n in range(random_ones):
        meet_at_random(sides, functions(duel, cases.next(f"by lot, number {n}")), trials.random)
    cases.check()

    told = f"{len(chosen)} of {len(pairs)} pairs of {counts[0]} and {counts[1]} statements"
    trials.tell(f"{told}, {random_ones} random interleavings: {cases}")
