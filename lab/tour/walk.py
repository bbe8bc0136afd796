"""What the tour shows, step by step. It checks everything that it says, and leaves the stock as it found it, also when
others buy meanwhile: then it says so where its own numbers cannot be told from theirs."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from charites.audit import run_audit
from charites.common import clock
from goods.errors import SaleNotStarted
from lab.tour.curl_client import Call, TourFailed
from lab.tour.guide import POLL_SECONDS, Guide
from lab.tour.tables import Moments, answers_table, room_table, stock_table
from orders.errors import OverBuyersLimit, PriceChanged
from stock.errors import NotEnoughStock

ROOM_ID = "1"
BOUGHT_ID, FORGOTTEN_ID, RUSHED_ID = "1", "2", "4"  # goods of room 1
LIMITED_ID, OPENING_ID = "25", "30"  # goods with rules of a sale
BOUGHT_PIECES = 2
BUYERS, LAST_PIECES = 20, 5
PAID_WITHIN_SECONDS = 30
ABOUT_TO_OPEN = timedelta(seconds=2)  # nobody could say what an order would be told
CLOSED_WITHIN_SECONDS = 15  # after the time is up; the sweep promises two


class Tour(Guide):
    """One walk."""

    def walk(self) -> None:
        """Runs all steps. Raises TourFailed at the first surprise; the stock is put back in any case."""
        self.check_ready()
        self.welcome()
        before = {goods_id: self.stock(goods_id) for goods_id in (BOUGHT_ID, FORGOTTEN_ID, RUSHED_ID, LIMITED_ID)}
        try:
            forgotten, seen = self.forget_an_order()
            self.look_around()
            self.buy_two()
            self.meet_the_rules()
            self.rush()
            self.wait_for_time_out(forgotten, seen)
        except BaseException:
            with suppress(TourFailed):  # what went wrong first is what the reader should hear of
                self.put_back()
            raise
        self.put_back()
        self.compare(before)
        self.audit()

    def check_ready(self) -> None:
        """Raises TourFailed, in one sentence, when a part of the shop is missing."""
        ready = self.client.send(Call("buyer", "GET", "/statusz"))
        if ready.status != HTTPStatus.OK:
            missing = [name for name, part in ready.body.get("checks", {}).items() if not part["ok"]]
            raise TourFailed(f"The shop is not ready ({', '.join(missing)}): see what `make run` says.")
        if self.client.send(Call("buyer", "GET", "/api/rooms")).status == HTTPStatus.UNAUTHORIZED:
            raise TourFailed("The running shop does not take the demo's tokens: start it with `make run`, DEMO on.")

    def welcome(self) -> None:
        words = (
            f"A walk through the shop at {self.client.base_url}. Calls are shown as the curl commands that make them; "
            "`Bearer buyer` and the like are tokens that only the demo takes. Answers are shortened."
        )
        self.console.print(Panel(words, title="charites", expand=False))

    def forget_an_order(self) -> tuple[dict[str, Any], Moments]:
        """Returns the order, and the stock before and after it."""
        self.step("An order that nobody will pay", "A buyer orders a kettle and forgets about it. We come back to it.")
        self.fill(FORGOTTEN_ID, 1)
        seen = [("before", self.stock(FORGOTTEN_ID))]
        order = self.place(self.placing("buyer", FORGOTTEN_ID, 1, "forgotten"), FORGOTTEN_ID, 1)
        left = (expiry(order) - timezone.now()).total_seconds()
        seen.append(("ordered", self.call(Call("buyer", "GET", f"/api/stock/{FORGOTTEN_ID}"))))
        self.say(f"One piece is reserved for it, for the next {left:.0f} seconds.")
        return order, seen

    def look_around(self) -> None:
        self.step("A live room", "What the host presents, in the host's order. Prices are integer cents.")
        room = self.call(Call("buyer", "GET", f"/api/rooms/{ROOM_ID}/goods"))
        self.console.print(room_table(room))

    def buy_two(self) -> None:
        self.step(
            "Buy two, and pay", "Watch the three numbers: an order reserves its pieces, a payment makes them sold."
        )
        self.fill(BOUGHT_ID, BOUGHT_PIECES)
        seen = [("before", self.call(Call("buyer", "GET", f"/api/stock/{BOUGHT_ID}")))]
        order = self.place(self.placing("buyer", BOUGHT_ID, BOUGHT_PIECES, "bought"), BOUGHT_ID, BOUGHT_PIECES)
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
            if self.is_alone(BOUGHT_ID):
                raise TourFailed(f"The stock of product {BOUGHT_ID} did not move by {BOUGHT_PIECES}.")
            self.say("Somebody else was at this shelf meanwhile, so the numbers are theirs, too.")

    def meet_the_rules(self) -> None:
        self.step(
            "The rules of a sale",
            "An order for more pieces than one buyer may have, or at a price that has changed, is refused, and nothing "
            "is taken; so is one before the sale opens.",
        )
        self.meet_the_limit()
        price = self.quietly(Call("buyer", "GET", f"/api/goods/{BOUGHT_ID}"))["price"]
        call = self.placing("buyer", BOUGHT_ID, 1, "price", expected_amount=price - 1)
        told = self.refused(call, PriceChanged)
        self.say(f"The buyer saw {price - 1} cents, and it is {told['details']['amount']} by now.")
        self.meet_the_opening()

    def meet_the_limit(self) -> None:
        limit = self.quietly(Call("buyer", "GET", f"/api/goods/{LIMITED_ID}"))["limit_per_buyer"]
        if not limit:
            self.say(f"Product {LIMITED_ID} has no limit a buyer any more.")
            return
        self.fill(LIMITED_ID, limit + 1)
        self.refused(self.placing_for_somebody(LIMITED_ID, limit + 1, "limit"), OverBuyersLimit)
        self.say(f"One buyer may have {limit} of product {LIMITED_ID}, over all orders that are not closed.")

    def meet_the_opening(self) -> None:
        starts_at = self.quietly(Call("buyer", "GET", f"/api/goods/{OPENING_ID}"))["sale_starts_at"]
        if starts_at is None or as_time(starts_at) < clock.now() + ABOUT_TO_OPEN:
            opened = f"opened at {as_time(starts_at):%Y-%m-%d %H:%M} UTC" if starts_at else "has no time any more"
            self.say(f"The sale of product {OPENING_ID} {opened}: it takes orders, so there is no refusal to show.")
            return
        told = self.refused(self.placing_for_somebody(OPENING_ID, 1, "opening"), SaleNotStarted)
        self.say(f"It opens at {told['details']['starts_at']}, by the database's clock, for everybody at once.")

    def rush(self) -> None:
        self.step(
            "Twenty buyers, five pieces", "Staff leave five knives on the shelf, and say why. Then twenty buy at once."
        )
        delta = self.adjust(RUSHED_ID, LAST_PIECES - self.stock(RUSHED_ID)["available"], "the last five")
        calls = [self.placing_for_somebody(RUSHED_ID, 1, f"rush-{number}") for number in range(BUYERS)]
        with ThreadPoolExecutor(BUYERS) as pool:
            answers = list(pool.map(self.send_patiently, calls))
        won = [int(answer.body["OrderId"]) for answer in answers if answer.status == HTTPStatus.OK]
        self.orders.update(won)
        self.show(calls[0], answers[0])
        self.console.print(f"That was the first of the {BUYERS}; each order is another buyer's. All of them:")
        self.console.print(answers_table(answers))
        refused = sum(answer.error.get("code") == NotEnoughStock.code for answer in answers)
        self.judge(len(won), refused)
        self.console.print("The winners cancel, so that the shelf is as it was.")
        self.cancel(won)
        self.adjust(RUSHED_ID, -delta, "the last five, undone")

    def judge(self, won: int, refused: int) -> None:
        """Says how the rush went; where others took part, as many of all the pieces as were there."""
        if (won, refused) == (LAST_PIECES, BUYERS - LAST_PIECES):
            self.say(f"Exactly {LAST_PIECES} got one; {refused} were told that nothing is left.")
        elif won + refused == BUYERS and not self.is_alone(RUSHED_ID):
            self.say(f"{won} got one, and {refused} none: somebody else bought or gave back meanwhile.")
        else:
            raise TourFailed(
                f"{won} orders were accepted and {refused} refused, not {LAST_PIECES} and {BUYERS - LAST_PIECES}."
            )

    def wait_for_time_out(self, order: dict[str, Any], seen: Moments) -> None:
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
        self.console.print(stock_table([*seen, ("closed", self.stock(FORGOTTEN_ID))]))

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
        for goods_id, pieces in list(self.owed.items()):
            if pieces and self.adjust(goods_id, pieces, "as it was") != pieces:
                self.say(f"Somebody bought {-self.owed[goods_id]} of what the tour had put on shelf {goods_id}.")

    def compare(self, before: dict[str, dict[str, Any]]) -> None:
        for goods_id, stock in before.items():
            available = self.stock(goods_id)["available"]
            if available == stock["available"]:
                continue
            words = (
                f"Product {goods_id} had {stock['available']} pieces available before the tour and has {available} now"
            )
            if self.is_alone(goods_id):
                raise TourFailed(f"{words}.")
            self.say(f"{words}: somebody else bought or gave back meanwhile.")

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
    return as_time(order["expires_at"])


def as_time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
