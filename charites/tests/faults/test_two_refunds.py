"""Two people refund one order at once, at every pair of statements: never more than came in goes back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from charites.common import ids
from charites.common.errors import ServiceError
from lab.kit.factories import NOW, SANDBOX, make_goods, make_paid_order
from lab.kit.findings import findings
from lab.kit.schedules import Side, alone, meet, pairs_of_stops, two_sides
from lab.kit.trials import Trials
from orders.models import Order, Refund, RefundLine
from orders.payloads import RefundOrder
from orders.services import close_unsellable, complete_orders, refund_order

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]

PRICE = 9950  # of the order, cents


def refund(order: Order, amount: int, key: str, *, returns_all: bool = False) -> None:
    command = RefundOrder(order.order_id, amount, "returned", f"staff:{key}", key, returns_all=returns_all)
    try:
        refund_order(command=command)
    except ServiceError:  # refused: what was written says whether rightly
        return


def complete(order: Order) -> None:
    complete_orders(order_ids=[order.order_id], actor="staff", now=NOW)


def close(order: Order) -> None:
    close_unsellable(order_id=order.order_id)


@dataclass(frozen=True)
class Duel:
    """`gone`: what may have left in the end, cents; `pieces` that may have come back."""

    first: Callable[[Order], None]
    second: Callable[[Order], None]
    gone: set[int]
    pieces: int = 0


DUELS = {
    "all and all": Duel(partial(refund, amount=PRICE, key="a"), partial(refund, amount=PRICE, key="b"), {PRICE}),
    "two parts that fit": Duel(partial(refund, amount=5000, key="a"), partial(refund, amount=4950, key="b"), {PRICE}),
    "two parts that do not": Duel(
        partial(refund, amount=5000, key="a"), partial(refund, amount=4951, key="b"), {5000, 4951}
    ),
    "one twice": Duel(partial(refund, amount=6000, key="a"), partial(refund, amount=6000, key="a"), {6000}),
    "pieces twice": Duel(
        partial(refund, amount=1, key="a", returns_all=True),
        partial(refund, amount=1, key="b", returns_all=True),
        {2},
        1,
    ),
    "a part, and the order is completed": Duel(partial(refund, amount=6000, key="a"), complete, {6000}),
    "a part, and stock refuses the order": Duel(partial(refund, amount=6000, key="a"), close, {PRICE}),
}


@pytest.fixture(autouse=True)
def _settings(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PAYMENT_PROVIDER = SANDBOX
    monkeypatch.setattr(ids, "LEASE_SECONDS", 7200)  # nobody renews a lease in the middle of a schedule
    ids._snowflake.forget()
    make_goods(1, stock=100_000)


@pytest.fixture
def sides() -> Iterator[tuple[Side, Side]]:
    with two_sides() as sides:
        yield sides


@pytest.mark.parametrize("name", DUELS)
def test_two_people_refund_one_order(name: str, sides: tuple[Side, Side], trials: Trials) -> None:
    duel = DUELS[name]
    counts = (
        alone(sides[0], partial(duel.first, make_paid_order())),
        alone(sides[1], partial(duel.second, make_paid_order())),
    )
    pairs = pairs_of_stops(counts)
    chosen = trials.random.sample(pairs, trials.count(sample=12, full=len(pairs)))

    for turned, i, j in chosen:
        order = make_paid_order()
        deeds = (partial(duel.first, order), partial(duel.second, order))
        meet(sides, deeds[::-1] if turned else deeds, (i, j))

        told = f"{'second' if turned else 'first'} to {i}, the other to {j}"
        gone = sum(row.amount for row in Refund.objects.filter(order_id=order.order_id))
        pieces = sum(row.num for row in RefundLine.objects.filter(order_id=order.order_id))
        assert gone in duel.gone, f"{told}: {gone} cents go back"
        assert pieces == duel.pieces, f"{told}: {pieces} pieces came back"
    # That another service refuses it leaves the stock that is here as it was.
    assert [found for found in findings() if duel.second is not close or "I4-status" not in found] == []
    trials.tell(f"{len(chosen)} of {len(pairs)} pairs of {counts[0]} and {counts[1]} statements")
