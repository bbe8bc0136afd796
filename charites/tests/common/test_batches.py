"""The machine that gathers callers into batches, by itself.

What it does for orders is in `orders/tests/api/test_queue.py`, and for moves in `stock/tests/strategies/group_commit`.
"""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from charites.common import batches
from charites.common.batches import Batches, Bounds
from charites.common.callers import Call, Unserved
from charites.common.transactions import NestedTransaction, outermost
from lab.kit.interleaving import TIMEOUT_SECONDS, Background
from lab.kit.processes.shop import wait_until


class Doubling:
    """Doubles numbers, and holds the batches of a 1 and of a 4 until it is told to go on."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.arrived = {number: threading.Event() for number in (1, 4)}
        self.may_go = {number: threading.Event() for number in (1, 4)}

    def __call__(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        for held in self.arrived.keys() & numbers:
            self.arrived[held].set()
            assert self.may_go[held].wait(TIMEOUT_SECONDS)
        return [2 * number for number in numbers]


class Patience:
    """The bounds of a queue, which are looked up for every batch: so many times at most."""

    def __init__(self, times: int, bounds: Bounds) -> None:
        self.times, self.bounds = times, bounds

    def __call__(self) -> Bounds:
        self.times -= 1
        assert self.times, "a batch after the other, and nothing in them"
        return self.bounds


@pytest.fixture
def doubling() -> Iterator[tuple[Doubling, Batches[int, int]]]:
    double = Doubling()
    made = Batches("doubling", double, lambda: Bounds(batch=2, queue=9))
    yield double, made
    for held in double.may_go.values():
        held.set()
    wait_until(lambda: made._committer is None, seconds=TIMEOUT_SECONDS, what="the committer ends")


def test_item_whose_time_was_up_when_its_turn_came_is_not_carried_out(doubling) -> None:
    double, queue = doubling
    late, soon = Call([3], seconds=0), Call([5], seconds=60)
    queue._enter(late)
    queue._enter(soon)

    queue._lead(soon)

    assert (late.outcomes(), soon.outcomes()) == ([Unserved.LATE], [10])
    assert late.is_answered.is_set()
    assert double.batches == [[5]]


def test_item_that_would_not_hear_its_answer_is_left_out_until_its_time_is_up(doubling) -> None:
    double, queue = doubling
    queue._answer_seconds = 100
    hurried, patient = Call([3], seconds=120), Call([5], seconds=130)
    queue._enter(hurried)
    queue._enter(patient)

    queue._lead(patient)

    assert not hurried.is_answered.is_set()
    assert (hurried.outcomes(), patient.outcomes()) == ([Unserved.LATE], [10])
    assert double.batches == [[5]]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seconds", [120, 130])
def test_leader_who_is_left_out_leads_no_longer_and_waits_for_the_end_of_its_time(doubling, seconds: int) -> None:
    """As after a database that hung, when answers took long: also where none of those who came has the time."""
    _double, queue = doubling
    queue._answer_seconds, queue._bounds = 100, Patience(10, Bounds(batch=2, queue=9))
    leader, other = Call([3], seconds=120), Call([5], seconds=seconds)
    assert (queue._enter(leader), queue._enter(other)) == (True, False)

    queue._lead(leader)

    assert (leader.is_answered.is_set(), other.is_answered.is_set()) == (False, True)
    assert (leader.outcomes(), other.outcomes()) == ([Unserved.LATE], [10])
    assert queue.call([6], seconds=130) == [12]


@pytest.mark.django_db(transaction=True)
def test_where_nobody_has_the_time_of_an_answer_the_last_one_is_carried_out(doubling) -> None:
    double, queue = doubling
    queue._answer_seconds = 100
    first, last = Call([3], seconds=60), Call([5], seconds=60)
    queue._enter(first)
    queue._enter(last)

    queue._lead(last)

    assert (first.outcomes(), last.outcomes()) == ([Unserved.LATE], [10])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_asyncio", [False, True])
def test_wrong_idea_of_how_long_an_answer_takes_ends_with_a_few_answers(doubling, is_asyncio: bool) -> None:
    """Or a database that hung would cost those who come long after it is back."""
    _double, queue = doubling
    queue._answer_seconds = 2 * TIMEOUT_SECONDS

    for _ in range(10):
        if is_asyncio:
            assert asyncio.run(queue.acall([6], seconds=TIMEOUT_SECONDS)) == [12]
        else:
            assert queue.call([6], seconds=TIMEOUT_SECONDS) == [12]

    assert queue._answer_seconds < TIMEOUT_SECONDS


@pytest.mark.django_db(transaction=True)
def test_how_long_an_answer_takes_is_learnt_from_threads_and_from_asyncio(doubling) -> None:
    _double, queue = doubling
    queue._answer_seconds = 100

    queue.call([3], seconds=1e6)
    learnt = queue._answer_seconds
    asyncio.run(queue.acall([3], seconds=1e6))

    assert 90 < queue._answer_seconds < learnt < 100


def test_those_who_have_gone_leave_their_places_to_others(doubling) -> None:
    double, queue = doubling
    gone, staying, last = Call([2] * 8, seconds=60), Call([3], seconds=60), Call([5] * 8, seconds=60)
    assert queue._enter(staying) is True
    queue._enter(gone)
    queue._give_up(gone)

    queue._enter(last)
    refused = Call([6], seconds=60)
    queue._enter(refused)
    queue._lead(staying)
    assert last.is_answered.wait(TIMEOUT_SECONDS)

    assert (refused.outcomes(), staying.outcomes(), last.outcomes()) == ([Unserved.FULL], [6], [10] * 8)
    assert sum(double.batches, []) == [3] + [5] * 8


def test_batch_without_an_answer_for_each_is_unknown_to_all(doubling) -> None:
    double, queue = doubling
    queue._carry_out = lambda numbers: numbers[1:]

    assert queue.call([2, 3], seconds=60) == [Unserved.UNKNOWN] * 2


@pytest.mark.django_db
def test_call_inside_a_transaction_is_refused(doubling) -> None:
    double, queue = doubling
    with outermost(), pytest.raises(NestedTransaction):
        queue.call([2], seconds=60)

    assert (double.batches, len(queue._queue)) == ([], 0)


@pytest.mark.django_db(transaction=True)
def test_caller_whose_items_need_several_batches_is_woken_by_the_last_one(doubling) -> None:
    double, queue = doubling
    with Background(lambda: queue.call([1], seconds=60)) as leader:
        assert double.arrived[1].wait(TIMEOUT_SECONDS)
        waiting = Call([2, 3, 4, 5, 6], seconds=60)
        assert queue._enter(waiting) is False
        double.may_go[1].set()
        assert double.arrived[4].wait(TIMEOUT_SECONDS)
        assert (waiting.left, waiting.is_answered.is_set()) == (3, False)
        double.may_go[4].set()

        assert leader.result() == [2]
        assert waiting.is_answered.wait(TIMEOUT_SECONDS)
        assert waiting.outcomes() == [4, 6, 8, 10, 12]

    assert double.batches == [[1], [2, 3], [4, 5], [6]]


@pytest.mark.django_db(transaction=True)
def test_those_who_shared_a_batch_and_come_back_share_the_next_one(doubling, monkeypatch) -> None:
    double, queue = doubling
    monkeypatch.setattr(batches, "RETURN_SHARE", 1e9)
    monkeypatch.setattr(batches, "RETURN_SECONDS", 2.0)

    async def come_back() -> list[list[int | Unserved]]:
        first = asyncio.create_task(queue.acall([1], seconds=60))
        while not double.arrived[1].is_set():
            await asyncio.sleep(0)
        both = [asyncio.create_task(queue.acall([number], seconds=60)) for number in (2, 3)]
        while len(queue._queue) < len(both):
            await asyncio.sleep(0)
        double.may_go[1].set()
        await asyncio.gather(first, *both)
        again = asyncio.create_task(queue.acall([6], seconds=60))
        while not queue._queue:
            await asyncio.sleep(0)
        return await asyncio.gather(again, queue.acall([7], seconds=60))

    assert asyncio.run(come_back()) == [[12], [14]]
    assert double.batches == [[1], [2, 3], [6, 7]]


@pytest.mark.django_db(transaction=True)
def test_who_was_alone_in_a_batch_is_not_waited_for(doubling, monkeypatch) -> None:
    _double, queue = doubling
    monkeypatch.setattr(batches, "RETURN_SHARE", 1e9)
    monkeypatch.setattr(batches, "RETURN_SECONDS", 2 * TIMEOUT_SECONDS)

    async def ask_in_turn() -> list[list[int | Unserved]]:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return [await queue.acall(numbers, seconds=TIMEOUT_SECONDS) for numbers in ([2], [3, 5], [6])]

    assert asyncio.run(ask_in_turn()) == [[4], [6, 10], [12]]
