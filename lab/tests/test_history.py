"""The checker of histories, on histories made by hand: true ones, and one for every kind of lie."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from lab.kit.factories import counts, make_closed_order, make_goods, make_order, make_paid_order
from lab.kit.history import (
    Answer,
    Call,
    Effect,
    History,
    Told,
    Truth,
    contradictions,
    miscounts,
    read_truth,
)
from orders.services import close_due
from stock.services import Adjustment, adjust_stock

NEW, OLD, YES, NO, BUSY, NOTHING = Told
TWO, THREE = {"1": 2}, {"1": 3}
ROW = Effect("place", "a", "10", TWO)


def call(told: Told, started: float = 0, *, seconds: float = 1, contents: Any = TWO, key: str = "a", **of: Any) -> Call:
    """Someone asks for an order under a key, and is told this; a yes names order 10."""
    id_ = of.get("id", "10" if told.is_yes else "")
    return Call("Ann", "place", key, contents, started, started + seconds, Answer(told, id_, of.get("number", 0)))


TRUE = {
    "told yes, and it is there": ([call(NEW)], [ROW]),
    "told yes and asked again": ([call(NEW), call(OLD, 2), call(YES, 4)], [ROW]),
    "refused, and nothing is there": ([call(NO)], []),
    "busy, and nothing is there": ([call(BUSY)], []),
    "busy, and then done": ([call(BUSY), call(NEW, 2)], [ROW]),
    "refused, and then done": ([call(NO), call(NEW, 2)], [ROW]),
    "done, and then busy": ([call(NEW), call(BUSY, 2)], [ROW]),
    "no answer, and it had been done": ([call(NOTHING), call(OLD, 2)], [ROW]),
    "no answer, and it had not": ([call(NOTHING), call(NEW, 2)], [ROW]),
    "no answer, and refused": ([call(NOTHING), call(NO, 2)], []),
    "no answer, busy, and then it had been done": ([call(NOTHING), call(BUSY, 2), call(OLD, 4)], [ROW]),
    "refused while somebody else was doing it": ([call(YES, 0, seconds=3), call(NO, 1)], [ROW]),
    "another wish under a key that is taken": ([call(NEW), call(NO, 2, contents=THREE)], [ROW]),
    "an answer that names no number": (
        [call(YES, id=""), call(YES, key="b", id="")],
        [ROW._replace(id=""), Effect("place", "b", "", TWO)],
    ),
    "told yes in other words, and asked again": ([call(YES), call(OLD, 2)], [ROW]),
    "two wishes": ([call(NEW), call(NEW, key="b", id="11")], [ROW, Effect("place", "b", "11", TWO)]),
}

LIES = {
    "a yes that is not there": ([call(NEW)], [], "Ann was told 'yes, just now' (10), and it is not there"),
    "a repeated yes that is not there": ([call(NOTHING), call(OLD, 2)], [], "and it is not there"),
    "a yes for something else": ([call(YES)], [ROW._replace(contents=THREE)], "{'1': 3} is there"),
    "a yes with another's number": ([call(YES, id="12")], [ROW], "was told 12, and it is 10"),
    "the same key, two numbers": ([call(NEW), call(OLD, 2, id="11")], [ROW], "was told 11, and it is 10"),
    "a no that was done": ([call(NO, number=7)], [ROW], "everybody was told that nothing was done"),
    "a busy that was done": ([call(BUSY)], [ROW], "everybody was told that nothing was done"),
    "a busy that was done, and comes out by asking again": (
        [call(BUSY), call(OLD, 2)],
        [ROW],
        "whoever asked before was told that nothing was done",
    ),
    "a no after the yes": ([call(NEW), call(NO, 2, number=7)], [ROW], "was told 'no' (7) for what had been done: 10"),
    "a no after no answer": ([call(NOTHING), call(NO, 2)], [ROW], "was told 'no' (0) for what had been done"),
    "done anew": ([call(YES), call(NEW, 2)], [ROW], "was told 'just now' for what had been done before"),
    "two that did it": ([call(NEW, 0, seconds=5), call(NEW, 1)], [ROW], "'just now', and so was somebody else"),
    "done twice": ([call(NEW)], [ROW, ROW._replace(id="11")], "is there 2 times: 10, 11"),
    "nobody asked": ([], [ROW], "10 is there, and nobody asked for it"),
    "never resolved": ([call(NOTHING)], [], "Ann had no answer, and nobody knows"),
    "busy resolves nothing": ([call(NOTHING), call(BUSY, 2)], [], "Ann had no answer, and nobody knows"),
    "what was asked before resolves nothing": ([call(NO), call(NOTHING, 2)], [], "had no answer, and nobody knows"),
    "a no that overtook nobody": (
        [call(NOTHING), call(NO, 2, number=7), call(OLD, 4)],
        [ROW],
        "was told 'no' (7) for what had been done: 10",
    ),
    "a no after the yes, while another wish is under way": (
        [call(NEW), call(NOTHING, seconds=9, contents=THREE), call(NO, 2, number=7), call(NO, 10, contents=THREE)],
        [ROW],
        "was told 'no' (7) for what had been done: 10",
    ),
    "one number told for two wishes": (
        [call(NEW), call(NEW, key="b")],
        [ROW, Effect("place", "b", "11", TWO)],
        "place: 10 stands for a and b",
    ),
    "one number for two rows": (
        [call(NEW), call(NOTHING, key="b"), call(NO, 2, key="b", contents=THREE)],
        [ROW, Effect("place", "b", "10", TWO)],
        "place: 10 stands for a and b",
    ),
}


@pytest.mark.parametrize("story", TRUE)
def test_a_true_history_has_no_contradiction(story: str) -> None:
    calls, rows = TRUE[story]

    assert contradictions(calls, rows) == []


@pytest.mark.parametrize("story", LIES)
def test_a_lie_is_found_and_named(story: str) -> None:
    calls, rows, told = LIES[story]

    found = contradictions(calls, rows)

    assert [sentence for sentence in found if told in sentence], found


@pytest.mark.parametrize("story", LIES)
def test_a_lie_is_found_among_the_truth_and_harms_nobody_else(story: str) -> None:
    calls, rows, _ = LIES[story]
    others = [replace(call(NEW), key=str(number), answer=Answer(NEW, str(number))) for number in range(100, 103)]
    their_rows = [Effect("place", other.key, other.key, TWO) for other in others]

    assert contradictions([*calls, *others], [*rows, *their_rows]) == contradictions(calls, rows) != []


def test_history_notes_a_call_before_it_is_made_and_keeps_it_without_an_answer() -> None:
    history = History()

    first = history.begin("Ann", "place", "a", TWO)
    second = history.begin("Bob", "place", "b", TWO)
    history.end(second, Answer(NO, number=7))

    assert [(call.client, call.told) for call in history.calls] == [("Ann", NOTHING), ("Bob", NO)]
    assert first.started <= second.started <= second.ended < first.ended
    assert history.told() == Counter({NOTHING: 1, NO: 1})
    assert (history.numbers(NO), history.numbers(NOTHING)) == ({7}, set())


WELL = Truth(stock={1: (6, 3, 1)}, added=Counter({1: 10}), held=Counter({1: 3}), sold=Counter({1: 1}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"stock": {1: (5, 3, 1)}}, ["product 1: 9 added by its row, 10 by what happened to it"]),
        ({"held": Counter({1: 2})}, ["product 1: 3 reserved by its row, 2 by what happened to it"]),
        ({"sold": Counter({1: 2})}, ["product 1: 1 sold by its row, 2 by what happened to it"]),
        ({"stock": {1: (6, 3, 1), 2: (1, 0, 0)}}, ["product 2: 1 added by its row, 0 by what happened to it"]),
        ({"stock": {1: (-1, 10, 1)}, "held": Counter({1: 10})}, ["product 1: -1 available"]),
    ],
)
def test_pieces_that_do_not_add_up_are_named(changes: dict[str, Any], told: list[str]) -> None:
    assert miscounts(replace(WELL, **changes)) == told


@pytest.mark.django_db
def test_truth_is_what_the_rows_say() -> None:
    make_goods(1, stock=10)
    adjust_stock(adjustments=[Adjustment(1, "delivery", "staff", delta=5, idempotency_key="d")])
    now = timezone.now()
    unpaid = make_order({1: 2}, now=now, idempotency_key="k")
    paid = make_paid_order({1: 3}, now=now)
    closed = make_closed_order({1: 4}, now=now)
    yesterday = make_order({1: 1}, now=now - timedelta(days=1))
    assert close_due(now=now) == 1

    truth = read_truth(connection)

    assert sorted(truth.effects) == sorted(
        [
            Effect("adjust", "d", "", {"1": 5}),
            Effect("cancel", str(closed.order_id), str(closed.order_id), {}),
            Effect("place", "7/k", str(unpaid.order_id), {"1": 2}),
            Effect("place", f"7/{paid.order_id}", str(paid.order_id), {"1": 3}),
            Effect("place", f"7/{closed.order_id}", str(closed.order_id), {"1": 4}),
            Effect("place", f"7/{yesterday.order_id}", str(yesterday.order_id), {"1": 1}),
        ]
    )
    assert truth.stock == {1: counts(1)} == {1: (10, 2, 3)}
    assert (truth.added, truth.held, truth.sold) == (Counter({1: 15}), Counter({1: 2}), Counter({1: 3}))
    assert miscounts(truth) == []
