"""Customers of a running shop who write down what they are told, and ask again until they know.

A `Crowd` of them buys, cancels, delivers stock, repeats what it did and misuses keys, each customer in a thread and one
wish at a time: what was answered with busy or not at all is asked again with the same key, as the answer says.
"""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol, Self

import grpc
import httpx

from charites.common.rpc import Client, DeadlinePassed, read_error
from lab.kit.factories import bearer, staff_bearer
from lab.kit.history import NO_ANSWER, Answer, History, Told
from orders.errors import OrderStateConflict
from orders.rpc.orders_pb2 import CreateOrderRequest, OrderLine, OrderRequest
from orders.rpc.orders_pb2_grpc import OrderStub

CALL_SECONDS = 60  # longer than any call may take: who gives up first must not be the customer
ASK_AGAIN_SECONDS = 0.1
RESOLVE_SECONDS = 120
RECEIVER = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
BUSY = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
UNKNOWN = {HTTPStatus.GATEWAY_TIMEOUT, HTTPStatus.INTERNAL_SERVER_ERROR}


class Wish(NamedTuple):
    """What a customer wants, under a key of their own. An order's contents are product ids and pieces."""

    operation: str
    key: str
    contents: Mapping[str, int]


class Door(Protocol):
    """A protocol of the shop, as one user."""

    operations: Sequence[str]

    def ask(self, wish: Wish) -> Answer:
        """Makes one call; tries nothing again."""

    def close(self) -> None: ...


class RestDoor:
    operations = ("place", "cancel", "adjust")

    def __init__(self, url: str, user_id: int, staff: str = "") -> None:
        """`staff`: a header of the shop's own, where that is on another database than the tests."""
        staff = staff or staff_bearer()
        self._client = httpx.Client(base_url=url, timeout=CALL_SECONDS)
        self._buyer, self._staff = {"Authorization": bearer(user_id)}, {"Authorization": staff}

    def ask(self, wish: Wish) -> Answer:
        try:
            return self.read(wish, self._send(wish))
        except httpx.TransportError:
            return NO_ANSWER

    def _send(self, wish: Wish) -> httpx.Response:
        key = {"Idempotency-Key": wish.key.rpartition("/")[2]}
        match wish.operation:
            case "place":
                items = [{"goods_id": goods_id, "quantity": pieces} for goods_id, pieces in wish.contents.items()]
                return self._client.post("/api/orders", json={"items": items, **RECEIVER}, headers=self._buyer | key)
            case "cancel":
                return self._client.post(f"/api/orders/{wish.key}/cancel", headers=self._buyer)
            case "adjust":
                ((goods_id, delta),) = wish.contents.items()
                body, address = {"delta": delta, "reason": "delivery"}, f"/api/stock/{goods_id}/adjustments"
                return self._client.post(address, json=body, headers=self._staff | key)
        raise ValueError(wish.operation)

    @staticmethod
    def read(wish: Wish, response: httpx.Response) -> Answer:
        if response.is_success:
            if wish.operation == "adjust":
                return Answer(Told.YES)
            is_repeated = wish.operation == "place" and response.status_code == HTTPStatus.OK
            return Answer(Told.OLD if is_repeated else Told.NEW, response.json()["order_id"])
        number = response.json()["code"]
        if response.status_code in BUSY:
            return Answer(Told.BUSY, number=number)
        if response.status_code in UNKNOWN:
            return Answer(Told.NOTHING, number=number)
        return refused(wish, number)

    def close(self) -> None:
        self._client.close()


class RpcDoor:
    operations = ("place", "cancel")

    def __init__(self, address: str, user_id: int) -> None:
        self._client = Client(address, token=bearer(user_id), timeout_seconds=CALL_SECONDS, tries=1)
        self._stub: Any = self._client.stub(OrderStub)

    def ask(self, wish: Wish) -> Answer:
        try:
            if wish.operation == "cancel":
                reply = self._stub.CancelOrder(OrderRequest(order_id=int(wish.key)))
                return Answer(Told.NEW, str(reply.order_id))
            items = [OrderLine(goods_id=int(goods_id), num=pieces) for goods_id, pieces in wish.contents.items()]
            key = wish.key.rpartition("/")[2]
            reply = self._stub.CreateOrder(CreateOrderRequest(items=items, idempotency_key=key, **RECEIVER))
            return Answer(Told.YES, str(reply.order_id))
        except grpc.RpcError as error:
            return self.read(wish, error)

    @staticmethod
    def read(wish: Wish, error: grpc.RpcError) -> Answer:
        ours = read_error(error)
        if not ours:
            return NO_ANSWER
        if error.code() is grpc.StatusCode.UNAVAILABLE or ours.code == DeadlinePassed.code:
            return Answer(Told.BUSY, number=ours.code)
        if error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL):
            return Answer(Told.NOTHING, number=ours.code)
        return refused(wish, ours.code)

    def close(self) -> None:
        self._client.close()


def refused(wish: Wish, number: int) -> Answer:
    """What a refusal says. Nobody pays here, so an order that cannot be cancelled was cancelled before."""
    if wish.operation == "cancel" and number == OrderStateConflict.code:
        return Answer(Told.OLD, wish.key, number)
    return Answer(Told.NO, number=number)


@dataclass
class Customer:
    """One user at one door. `goods_ids`: what they buy; `rest_seconds`: between two calls."""

    name: str
    user_id: int
    door: Door
    history: History
    lots: random.Random
    goods_ids: Sequence[int]
    rest_seconds: float = 0.0
    open: Wish | None = None
    orders: list[str] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)

    def ask(self, wish: Wish) -> Answer:
        """Asks once, notes it, and keeps a wish of which nothing is known yet."""
        call = self.history.begin(self.name, wish.operation, wish.key, wish.contents)
        answer = self.door.ask(wish)
        self.history.end(call, answer)
        self.open = wish if answer.told in (Told.NOTHING, Told.BUSY) else None
        if answer.told.is_yes and wish.operation == "place" and answer.id not in self.orders:
            self.orders.append(answer.id)
        return answer

    def ask_until_known(self, wish: Wish) -> None:
        """Asks until the answer is yes or no, for a while."""
        deadline = time.monotonic() + RESOLVE_SECONDS
        self.ask(wish)
        while self.open and time.monotonic() < deadline:
            time.sleep(ASK_AGAIN_SECONDS)
            self.ask(wish)

    def next_wish(self) -> Wish:
        """Mostly an order; now and then one is cancelled, stock comes in, a wish is repeated, a key is misused."""
        lot = self.lots.randrange(20)
        if lot < 3 and self.orders:
            return Wish("cancel", self.orders.pop(self.lots.randrange(len(self.orders))), {})
        if lot < 5 and "adjust" in self.door.operations:
            return self._new("adjust", {self._goods(): self.lots.choice([-1, 1, 2, 5])})
        if lot < 8 and self.wishes:
            wish = self.lots.choice(self.wishes)
            misused = {goods_id: pieces + 1 for goods_id, pieces in wish.contents.items()}
            return wish if lot < 7 else wish._replace(contents=misused)
        return self._new("place", {self._goods(): self.lots.randint(1, 3) for _ in range(self.lots.randint(1, 2))})

    def _goods(self) -> str:
        return str(self.lots.choice(self.goods_ids))

    def _new(self, operation: str, contents: Mapping[str, int]) -> Wish:
        key = f"{self.name}-{len(self.wishes)}"
        self.wishes.append(Wish(operation, f"{self.user_id}/{key}" if operation == "place" else key, contents))
        return self.wishes[-1]


class Crowd:
    """Customers who are busy while the block runs; leaving it waits until every one of them knows what became of
    their last wish, and raises what went wrong in a thread."""

    def __init__(self, customers: Sequence[Customer]) -> None:
        self._customers = customers
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(len(customers))
        self._running: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._running = [self._pool.submit(self._run, customer) for customer in self._customers]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()
        for running in self._running:
            running.result()

    def _run(self, customer: Customer) -> None:
        while not self._over.is_set():
            customer.ask(customer.open or customer.next_wish())
            self._over.wait(ASK_AGAIN_SECONDS if customer.open else customer.rest_seconds)
        if customer.open:
            customer.ask_until_known(customer.open)
