"""One run: a buyer, a fault, the repair; what was told and what is true afterwards."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from charites.common.rpc import read_error
from lab.faults.private_shop import PrivateShop
from lab.faults.steps import Step
from lab.faults.true_state import Count, Ledger, Watch, short
from orders.rpc.orders_pb2 import CreateOrderRequest, OrderReply
from orders.rpc.orders_pb2_grpc import OrderStub
from stock.rpc.stock_pb2 import OrderStockRequest
from stock.rpc.stock_pb2_grpc import StockStub

FIRST_BUYER_ID = 1_000
PIECES = 2
CONVERGE_SECONDS = 60.0
LOOK_SECONDS = 0.1
# Two checks and a delivery: what has not begun to heal by then never will.
PATIENCE_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Event:
    at_seconds: float
    who: str
    what: str


@dataclass
class Run:
    """What happened in one flow at one step. `converged_seconds`: from the repair until nothing was missing; None when
    something stays missing."""

    flow: str
    step: Step
    events: list[Event] = field(default_factory=list)
    count: Count | None = None
    findings: list[str] = field(default_factory=list)
    converged_seconds: float | None = None

    @property
    def leaked(self) -> int:
        return self.count.leaked if self.count else 0

    @property
    def is_as_expected(self) -> bool:
        """Whether it leaked exactly where the table of steps says so, the audit agreeing, and healed elsewhere."""
        leaks = self.flow in self.step.leaks
        return leaks == (self.leaked > 0) == bool(self.findings) and (self.converged_seconds is None) == leaks


class Story:
    """One run being made."""

    def __init__(
        self, shop: PrivateShop, ledger: Ledger, run: Run, goods_id: int, tell: Callable[[Event], None]
    ) -> None:
        self.shop, self.ledger, self.run, self.goods_id = shop, ledger, run, goods_id
        self._tell, self._began, self._mutex = tell, time.monotonic(), threading.Lock()

    def tell(self, who: str, what: str) -> None:
        with self._mutex:
            event = Event(round(time.monotonic() - self._began, 2), who, what)
            self.run.events.append(event)
            self._tell(event)

    def play(self) -> None:
        """The whole run, in the order service's flow; leaves the shop without leaks, for the next one."""
        self.shop.start("orders", self.run.flow)
        with Watch(self.shop.urls, self.tell):
            self.buy_until_answered("a first buyer, undisturbed", key=f"first-{self.goods_id}")
            if self.run.step.is_inside:
                self.die_inside()
            else:
                self.die_beside()
            self.buy_until_answered("the buyer asks again, with the same key", key=self.key)
            self.await_convergence()
        self.shop.kill("orders")
        self.run.count = self.ledger.count(self.goods_id)
        self.run.findings = self.ledger.findings()
        self.mend()

    @property
    def key(self) -> str:
        return f"buyer-{self.goods_id}"

    def buyer_of(self, key: str) -> int:
        """Every order of the demo is another buyer's: one buyer may have few that are not paid."""
        return FIRST_BUYER_ID + 2 * self.goods_id + (key == self.key)

    def die_inside(self) -> None:
        """The order service is killed while it stands at the step, and started again."""
        self.shop.arm(self.run.step.name)
        buyer = threading.Thread(target=self.buy, args=("a buyer", self.key))
        buyer.start()
        self.shop.await_parked()
        self.tell("fault", f"{self.run.step.name}: {self.run.step.meaning}; the order service is killed with -9")
        self.shop.kill("orders")
        buyer.join()
        self.shop.start("orders", self.run.flow)
        self.tell("repair", "the order service is started again")

    def die_beside(self) -> None:
        """A neighbour is killed before the buyer comes, and started again afterwards."""
        dies = self.run.step.dies
        self.shop.kill(dies)
        self.tell("fault", f"{self.run.step.name}: {self.run.step.meaning}; it was killed with -9")
        self.buy("a buyer", self.key)
        self.shop.start(dies)
        self.tell(
            "repair", f"the {dies} is started again" if dies == "broker" else f"the {dies} service is started again"
        )

    def buy(self, who: str, key: str) -> OrderReply | None:
        """Asks for an order and tells the answer; None when there was no order in it."""
        self.tell("buyer", f"{who}: {PIECES} of product {self.goods_id}")
        request = CreateOrderRequest(
            goods_id=self.goods_id,
            num=PIECES,
            user_id=self.buyer_of(key),
            address="1 Harbour Road",
            name="Li Lei",
            phone="13800000000",
            idempotency_key=key,
        )
        with self.shop.client("orders") as client:
            stub: Any = client.stub(OrderStub)
            try:
                reply: OrderReply = stub.CreateOrder(request)
            except grpc.RpcError as error:
                ours = read_error(error)
                said = f"{ours.code} {ours.message}" if ours else "no answer, the connection broke"
                self.tell("answer", f"{error.code().name}: {said}")
                return None
        self.tell("answer", f"order {short(reply.order_id)}, unpaid")
        return reply

    def buy_until_answered(self, who: str, *, key: str) -> None:
        """Asks until there is an order, as a patient buyer does: busy means that nothing was done."""
        deadline = time.monotonic() + CONVERGE_SECONDS
        while self.buy(who, key) is None and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)

    def await_convergence(self) -> None:
        """Waits until no message is under way and every reserved piece belongs to an order; gives up where the flow has
        nothing that could still heal."""
        began = time.monotonic()
        while time.monotonic() < began + CONVERGE_SECONDS:
            is_at_rest = self.ledger.is_at_rest()
            if is_at_rest and not self.ledger.count(self.goods_id).leaked:
                self.run.converged_seconds = round(time.monotonic() - began, 1)
                return
            if is_at_rest and time.monotonic() > began + PATIENCE_SECONDS:
                return
            time.sleep(LOOK_SECONDS)

    def mend(self) -> None:
        """What an operator has to do about a leak, by hand: find the reservations without an order, and end them; as
        the service of orders, whose they are."""
        with self.shop.client("stock", name="orders") as client:
            stub: Any = client.stub(StockStub)
            for order_id in self.ledger.reserved_for_nobody():
                stub.RollbackStock(OrderStockRequest(order_id=order_id))
