"""The five events of an order's life, with its stock at another service, in all 120 orders."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.utils import timezone

from charites.audit.databases import open_database, own_database
from charites.audit.run import run_audit
from charites.common.ids import next_id
from goods.models import Goods
from lab.kit.factories import BUYER_ID, SANDBOX, make_command, make_goods
from lab.kit.findings import unheard_of, wrong_endings
from lab.kit.processes.stock_service import StockService
from lab.kit.trials import Trials
from messaging.check_back import check_back
from messaging.models import Message
from messaging.registry import unregister
from messaging.relay import deliver_due
from messaging.services import prepare_many
from orders import remote, services
from orders.errors import OrderNotFound, OrderStateConflict, PaymentNotFound
from orders.flows import half_message as split
from orders.messages import register_notifications
from orders.models import Order, Payment, SandboxPayment
from orders.payloads import Capture
from orders.payments import sandbox
from orders.services.placing import placing
from stock.moves import Outcome, Status

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PIECES = 1_000_000
ROLLED_BACK, DEDUCTED = 2, 3
TIMEOUT_SECONDS = 1800
EVENTS = ("reserve", "check lets the roll back through", "time-out", "payment callback", "buyer cancels")
TOPICS = (split.UNPLACED_TOPIC, split.CONFIRM_TOPIC, split.ROLL_BACK_TOPIC)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockService]:
    with StockService(tmp_path_factory.mktemp("stock")) as service:
        service.set_stock(1, PIECES)
        yield service


@pytest.fixture(autouse=True)
def _split(settings: Any, stock: StockService) -> Iterator[None]:
    settings.APPS = ["goods", "orders"]
    settings.STOCK_ENDPOINT = f"ipv4:{stock.address}"
    settings.ORDER_FLOW = "half_message"
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.ORDER_PAY_TIMEOUT_SECONDS = TIMEOUT_SECONDS
    register_notifications()
    make_goods(1)
    yield
    for topic in TOPICS:
        unregister(topic)
    remote.client.cache_clear()


class Life:
    """One order. Its compensation is stored already: placing it has begun, and hangs before the stock service hears of
    it."""

    def __init__(self) -> None:
        self.start = timezone.now()
        self.order_id = next_id()
        self.move = placing(make_command({1: 2}), self.order_id, {1: Goods.objects.get()}, self.start)
        self.compensations = {self.order_id: prepare_many([split.compensation(self.move)])[0]}
        self.placed: Outcome | None = None

    def happen(self, event: str) -> None:
        {
            "reserve": self.reserve,
            "check lets the roll back through": self.check,
            "time-out": self.time_out,
            "payment callback": self.payment_callback,
            "buyer cancels": self.cancel,
        }[event]()

    def reserve(self) -> None:
        """The reservation arrives at the stock service, then the local transaction runs, as in `split.place`. A buyer
        whose order was placed opens the pay page."""
        answers = split.reserve([self.move])
        reserved = [move for move, answer in answers.items() if answer.done]
        participant = split.NotifyingParticipant(self.compensations)
        self.placed = (answers | split.write_orders(reserved, participant))[self.move]
        split.end_compensations(self.compensations, answers, {self.move: self.placed})
        if self.placed.status is Status.OK:
            services.begin_payment(order_id=self.order_id, user_id=BUYER_ID, outcome="page", now=self.start)

    def check(self) -> None:
        check_back(now=self.start + timedelta(seconds=60))

    def time_out(self) -> None:
        """The sweep comes round when the order's time is up, and once more."""
        for seconds in (0, 60):
            now = self.start + timedelta(seconds=TIMEOUT_SECONDS + seconds)
            services.close_overdue_payments(now=now)
            services.close_due(now=now)

    def payment_callback(self) -> None:
        """The provider has taken the money after all, whatever it said before, and says so. Nobody pays for an order
        that was never placed."""
        payment = Payment.objects.filter(order_id=self.order_id).first()
        payment_id, amount = (payment.payment_id, payment.amount) if payment else (self.order_id, 1)
        trade_id = f"T{payment_id}"
        SandboxPayment.objects.filter(payment_id=payment_id).update(
            status=SandboxPayment.Status.CAPTURED, trade_id=trade_id, captured_at=self.start
        )
        capture = Capture(payment_id, sandbox.CHANNEL, trade_id, amount, "CNY", self.start)
        (error,) = services.record_captures(captures=[capture])
        assert type(error) is (type(None) if payment else PaymentNotFound)

    def cancel(self) -> None:
        closed_by = Order.ClosedBy.USER
        with suppress(OrderNotFound, OrderStateConflict):
            services.cancel_order(order_id=self.order_id, user_id=BUYER_ID, closed_by=closed_by, now=self.start)

    def come_round(self) -> None:
        """What comes round again later: the callback, the check, the sweep, every message."""
        self.payment_callback()
        self.check()
        self.time_out()
        deliver()

    def ending(self, stock: StockService) -> str:
        """How it ended; fails when that is no legal end."""
        order = Order.objects.filter(order_id=self.order_id).first()
        records = {status for _, _, status in stock.records(self.order_id)}
        if order is None:
            assert self.placed is not None
            assert not self.placed.done
            assert records == {ROLLED_BACK}
            return "never placed"
        assert wrong_endings([self.order_id]) == {}
        assert records == {DEDUCTED if order.status == Order.Status.PAID else ROLLED_BACK}
        return str(order.get_status_display())


def deliver() -> None:
    """Delivers everything that is due within a day."""
    while deliver_due(now=timezone.now() + timedelta(days=1)):
        pass


def test_life_of_an_order_in_every_order_of_its_events_ends_well(stock: StockService, trials: Trials) -> None:
    orders = list(permutations(EVENTS))
    chosen = trials.random.sample(orders, trials.count(sample=20, full=len(orders)))
    endings: Counter[str] = Counter()
    sold = stock.counts(1)[2]

    for events in chosen:
        life = Life()
        for event in events:
            life.happen(event)
            if trials.random.random() < 0.5:
                deliver()  # the sweep may come round in between, or not
        life.come_round()
        endings[life.ending(stock)] += 1

    assert stock.counts(1) == (PIECES - sold - 2 * endings["paid"], 0, sold + 2 * endings["paid"])
    assert set(Message.objects.values_list("state", flat=True)) <= {"done", "aborted"}
    assert unheard_of() == []
    assert findings_of_both(stock) == []
    told = ", ".join(f"{count} {ending}" for ending, count in sorted(endings.items()))
    trials.tell(f"{len(chosen)} of {len(orders)} orders of five events: {told}")


def findings_of_both(stock: StockService) -> list[str]:
    """What the audit over the databases of both services finds, once every grace period is over."""
    other = open_database("stock", stock.database_url)
    with closing(other.connection):
        results = run_audit(now=timezone.now() + timedelta(hours=2), databases=[own_database(), other])
    assert len({result.check.id for result in results}) > 20
    return [f"{result.check.id}: {', '.join(result.ids)}" for result in results if result.total]
