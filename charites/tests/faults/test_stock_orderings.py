"""A reservation and its end arrive twice, late, in any order, and in the middle of each other."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest

from charites.common.errors import ServiceError
from lab.kit.factories import counts, make_stock
from lab.kit.findings import findings
from lab.kit.schedules import Side, alone, meet, meet_at_random, pairs_of_stops, two_sides
from lab.kit.stock_steps import confirm_stock, reserve_stock, roll_back_stock
from lab.kit.trials import Trials
from stock.models import StockRecord

pytestmark = pytest.mark.django_db(transaction=True)

PIECES, TAKEN = 100_000, 2
NONE, RESERVED, ROLLED_BACK, DEDUCTED = 0, 1, 2, 3


def reserve(order_id: int) -> None:
    reserve_stock(order_id=order_id, quantities={1: TAKEN, 2: TAKEN})


def confirm(order_id: int) -> None:
    confirm_stock(order_id=order_id)


def roll_back(order_id: int) -> None:
    roll_back_stock(order_id=order_id, goods_ids=[1, 2])


STEPS = {"reserve": reserve, "confirm": confirm, "roll back": roll_back}
# What arrives meets what is there: the state after it, and whether the caller is told that it was done.
TABLE = {
    ("reserve", NONE): (RESERVED, True),
    ("reserve", RESERVED): (RESERVED, True),
    ("reserve", ROLLED_BACK): (ROLLED_BACK, False),
    ("reserve", DEDUCTED): (DEDUCTED, True),
    ("confirm", NONE): (NONE, False),
    ("confirm", RESERVED): (DEDUCTED, True),
    ("confirm", ROLLED_BACK): (ROLLED_BACK, False),
    ("confirm", DEDUCTED): (DEDUCTED, True),
    ("roll back", NONE): (ROLLED_BACK, True),
    ("roll back", RESERVED): (ROLLED_BACK, True),
    ("roll back", ROLLED_BACK): (ROLLED_BACK, True),
    ("roll back", DEDUCTED): (DEDUCTED, False),
}


def is_done(step: Callable[[int], None], order_id: int) -> bool:
    """Whether the caller is told that it was done."""
    try:
        step(order_id)
    except ServiceError:
        return False
    return True


def state_of(order_id: int) -> int:
    """The state of all records of an order."""
    states = set(StockRecord.objects.filter(order_id=order_id).values_list("status", flat=True))
    assert len(states) <= 1
    return states.pop() if states else NONE


@pytest.fixture(autouse=True)
def _stock(settings: Any) -> None:
    settings.STOCK_STRATEGY = "atomic_update"  # two sides of one process would meet in the queue of group_commit
    for goods_id in (1, 2):
        make_stock(goods_id, PIECES)


def check_ledger(order_ids: range) -> Counter[int]:
    """The audit finds nothing and no piece is lost; returns how many orders are in which state."""
    states = Counter(map(state_of, order_ids))
    reserved, sold = TAKEN * states[RESERVED], TAKEN * states[DEDUCTED]
    assert counts(1) == counts(2) == (PIECES - reserved - sold, reserved, sold)
    assert findings() == []
    return states


def test_steps_in_every_order_end_as_the_table_says(trials: Trials) -> None:
    orders = sorted(set(permutations(["reserve", "reserve", "roll back", "roll back", "confirm"])))
    orders += sorted(set(permutations(["reserve", "reserve", "confirm", "confirm", "roll back"])))
    chosen = trials.random.sample(orders, trials.count(sample=10, full=len(orders)))

    for order_id, steps in enumerate(chosen, start=1):
        state = NONE
        for step in steps:
            state, done = TABLE[step, state]
            assert (is_done(STEPS[step], order_id), state_of(order_id)) == (done, state), steps
    states = check_ledger(range(1, len(chosen) + 1))

    trials.tell(f"{len(chosen)} of {len(orders)} orders of five steps; in the end: {told(states)}")


def told(states: Counter[int]) -> str:
    return ", ".join(f"{states[status.value]} {status.label}" for status in StockRecord.Status if states[status.value])


@pytest.fixture
def sides() -> Iterator[tuple[Side, Side]]:
    with two_sides() as sides:
        yield sides


# What was there before, the two steps that meet, and in which states they may leave the records.
MEETINGS = [
    (None, "reserve", "roll back", {ROLLED_BACK}),
    (None, "reserve", "reserve", {RESERVED}),
    (None, "roll back", "roll back", {ROLLED_BACK}),
    ("reserve", "roll back", "roll back", {ROLLED_BACK}),
    ("reserve", "confirm", "roll back", {DEDUCTED, ROLLED_BACK}),
    ("reserve", "confirm", "confirm", {DEDUCTED}),
]


@pytest.mark.servers
@pytest.mark.parametrize(("before", "first", "second", "legal"), MEETINGS)
def test_two_steps_meet_at_every_pair_of_statements(
    before: str | None, first: str, second: str, legal: set[int], sides: tuple[Side, Side], trials: Trials
) -> None:
    def functions(order_id: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
        if before:
            STEPS[before](order_id)
        return (lambda: is_done(STEPS[first], order_id)), (lambda: is_done(STEPS[second], order_id))

    statements = alone(sides[0], functions(1)[0]), alone(sides[1], functions(2)[1])
    pairs = pairs_of_stops(statements)
    chosen = trials.random.sample(pairs, trials.count(sample=12, full=len(pairs)))
    random_ones = trials.count(sample=4, full=300)

    for order_id, (turned, i, j) in enumerate(chosen, start=3):
        pair = functions(order_id)
        meet(sides, pair[::-1] if turned else pair, (i, j))
    together = range(3, 3 + len(chosen) + random_ones)
    for order_id in together[len(chosen) :]:
        meet_at_random(sides, functions(order_id), trials.random)

    assert {state_of(order_id) for order_id in together} <= legal
    states = check_ledger(range(1, together.stop))
    trials.tell(
        f"{len(chosen)} of {len(pairs)} pairs of {statements[0]} and {statements[1]} statements, "
        f"{random_ones} random interleavings; in the end: {told(states)}"
    )
