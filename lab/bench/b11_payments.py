"""B11: orders over gRPC while one payment arrives for every two of them, against orders alone.

A process of its own pays every second order that was placed 0.2 s before: it begins the payments, and brings the
captures, by sets, to `record_captures`, the one function for news of money. What a real notice costs before that is
left out, since it comes from elsewhere or is the web server's: HTTP, the provider's ledger, the signature.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from statistics import median
from typing import Any, Self

from lab.bench.b2_orders_over_grpc import orders
from lab.bench.grpc_load import TRANSPORTS, GrpcShop
from lab.bench.native import Load
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.bench.stage import Stage

CALLERS = 512
FLOOR, GOAL = 0.6, 0.8
PACE = 0.9  # of the payments that are due: with less it was not kept
SET, LAG_SECONDS, PAUSE_SECONDS = 256, 0.2, 0.02
SETS_AT_ONCE = 5
PROVIDER = "orders.payments.sandbox.Sandbox"


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    for transport in TRANSPORTS:
        shop = GrpcShop(stage, transport)
        with Payer() as payer:
            without = orders(shop, CALLERS)
            paying = Contestant(f"{without.name}, paid", payer.beside(without), [*shop.pids, payer.pid])
            rates = Rates(stage, [paying, without], rounds=rounds, seconds=seconds)
        name = f"B11 CreateOrder, {transport}, paid / alone"
        ratio = rates.ratio(name, paying.name, without.name, floor=FLOOR, goal=GOAL)
        ratio.details.append(payer.words())
        ratio.is_sound = payer.pace >= PACE
        yield ratio
        stage.stop()


class Payer:
    """The process that pays, and what came of it: payments a second in each turn, how many, and how many were due."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.paid = self.due = 0.0

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        environment = {**os.environ, "PAYMENT_PROVIDER": PROVIDER}
        command = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        self.pid = self._process.pid
        self._read()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._process.communicate()

    def beside(self, contestant: Contestant) -> Any:
        """The load of a contestant, while what it places is paid."""

        def load(seconds: int) -> Load:
            self._say("pay")
            done = contestant.load(seconds)
            self._say("stop")
            paid = self._read()
            self.rates.append(paid["paid"] / paid["seconds"])
            self.paid += paid["paid"]
            self.due += done.answers / 2 * (1 - LAG_SECONDS / done.seconds)
            return done

        return load

    @property
    def pace(self) -> float:
        """The share of the due payments that were made, with those that were under way when the orders ended."""
        return self.paid / self.due

    def words(self) -> str:
        kept = "kept" if self.pace >= PACE else "NOT kept"
        return f"{median(self.rates):,.0f}/s paid, {self.pace:.0%} of those due: the pace of one in two was {kept}"

    def _say(self, word: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, float]:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())


def pay_when_told() -> None:
    """The process: pays from the word "pay" to the word "stop", then says what it did; until its input ends."""
    import django  # noqa: PLC0415

    django.setup()
    latest_order()
    tell(ready=1)
    with ThreadPoolExecutor(SETS_AT_ONCE) as payers:
        while sys.stdin.readline():
            tell(**pay_until_told(payers))


def tell(**numbers: float) -> None:
    sys.stdout.write(json.dumps(numbers) + "\n")
    sys.stdout.flush()


def pay_until_told(payers: Executor) -> dict[str, float]:
    """Pays every second order that comes, a while after it came: rows of two servers appear out of order."""
    started, seen, come, paid = time.monotonic(), latest_order(), 0, 0
    marks: deque[tuple[float, int]] = deque()
    waiting: list[int] = []
    paying: list[Future[int]] = []
    while not select.select([sys.stdin], [], [], PAUSE_SECONDS if len(waiting) < SET else 0)[0]:
        marks.append((time.monotonic() + LAG_SECONDS, latest_order()))
        while marks and marks[0][0] <= time.monotonic():
            _, mark = marks.popleft()
            new = orders_between(seen, mark)
            waiting += new[come % 2 :: 2]
            come, seen = come + len(new), mark
        paying.append(payers.submit(pay, waiting[:SET]))
        del waiting[:SET]
        if len(paying) >= SETS_AT_ONCE:
            paid += paying.pop(0).result()
    paid += sum(one.result() for one in paying)
    sys.stdin.readline()
    return {"paid": paid, "seconds": time.monotonic() - started}


def latest_order() -> int:
    from orders.models import Order  # noqa: PLC0415 (after the settings)

    return Order.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def orders_between(after: int, last: int) -> list[int]:
    """The numbers of the orders that were inserted after the one and not after the other."""
    from orders.models import Order  # noqa: PLC0415

    return list(Order.objects.filter(pk__gt=after, pk__lte=last).order_by("pk").values_list("order_id", flat=True))


def pay(order_ids: list[int]) -> int:
    """Begins a payment for each order and brings its capture. Returns how many were paid."""
    from charites.common import clock  # noqa: PLC0415
    from orders import services  # noqa: PLC0415
    from orders.payloads import Capture  # noqa: PLC0415

    if not order_ids:
        return 0
    now = clock.now()
    captures = [
        Capture(request.payment_id, "sandbox", f"SB{request.payment_id}", request.amount, request.currency, now)
        for request in services.begin_payments(order_ids=order_ids, now=now)
    ]
    errors = [error for error in services.record_captures(captures=captures) if error]
    if errors:
        raise errors[0]
    return len(captures)


if __name__ == "__main__":
    pay_when_told()
