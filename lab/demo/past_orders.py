"""Carries a plan out through the services that the shop itself uses, with the clock of the time it happened.

Nothing is written behind the services' backs: so stock, records, payments and refunds agree, as an audit shows. The
demo's few buyers have more unpaid orders, and faster, than a shop lets one buyer have: for what is long past those two
rules are off. Products with sale rules of their own are left to the buyers of today.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from charites.common.ids import next_ids
from charites.common.threads import AT_ONCE
from goods import selectors as goods_selectors
from goods.models import Goods
from lab.demo.fixture_catalogue import ACTOR, read_catalogue
from lab.demo.order_plan import Fate, Market, Moment, Planned, Shelf, make_plan, pieces_needed
from messaging import relay
from orders import services
from orders.models import Order, Refund
from orders.payloads import Capture, Closing
from orders.payments import sandbox
from orders.payments.port import PaymentRequest
from orders.services.closing import close
from stock.services import Adjustment, adjust_stock

SANDBOX = "orders.payments.sandbox.Sandbox"
OVERPAID_CENTS = 100
BEGUN = (Fate.PAID, Fate.COMPLETED, Fate.PAID_TWICE, Fate.PAID_LATE, Fate.PAID_WRONG)
CLOSED_BY = {
    Fate.CANCELLED: Order.ClosedBy.USER,
    Fate.CLOSED_BY_STAFF: Order.ClosedBy.STAFF,
    Fate.TIMED_OUT: Order.ClosedBy.TIMEOUT,
    Fate.PAID_WRONG: Order.ClosedBy.TIMEOUT,
}


class NothingForSale(Exception):
    """Every product of the catalogue is off sale or gone, or its room is."""


class NoSandbox(Exception):
    """Demo orders are paid at the sandbox provider, and another one is configured."""


@dataclass(slots=True)
class History:
    """What became of the orders, as it is stored, of the money that went back, and which errors there were."""

    orders: Counter[str] = field(default_factory=Counter)
    refunds: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def add_errors(self, errors: Iterable[Exception | None]) -> None:
        self.errors.update(type(error).__name__ for error in errors if error)


def make_orders(*, number: int, now: datetime, random: Random, report: Callable[[int], None]) -> History:
    """Makes `number` orders of the last two weeks, in every status; calls `report` with how many more are done.

    The stock for them arrives first, as an adjustment. Call it outside any transaction. Raises NoSandbox,
    NothingForSale.
    """
    if settings.PAYMENT_PROVIDER != SANDBOX:
        raise NoSandbox
    plan = make_plan(market=find_market(), number=number, now=now, random=random)
    receive_delivery(pieces_needed(plan))
    history = History()
    with any_number_of_orders():
        for moment in plan:
            live_through(moment, history)
            report(len(moment.orders))
    deliver_refunds(sum(history.refunds.values()))
    return history


@contextmanager
def any_number_of_orders() -> Iterator[None]:
    """In this process one buyer may have any number of orders, unpaid or in a while. No other process takes part."""
    unpaid, rate = settings.MAX_UNPAID_ORDERS, settings.PLACE_RATE
    settings.MAX_UNPAID_ORDERS, settings.PLACE_RATE = 0, "0"
    try:
        yield
    finally:
        settings.MAX_UNPAID_ORDERS, settings.PLACE_RATE = unpaid, rate


def find_market() -> Market:
    """Who buys and what is for sale: of the catalogue, what is on sale to anybody at any time and not sold out on
    purpose."""
    catalogue = read_catalogue()
    stocked = [entry["goods_id"] for entry in catalogue["goods"] if entry["stock"]]
    on_sale = {goods.goods_id for goods in goods_selectors.list_goods(goods_ids=stocked) if is_for_anybody(goods)}
    named = [room["room_id"] for room in catalogue["rooms"]]
    rooms = {room.room_id for room in goods_selectors.list_existing_rooms(room_ids=named)}
    shelves = [
        Shelf(room["room_id"], [entry["goods_id"] for entry in room["goods"] if entry["goods_id"] in on_sale])
        for room in catalogue["rooms"]
        if room["room_id"] in rooms
    ]
    if not any(shelf.goods_ids for shelf in shelves):
        raise NothingForSale
    names = [entry["username"] for entry in catalogue["users"] if entry["role"] == "customer"]
    buyers = get_user_model().objects.filter(username__in=names).order_by("pk").values_list("pk", flat=True)
    return Market([shelf for shelf in shelves if shelf.goods_ids], catalogue["addresses"], list(buyers))


def is_for_anybody(goods: Goods) -> bool:
    """Whether a product is on sale without a limit a buyer and without a time."""
    has_rules = goods.limit_per_buyer or goods.sale_starts_at or goods.sale_ends_at
    return goods.status == Goods.Status.ON_SALE and not has_rules


def receive_delivery(pieces: Counter[int]) -> None:
    adjust_stock(
        adjustments=[
            Adjustment(goods_id=goods_id, delta=count, reason="delivery for demo orders", actor=ACTOR)
            for goods_id, count in sorted(pieces.items())
        ]
    )


Placed = dict[int, Fate]  # order_id -> what becomes of it


def live_through(moment: Moment, history: History) -> None:
    """Places the orders of a moment and lets happen to each what the plan says.

    A shop that runs at the same time closes what it finds overdue; then the order is late, as in life.
    """
    at = moment.at or timezone.now()
    placed = place(moment.orders, at, history)
    pay(placed, at, history)
    end_orders(placed, at)
    note(placed, history)


def place(orders: Sequence[Planned], at: datetime, history: History) -> Placed:
    """Places the orders; a refused one is counted."""
    results = services.place_orders(commands=[planned.command for planned in orders], now=at)
    history.add_errors(result.error for result in results)
    return {
        result.order.order.order_id: planned.fate
        for planned, result in zip(orders, results, strict=True)
        if result.order
    }


def pay(placed: Placed, at: datetime, history: History) -> None:
    """Begins the payments and takes the money. Its news comes in time, late, twice, or is of a wrong amount."""
    timeout = timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS)
    requests = services.begin_payments(order_ids=with_fate(placed, *BEGUN), now=at + timeout / 10)
    taken = {request.order_id: as_taken(request, placed[request.order_id]) for request in requests}
    paid_at = at + timeout / 4
    captures = dict(zip(taken, sandbox.take_payments(list(taken.values()), now=paid_at), strict=True))
    late = with_fate(placed, Fate.PAID_LATE)
    in_time = [capture for order_id, capture in captures.items() if order_id not in late]
    history.add_errors(services.record_captures(captures=in_time))
    twice = [taken[order_id] for order_id in with_fate(placed, Fate.PAID_TWICE) if order_id in taken]
    history.add_errors(services.record_captures(captures=take_again(twice, now=paid_at)))
    # The provider did not answer when the time was up, so the order was closed although it had the money.
    close(amounts_of(late), Closing(Order.ClosedBy.TIMEOUT, at + timeout, despite_payment=True))
    history.add_errors(
        services.record_captures(captures=[captures[order_id] for order_id in late if order_id in captures])
    )


def as_taken(request: PaymentRequest, fate: Fate) -> PaymentRequest:
    """What the provider collects, which is not always what it was asked for."""
    return replace(request, amount=request.amount + OVERPAID_CENTS) if fate is Fate.PAID_WRONG else request


def take_again(requests: Sequence[PaymentRequest], *, now: datetime) -> list[Capture]:
    """A second transaction of its own in the provider's ledger for payments that brought their money before."""
    numbers = next_ids(len(requests))
    again = [replace(request, payment_id=number) for request, number in zip(requests, numbers, strict=True)]
    captures = sandbox.take_payments(again, now=now)
    return [
        replace(capture, payment_id=request.payment_id) for capture, request in zip(captures, requests, strict=True)
    ]


def end_orders(placed: Placed, at: datetime) -> None:
    """Closes what is given up or overdue, and completes what was sent."""
    timeout = timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS)
    for closed_by in (Order.ClosedBy.USER, Order.ClosedBy.STAFF, Order.ClosedBy.TIMEOUT):
        fates = [fate for fate, by in CLOSED_BY.items() if by == closed_by]
        close(amounts_of(with_fate(placed, *fates)), Closing(closed_by, at + timeout))
    sent_at = min(at + timedelta(days=1), timezone.now())
    services.complete_orders(order_ids=with_fate(placed, Fate.COMPLETED), actor=ACTOR, now=sent_at)


def with_fate(placed: Placed, *fates: Fate) -> list[int]:
    return [order_id for order_id, fate in placed.items() if fate in fates]


def amounts_of(order_ids: Sequence[int]) -> dict[int, int]:
    """order_id -> cents."""
    return dict(Order.objects.filter(order_id__in=order_ids).order_by("pk").values_list("order_id", "pay_amount"))


def note(placed: Iterable[int], history: History) -> None:
    """Counts what is stored, which is what happened."""
    stored = Order.objects.filter(order_id__in=list(placed)).values_list("status", "closed_by")
    history.orders.update(label_of(Order.Status(status), closed_by) for status, closed_by in stored)
    refunds = Refund.objects.filter(order_id__in=list(placed)).values_list("reason", flat=True)
    history.refunds.update(str(Refund.Reason(reason).label) for reason in refunds)


def label_of(status: Order.Status, closed_by: str) -> str:
    return f"{status.label} by {closed_by}" if closed_by else str(status.label)


def deliver_refunds(count: int) -> None:
    """Sends the money back, as the sweep would; it does so too when it runs."""
    for _ in range(count // AT_ONCE + 1):
        if not relay.deliver_due(now=timezone.now()):
            return
