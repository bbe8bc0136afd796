"""What the tour shows, step by step. It checks everything that it says, and leaves the stock as it found it."""

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from django.utils import timezone
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from charites.audit import run_audit
from lab.tour.curl_client import Answer, Call, Client, TourFailed, check, shortened
from lab.tour.tables import answers_table, room_table, stock_table
from stock.errors import NotEnoughStock

ROOM_ID = "1"
BOUGHT_ID, FORGOTTEN_ID, RUSHED_ID = "1", "2", "4"  # goods of room 1
BOUGHT_PIECES = 2
BUYERS, LAST_PIECES = 20, 5
PAID_WITHIN_SECONDS = 30
CLOSED_WITHIN_SECONDS = 15  # after the time is up; the sweep promises two
POLL_SECONDS = 0.25
BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
BUSY_TRIES = 20
RECEIVER = {"address": "1 Harbour Road, Hangzhou", "name": "Li Lei", "phone": "13800000000"}


class Tour:
    """One walk. `owed`: pieces that the tour took from a shelf (or, negative, put there), by goods."""

    def __init__(self, client: Client, console: Console) -> None:
        self.client, self.console = client, console
        self.owed: Counter[str] = Counter()
        self.run = uuid4().hex[:8]
        self.steps = 0

    def walk(self) -> None:
        """Runs all steps. Raises TourFailed at the first surprise; the stock is put back in any case."""
        self.check_ready()
        self.welcome()
        before = {goods_id: self.stock(goods_id) for goods_id in (BOUGHT_ID, FORGOTTEN_ID, RUSHED_ID)}
        try:
            self.fill_up(before)
            forgotten = self.forget_an_order()
            self.look_around()
            self.buy_two()
            self.rush()
            self.wait_for_time_out(forgotten, before[FORGOTTEN_ID])
        except BaseException:
            with suppress(TourFailed):  # what went wrong first is what the reader should hear of
                self.put_back()
            raise
        self.put_back()
        self.compare(before)
        self.audit()

    # --- What the steps are made of ---------------------------------------------------------------------------

    def step(self, title: str, words: str) -> None:
        self.steps += 1
        self.console.print()
        self.console.rule(Text(f"{self.steps}. {title}", "bold"), align="left")
        self.console.print(words, highlight=False)

    def say(self, words: str) -> None:
        self.console.print(Text(words), style="green")

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

    def stock(self, goods_id: str) -> dict[str, Any]:
        return self.quietly(Call("buyer", "GET", f"/api/stock/{goods_id}"))

    def adjustment(self, goods_id: str, delta: int, reason: str) -> Call:
        body = {"delta": delta, "reason": reason, "idempotency_key": f"tour-{uuid4().hex}"}
        return Call("staff", "POST", f"/api/stock/{goods_id}/adjustments", body)

    def adjust(self, goods_id: str, delta: int, reason: str) -> None:
        """Changes a shelf and remembers to undo it."""
        self.call(self.adjustment(goods_id, delta, f"tour: {reason}"), HTTPStatus.CREATED)
        self.owed[goods_id] -= delta

    def placing(self, user: str, goods_id: str, quantity: int, name: str) -> Call:
        items = [{"goods_id": goods_id, "quantity": quantity}]
        return Call(user, "POST", "/api/orders", {"items": items, **RECEIVER}, key=f"tour-{self.run}-{name}")

    def poll(self, order_id: str, is_done: Callable[[dict[str, Any]], bool], deadline: float) -> dict[str, Any]:
        """Reads an order until it is as wished; returns it as it is then, or when the time is up."""
        while True:
            order = self.quietly(Call("buyer", "GET", f"/api/orders/{order_id}"))
            if is_done(order) or time.monotonic() > deadline:
                return order
            time.sleep(POLL_SECONDS)

    # --- The steps --------------------------------------------------------------------------------------------

    def check_ready(self) -> None:
        """Raises TourFailed, in one sentence, when a part of the shop is missing."""
        ready = self.client.send(Call("buyer", "GET", "/readyz"))
        if ready.status != HTTPStatus.OK:
            missing = [name for name, part in ready.body.get("checks", {}).items() if not part["ok"]]
            raise TourFailed(f"The shop is not ready ({', '.join(missing)}): see what `make run` says.")
        if self.client.send(Call("buyer", "GET", "/api/rooms")).status == HTTPStatus.UNAUTHORIZED:
            raise TourFailed("The running shop does not take the demo's tokens: start it with `make run`, DEMO on.")

    def welcome(self) -> None:
        words = (
            f"A walk through the shop at {self.client.base_url}. Calls are shown as the curl commands that make them; "
            "`Bearer buyer` is a token that only the demo takes. Answers are shortened."
        )
        self.console.print(Panel(words, title="charites", expand=False))

    def fill_up(self, before: dict[str, dict[str, Any]]) -> None:
        """Puts pieces on an empty shelf, so that there is something to show."""
        for goods_id, needed in ((BOUGHT_ID, BOUGHT_PIECES), (FORGOTTEN_ID, 1)):
            if (missing := needed - before[goods_id]["available"]) > 0:
                self.adjust(goods_id, missing, "something to show")

    def forget_an_order(self) -> dict[str, Any]:
        self.step("An order that nobody will pay", "A buyer orders a kettle and forgets about it. We come back to it.")
        order = self.call(self.placing("buyer", FORGOTTEN_ID, 1, "forgotten"), HTTPStatus.CREATED)
        left = (expiry(order) - timezone.now()).total_seconds()
        self.call(Call("buyer", "GET", f"/api/stock/{FORGOTTEN_ID}"))
        self.say(f"One piece is reserved for it, for the next {left:.0f} seconds.")
        return order

    def look_around(self) -> None:
        self.step("A live room", "What the host presents, in the host's order. Prices are integer cents.")
        room = self.call(Call("buyer", "GET", f"/api/rooms/{ROOM_ID}/goods"))
        self.console.print(room_table(room))

    def buy_two(self) -> None:
        self.step(
            "Buy two, and pay", "Watch the three numbers: an order reserves its pieces, a payment makes them sold."
        )
        seen = [("before", self.call(Call("buyer", "GET", f"/api/stock/{BOUGHT_ID}")))]
        order = self.call(self.placing("buyer", BOUGHT_ID, BOUGHT_PIECES, "bought"), HTTPStatus.CREATED)
        seen.append(("ordered", self.stock(BOUGHT_ID)))
        order_path = f"/api/orders/{order['order_id']}"
        self.call(Call("buyer", "POST", f"{order_path}/pay", {}), HTTPStatus.ACCEPTED)
        self.say("The payment provider now calls the shop back, signed; the order is paid when that has arrived.")
        paid = self.poll(
            order["order_id"], lambda order: order["status"] != 100, time.monotonic() + PAID_WITHIN_SECONDS
        )
        self.call(Call("buyer", "GET", order_path))
        if paid["status"] != 200:
            raise TourFailed(f"Order {order['order_id']} is {paid['status_label']} and not paid: the callback is late.")
        self.owed[BOUGHT_ID] += BOUGHT_PIECES
        seen.append(("paid", self.stock(BOUGHT_ID)))
        self.console.print(stock_table(seen))
        moved = [
            tuple(stock[name] - seen[0][1][name] for name in ("available", "reserved", "sold")) for _, stock in seen
        ]
        if moved != [(0, 0, 0), (-BOUGHT_PIECES, BOUGHT_PIECES, 0), (-BOUGHT_PIECES, 0, BOUGHT_PIECES)]:
            raise TourFailed(f"The stock of product {BOUGHT_ID} did not move by two: is somebody else buying it?")

    def rush(self) -> None:
        self.step(
            "Twenty buyers, five pieces", "Staff leave five knives on the shelf, and say why. Then twenty buy at once."
        )
        delta = LAST_PIECES - self.stock(RUSHED_ID)["available"]
        self.adjust(RUSHED_ID, delta, "the last five")
        users = ("buyer", "buyer2") * (BUYERS // 2)
        calls = [self.placing(user, RUSHED_ID, 1, f"rush-{number}") for number, user in enumerate(users)]
        with ThreadPoolExecutor(BUYERS) as pool:
            answers = list(pool.map(self.place_patiently, calls))
        self.show(calls[0], answers[0])
        self.console.print(f"That was the first of the {BUYERS}; buyer and buyer2 take turns. All of them:")
        self.console.print(answers_table(answers))
        statuses = Counter(answer.status for answer in answers)
        refused = sum(answer.body.get("code") == NotEnoughStock.code for answer in answers)
        if (statuses[HTTPStatus.CREATED], refused) != (LAST_PIECES, BUYERS - LAST_PIECES):
            raise TourFailed(
                f"{statuses[HTTPStatus.CREATED]} orders were accepted and {refused} refused, "
                f"not {LAST_PIECES} and {BUYERS - LAST_PIECES}: did somebody else buy meanwhile?"
            )
        self.say(f"Exactly {LAST_PIECES} got one; {refused} were told that nothing is left.")
        self.console.print("The winners cancel, so that the shelf is as it was.")
        won = [
            (call, answer) for call, answer in zip(calls, answers, strict=True) if answer.status == HTTPStatus.CREATED
        ]
        self.cancel([(call.user, answer.body["order_id"]) for call, answer in won])
        self.adjust(RUSHED_ID, -delta, "the last five, undone")

    def cancel(self, orders: list[tuple[str, str]]) -> None:
        """Cancels orders and shows the first one. One whose time was up meanwhile is closed already."""
        calls = [Call(user, "POST", f"/api/orders/{order_id}/cancel") for user, order_id in orders]
        answers = [self.client.send(call) for call in calls]
        self.show(calls[0], answers[0])
        for call, answer in zip(calls, answers, strict=True):
            if answer.status != HTTPStatus.CONFLICT:
                check(call, answer, HTTPStatus.OK)

    def place_patiently(self, call: Call) -> Answer:
        """Busy is without effect, and no answer in time is unknown: the same key again says which."""
        for _ in range(BUSY_TRIES):
            answer = self.client.send(call)
            if answer.status not in BUSY:
                break
            time.sleep(POLL_SECONDS)
        return answer

    def wait_for_time_out(self, order: dict[str, Any], before: dict[str, Any]) -> None:
        self.step(
            "The forgotten order", "Nobody paid. When its time is up, the shop closes it and gives the piece back."
        )
        closed = self.watch_the_clock(order["order_id"], expiry(order))
        self.call(Call("buyer", "GET", f"/api/orders/{order['order_id']}"))
        if (closed["status"], closed["closed_by"]) != (300, "timeout"):
            raise TourFailed(
                f"Order {order['order_id']} is {closed['status_label']} {CLOSED_WITHIN_SECONDS} s after its time was "
                "up: is the sweep running?"
            )
        self.console.print(stock_table([("before", before), ("closed", self.stock(FORGOTTEN_ID))]))

    def watch_the_clock(self, order_id: str, expires_at: datetime) -> dict[str, Any]:
        """Shows the time that is left, then waits for the close; returns the order."""
        columns = (TextColumn("until it times out"), BarColumn(), TimeRemainingColumn())
        total = max((expires_at - timezone.now()).total_seconds(), POLL_SECONDS)
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task("", total=total)
            while (left := (expires_at - timezone.now()).total_seconds()) > 0:
                progress.update(task, completed=total - left)
                time.sleep(min(POLL_SECONDS, left))
        return self.poll(order_id, lambda order: order["status"] != 100, time.monotonic() + CLOSED_WITHIN_SECONDS)

    def put_back(self) -> None:
        """Undoes what the tour did to the shelves; bought pieces stay sold, so others take their place."""
        if not any(self.owed.values()):
            return
        self.step("As it was", "What was bought stays sold; as many new pieces go on the shelf.")
        for goods_id, pieces in self.owed.items():
            if pieces:
                self.call(self.adjustment(goods_id, pieces, "tour: as it was"), HTTPStatus.CREATED)

    def compare(self, before: dict[str, dict[str, Any]]) -> None:
        for goods_id, stock in before.items():
            available = self.stock(goods_id)["available"]
            if available != stock["available"]:
                raise TourFailed(
                    f"Product {goods_id} had {stock['available']} pieces available before the tour and has {available} "
                    "now: did somebody else buy meanwhile?"
                )

    def audit(self) -> None:
        self.step("The audit", "Every invariant, in one snapshot of the database: `manage.py audit` says the same.")
        results = run_audit(now=timezone.now())
        broken = [result for result in results if result.total]
        for result in broken:
            self.console.print(Text(f"{result.check.id}: {result.check.meaning}: {', '.join(result.ids)}", "red"))
        if broken:
            raise TourFailed(f"The audit found {len(broken)} of {len(results)} rules broken.")
        self.say(f"{len(results)} rules hold. Nothing oversold, nothing leaked.")


def expiry(order: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(order["expires_at"]).astimezone(UTC)
