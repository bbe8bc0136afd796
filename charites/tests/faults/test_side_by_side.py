"""Three sweeps and three workers at once, while buyers place, pay, cancel and forget: every effect once."""

import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
from django.db import connection
from django.utils import timezone

from lab.kit.factories import BUYER_ID, SANDBOX, counts, make_command, make_goods
from lab.kit.findings import unheard_of, wrong_endings
from lab.kit.processes.shop import Shop, wait_until
from lab.kit.trials import Trials
from messaging.models import Message
from orders import services
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payments import sandbox

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PIECES = 1_000_000
PAY_SECONDS = 3
BUY_SECONDS, REST_SECONDS = 600, 300  # bounds, no measurements
FEW = ("web", "sweep", "sweep2", "worker", "worker2")
MANY = (*FEW, "sweep3", "worker3")


class Buyers:
    """Buy from a thread of their own until the block is left: of thirty, three pay, one opens the pay page and leaves,
    for one the wrong amount is reported, two cancel, and the others forget."""

    def __init__(self) -> None:
        self.order_ids: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                placed = services.place_orders(commands=[make_command({1: 2})] * 30, now=timezone.now())
                order_ids = [result.order.order.order_id for result in placed if result.order]
                self.order_ids += order_ids
                self._act(order_ids)
        finally:
            connection.close()

    def _act(self, order_ids: list[int]) -> None:
        for order_id in order_ids[:3]:
            pay(order_id, "now")
        pay(order_ids[3], "page")
        capture = sandbox.Sandbox().query(pay(order_ids[4], "now").payment_id, timeout_seconds=1)
        assert capture
        services.record_captures(captures=[replace(capture, amount=capture.amount - 1)])
        services.cancel_orders(order_ids=order_ids[5:7], closed_by=Order.ClosedBy.USER, now=timezone.now())


def pay(order_id: int, outcome: str) -> Payment:
    return services.begin_payment(order_id=order_id, user_id=BUYER_ID, outcome=outcome, now=timezone.now()).payment


def is_at_rest() -> bool:
    waiting = Message.objects.filter(state__in=["ready", "half"]).exists()
    return not waiting and not Order.objects.filter(status=Order.Status.UNPAID).exists()


def test_many_sweeps_and_workers_do_everything_once(
    process_environment: dict[str, str], tmp_path: Path, settings: Any, trials: Trials
) -> None:
    number, processes = trials.count(sample=300, full=10_000), MANY if trials.is_full else FEW
    settings.PAYMENT_PROVIDER, settings.ORDER_PAY_TIMEOUT_SECONDS = SANDBOX, PAY_SECONDS
    make_goods(1, stock=PIECES)
    environment = {**process_environment, "PAYMENT_PROVIDER": SANDBOX, "ORDER_PAY_TIMEOUT_SECONDS": str(PAY_SECONDS)}
    environment["DEMO"] = "true"  # the provider's ladder then counts in seconds
    with Shop(tmp_path, environment) as shop:
        shop.start(*processes)
        shop.await_ready()
        with Buyers() as buyers:
            wait_until(lambda: len(buyers.order_ids) >= number, seconds=BUY_SECONDS, what=f"{number} orders are placed")
        wait_until(is_at_rest, seconds=REST_SECONDS, what="every order has ended, every message is delivered")
        audit = shop.manage("audit")

    assert audit.returncode == 0, audit.stdout
    assert wrong_endings(buyers.order_ids) == {}
    assert unheard_of() == []
    assert Order.objects.count() == len(buyers.order_ids)
    assert set(Message.objects.values_list("state", flat=True)) == {"done"}
    assert set(Refund.objects.values_list("status", flat=True)) <= {"done"}
    refunded = SandboxPayment.objects.filter(refunded__gt=0).values_list("trade_id", "refunded")
    captured = Payment.objects.filter(payment_id__in=Refund.objects.values_list("payment_id", flat=True))
    assert sorted(refunded) == sorted(captured.values_list("trade_id", "amount"))
    endings = Counter(Order.objects.values_list("status", "closed_by"))
    paid = endings[Order.Status.PAID, ""]
    assert counts(1) == (PIECES - 2 * paid, 0, 2 * paid)
    trials.tell(
        f"{len(buyers.order_ids)} orders, {paid} paid, {endings[300, 'timeout']} timed out, "
        f"{endings[300, 'user']} cancelled, {len(refunded)} refunds, {Message.objects.count()} messages; "
        f"{', '.join(processes)}"
    )
