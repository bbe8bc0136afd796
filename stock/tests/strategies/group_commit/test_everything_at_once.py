"""Sixty-four callers with duplicates, reused keys and poison, counted exactly."""

import asyncio
import contextlib
import json
from collections import Counter

import pytest

from lab.kit.factories import counts, make_stock
from lab.kit.interleaving import Background
from lab.kit.participants import POISON, NoteParticipant, Poison, stored_notes
from stock.models import StockRecord
from stock.moves import Move, Outcome, Status, reserve
from stock.records import RecordParticipant
from stock.tests.strategies.group_commit.callers import amove

pytestmark = pytest.mark.django_db(transaction=True)


def mixed_orders(threads: int, each: int) -> list[list[Move]]:
    """Of every ten moves: one duplicate of the same round, one reused key, one poisoned, the rest plain, of two
    goods."""
    hands = []
    for thread in range(threads):
        hand = []
        for n in range(each):
            order_id = 1 + thread * each + n
            quantities = [{1: 1}, {2: 1}, {1: 1, 2: 2}][(thread + n) % 3]
            kind = (thread + n) % 10
            key = {0: f"duplicate-{n}-{thread // 20}", 1: f"again-{n % 3}"}.get(kind)
            hand.append(reserve(order_id, quantities, key=key, payload=POISON if kind == 2 else None))
        hands.append(hand)
    return hands


@pytest.mark.servers
@pytest.mark.parametrize("callers", ["threads", "asyncio"])
def test_sixty_four_callers_with_duplicates_reused_keys_and_poison_are_counted_exactly(group, callers):
    make_stock(1, 150)
    make_stock(2, 250)
    notes, hands = NoteParticipant(), mixed_orders(64, 10)
    answers: dict[int, Outcome] = {}

    def buy(hand: list[Move]) -> None:
        for move in hand:
            answers[move.order_id] = group.move([move], RecordParticipant(notes))[0]

    async def abuy(hand: list[Move]) -> None:
        for move in hand:
            answers[move.order_id] = (await amove(group, [move], notes))[0]

    async def abuy_all() -> None:
        await asyncio.gather(*map(abuy, hands))

    if callers == "asyncio":
        asyncio.run(abuy_all())
    else:
        with contextlib.ExitStack() as stack:
            buyers = [stack.enter_context(Background(lambda hand=hand: buy(hand))) for hand in hands]
            for buyer in buyers:
                buyer.result()

    moves = {move.order_id: move for hand in hands for move in hand}
    told = Counter(outcome.status for outcome in answers.values())
    accepted = {order_id for order_id, outcome in answers.items() if outcome.status is Status.OK}
    assert set(told) == {Status.OK, Status.REPEATED, Status.NOT_ENOUGH, Status.FAILED}
    failed = {order_id for order_id, outcome in answers.items() if outcome.status is Status.FAILED}
    assert failed <= {order_id for order_id, move in moves.items() if move.payload == POISON}
    assert {answers[order_id].error for order_id in failed} == {Poison}
    assert stored_notes() == sorted(str(moves[order_id].key) for order_id in accepted)
    for goods_id, stock in ((1, 150), (2, 250)):
        sold = sum(line.reserved for o in accepted for line in moves[o].lines if line.goods_id == goods_id)
        assert counts(goods_id) == (stock - sold, sold, 0)
        assert sold <= stock
    rows = {(o, line.goods_id, line.reserved) for o in accepted for line in moves[o].lines}
    assert set(StockRecord.objects.values_list("order_id", "goods_id", "num")) == rows
    assert json.dumps(sorted(answers)) == json.dumps(sorted(moves))
