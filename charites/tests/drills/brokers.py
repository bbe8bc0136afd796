"""A shop whose orders time out while what wakes its worker dies: how late they are closed, and when all is well."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, F, Max

from charites.tests.drills.load import GOODS, HEAL_SECONDS, await_orders, what_they_saw
from lab.kit.factories import make_goods
from lab.kit.findings import findings
from lab.kit.history import History, Told, contradictions, miscounts, read_truth
from lab.kit.processes.shop import Shop, wait_until
from orders.models import Order

PROCESSES = ("web", "grpc", "worker", "sweep")
PAY_SECONDS = 5
LATE_SECONDS = 30  # a bound for busy machines, no measurement


@dataclass
class WokenShop:
    shop: Shop

    def missing(self) -> set[str]:
        """What /statusz says is not well."""
        checks = httpx.get(f"{self.shop.url}/statusz", timeout=HEAL_SECONDS).json()["checks"]
        return {name for name, check in checks.items() if not check["ok"]}

    def closed_by_worker(self) -> int:
        """How many orders the worker has closed, which it does when it is woken."""
        return self.shop.log("worker").count('"actor": "worker"')

    def await_wake_up(self) -> float:
        """Waits until the worker closes another order; returns when it did."""
        before = self.closed_by_worker()
        wait_until(lambda: self.closed_by_worker() > before, seconds=HEAL_SECONDS, what="the worker is woken again")
        return time.monotonic()

    def heal(self, history: History, died: float) -> dict[str, str]:
        """Waits until orders go through, /statusz is green and the worker is woken again; returns cells of a row."""
        sold = await_orders(history, died)
        named = self.missing()
        wait_until(lambda: not self.missing(), seconds=HEAL_SECONDS, what="/statusz is green")
        green = time.monotonic()
        woken = self.await_wake_up()
        return {
            **what_they_saw(history.calls, died=died, healed=sold, over=woken),
            "/statusz names": ", ".join(sorted(named)) or "-",
            "green after s": f"{green - died:.1f}",
            "worker woken after s": f"{woken - died:.1f}",
            "latest time-out by then, s": f"{latest():.1f}",
        }

    def await_closed(self) -> None:
        """Waits until the time of every order has run out, and been noticed."""
        unpaid = Order.objects.filter(status=Order.Status.UNPAID)
        wait_until(lambda: not unpaid.exists(), seconds=HEAL_SECONDS, what="every order is closed")

    def ended(self) -> list[str]:
        return [name for name in PROCESSES if self.shop.processes[name].poll() is not None]

    def wrongs(self, history: History) -> dict[str, object]:
        """What must not have happened, of all that may; nothing when all was well."""
        errors = sum(self.shop.log(name).count("internal_error") for name in ("web", "grpc"))
        found = {
            "untrue": untrue(history),
            "audit": findings(),
            "without an answer": history.told()[Told.NOTHING],
            "late by s": latest() if latest() >= LATE_SECONDS else 0,
            "ended": self.ended(),
            "internal errors": errors,
        }
        return {what: value for what, value in found.items() if value}


@contextmanager
def woken_shop(folder: Path, environment: Mapping[str, str]) -> Iterator[WokenShop]:
    for goods_id in GOODS:
        make_goods(goods_id, stock=1_000_000)
    # Of the rates nobody is refused by this one, which all processes count together in Redis.
    own = {"ORDER_PAY_TIMEOUT_SECONDS": str(PAY_SECONDS), "PLACE_RATE": "100000/min"}
    with Shop(folder, {**environment, **own}) as shop:
        shop.start(*PROCESSES)
        shop.await_ready()
        shop.await_grpc()
        yield WokenShop(shop)


def latest() -> float:
    """By how many seconds the latest of the orders whose time ran out was closed late."""
    late = ExpressionWrapper(F("updated_at") - F("expires_at"), output_field=DurationField())
    found = Order.objects.filter(closed_by=Order.ClosedBy.TIMEOUT).aggregate(latest=Max(late))["latest"]
    return found.total_seconds() if found else 0.0


def untrue(history: History) -> list[str]:
    """Everything in which the rows differ from what buyers were told. Who cancels what has run out meanwhile is told
    that it is no longer open, and that is no contradiction."""
    numbers = Order.objects.filter(closed_by=Order.ClosedBy.TIMEOUT).values_list("order_id", flat=True)
    run_out = set(map(str, numbers))
    too_late = [call for call in history.calls if call.operation == "cancel" and call.key in run_out]
    both = [f"{call.key} was cancelled and ran out" for call in too_late if call.told is Told.NEW]
    calls = [call for call in history.calls if call not in too_late]
    truth = read_truth(connection)
    return [*both, *contradictions(calls, truth.effects), *miscounts(truth)]
