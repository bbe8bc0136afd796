"""What the steps of the tour are made of: calls that are shown, orders, and shelves that are changed and put back."""

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.text import Text

from charites.common import clock
from charites.common.errors import ServiceError
from lab.tour.curl_client import Answer, Call, Client, TourFailed, check, shortened
from stock.errors import NotEnoughStock
from stock.models import StockAdjustment, StockRecord

SERVICE = "token"  # of the demo: another service, which may order for any buyer
FIRST_BUYER_ID = 1_000_000_000  # nobody who signs in has such a number
POLL_SECONDS = 0.25
BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
TRIES = 20
RECEIVER = {"address": "1 Harbour Road, Hangzhou", "name": "Li Lei", "phone": "13800000000"}


class Guide:
    """`owed`: pieces that the tour took from a shelf (or, negative, put there), by goods. `orders`: the tour's own."""

    def __init__(self, client: Client, console: Console) -> None:
        self.client, self.console = client, console
        self.owed: Counter[str] = Counter()
        self.orders: set[int] = set()
        self.run = uuid4().hex[:8]
        self.began_at = clock.now()
        self.steps = 0
        self._last_buyer = FIRST_BUYER_ID + secrets.randbelow(10**12)

    def step(self, title: str, words: str) -> None:
        self.steps += 1
        self.console.print()
        self.console.rule(Text(f"{self.steps}. {title}", "bold"), align="left")
        self.console.print(words, highlight=False)

    def say(self, words: str) -> None:
        self.console.print(Text(words), style="green")

    # --- Calls ------------------------------------------------------------------------------------------------

    def call(self, call: Call, expected: int = HTTPStatus.OK) -> dict[str, Any]:
        """Sends a call, shows it as curl with its answer, and returns the answer's body."""
        answer = self.client.send(call)
        self.show(call, answer)
        check(call, answer, expected)
        return answer.body

    def show(self, call: Call, answer: Answer) -> None:
        # Soft wrap: a terminal may break these lines, but a copy of them stays whole.
        self.console.print(Text(f"\n{call.curl(self.client.base_url)}", "cyan"), soft_wrap=True)
        short = json.dumps(shortened(answer.body), ensure_ascii=False)
        self.console.print(Text(f"{answer.status} {short}", "dim"), soft_wrap=True)

    def quietly(self, call: Call, expected: int = HTTPStatus.OK) -> dict[str, Any]:
        """A call that the reader has seen before."""
        answer = self.client.send(call)
        check(call, answer, expected)
        return answer.body

    def refused(self, call: Call, error: type[ServiceError]) -> dict[str, Any]:
        """A call that has to be refused so; returns the refusal. Raises TourFailed when it is not."""
        answer = self.client.send(call)
        self.show(call, answer)
        check(call, answer, HTTPStatus.BAD_REQUEST if call.path.startswith("/v1/") else HTTPStatus.CONFLICT)
        if answer.error["code"] != error.code:
            raise TourFailed(f"{call.method} {call.path} answered {answer.error['code']}; {error.code} was expected.")
        return answer.error

    def send_patiently(self, call: Call) -> Answer:
        """Busy is without effect, and no answer in time is unknown: the same key again says which."""
        for _ in range(TRIES):
            answer = self.client.send(call)
            if answer.status not in BUSY:
                break
            time.sleep(POLL_SECONDS)
        return answer

    # --- Orders -----------------------------------------------------------------------------------------------

    def placing(self, user: str, goods_id: str, quantity: int, name: str, **more: Any) -> Call:
        items = [{"goods_id": goods_id, "quantity": quantity}]
        return Call(user, "POST", "/api/orders", {"items": items, **RECEIVER, **more}, key=f"tour-{self.run}-{name}")

    def placing_for_somebody(self, goods_id: str, quantity: int, name: str) -> Call:
        """An order of a buyer who has no other one: a service names the buyer."""
        self._last_buyer += 1
        body = {"GoodsId": goods_id, "Num": quantity, "UserId": str(self._last_buyer)}
        receiver = {name.title(): value for name, value in RECEIVER.items()}
        return Call(SERVICE, "POST", "/v1/createorder", body | receiver, key=f"tour-{self.run}-{name}")

    def place(self, call: Call, goods_id: str, quantity: int) -> dict[str, Any]:
        """Places an order and shows it. Pieces that somebody else took in the last moment are replaced."""
        for _ in range(TRIES):
            answer = self.send_patiently(call)
            if answer.error.get("code") != NotEnoughStock.code:
                break
            self.fill(goods_id, quantity)
        self.show(call, answer)
        check(call, answer, HTTPStatus.CREATED)
        self.orders.add(int(answer.body["order_id"]))
        return answer.body

    def cancel(self, orders: list[int]) -> None:
        """Cancels orders and shows the first one. One whose time was up meanwhile is closed already."""
        calls = [Call(SERVICE, "POST", f"/api/orders/{order_id}/cancel") for order_id in orders]
        answers = [self.send_patiently(call) for call in calls]
        for call, answer in zip(calls[:1], answers, strict=False):
            self.show(call, answer)
        for call, answer in zip(calls, answers, strict=True):
            if answer.status != HTTPStatus.CONFLICT:
                check(call, answer, HTTPStatus.OK)

    def poll(self, order_id: str, is_done: Callable[[dict[str, Any]], bool], deadline: float) -> dict[str, Any]:
        """Reads an order until it is as wished; returns it as it is then, or when the time is up."""
        while True:
            order = self.quietly(Call("buyer", "GET", f"/api/orders/{order_id}"))
            if is_done(order) or time.monotonic() > deadline:
                return order
            time.sleep(POLL_SECONDS)

    # --- Shelves ----------------------------------------------------------------------------------------------

    def stock(self, goods_id: str) -> dict[str, Any]:
        return self.quietly(Call("buyer", "GET", f"/api/stock/{goods_id}"))

    def fill(self, goods_id: str, needed: int) -> None:
        """Puts pieces on a shelf where there are fewer, so that there is something to show."""
        if (missing := needed - self.stock(goods_id)["available"]) > 0:
            self.adjust(goods_id, missing, "something to show")

    def adjust(self, goods_id: str, delta: int, reason: str) -> int:
        """Changes a shelf and remembers to undo it. Returns by how much: what others bought cannot be taken away."""
        for _ in range(TRIES):
            body = {"delta": delta, "reason": f"tour: {reason}", "idempotency_key": f"{self.mark}{uuid4().hex}"}
            call = Call("staff", "POST", f"/api/stock/{goods_id}/adjustments", body)
            answer = self.send_patiently(call)
            if answer.error.get("code") != NotEnoughStock.code:
                break
            delta = max(delta, -self.stock(goods_id)["available"])
            if not delta:
                return 0
        self.show(call, answer)
        check(call, answer, HTTPStatus.CREATED)
        self.owed[goods_id] -= delta
        return delta

    @property
    def mark(self) -> str:
        """How the keys of this walk's adjustments begin."""
        return f"tour-{self.run}-"

    def is_alone(self, goods_id: str) -> bool:
        """Whether nobody else has bought, given back or delivered pieces of a product since the walk began."""
        changed = StockRecord.objects.filter(goods_id=goods_id, updated_at__gte=self.began_at)
        delivered = StockAdjustment.objects.filter(goods_id=goods_id, created_at__gte=self.began_at)
        others = changed.exclude(order_id__in=self.orders), delivered.exclude(idempotency_key__startswith=self.mark)
        return not any(found.exists() for found in others)
