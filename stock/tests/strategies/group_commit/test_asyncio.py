"""Callers of asyncio: they share batches, take no thread each, and may be cancelled."""

import asyncio
import contextlib

import pytest

from lab.kit.factories import counts, make_stock
from lab.kit.participants import NoteParticipant, stored_notes
from stock.moves import Outcome, Status
from stock.tests.strategies.group_commit.callers import GatedParticipant, amove, one

pytestmark = pytest.mark.django_db(transaction=True)


def test_asyncio_callers_share_batches_and_use_no_thread_each(group):
    make_stock(1, 100)
    participant = NoteParticipant()

    async def buy_all() -> list[list[Outcome]]:
        return await asyncio.gather(*(amove(group, [one(10 + n)], participant) for n in range(64)))

    outcomes = asyncio.run(buy_all())

    assert [outcome.status for one_call in outcomes for outcome in one_call] == [Status.OK] * 64
    assert len(participant.batches) <= 8
    assert counts(1) == (36, 64, 0)


def test_asyncio_caller_without_moves_is_answered(group):
    assert asyncio.run(amove(group, [], NoteParticipant())) == []


async def arrival(participant: GatedParticipant, order_id: int) -> None:
    await asyncio.to_thread(participant.await_arrival, order_id)


def test_asyncio_caller_cancelled_while_queued_has_no_effect_and_harms_nobody(group):
    make_stock(1, 9)
    participant = GatedParticipant(10)

    async def scenario() -> list[Outcome]:
        first = asyncio.create_task(amove(group, [one(10)], participant))
        await arrival(participant, 10)
        cancelled = asyncio.create_task(amove(group, [one(11), one(12)], participant))
        behind = asyncio.create_task(amove(group, [one(13)], participant))
        await asyncio.sleep(0)
        cancelled.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cancelled
        assert cancelled.cancelled()
        participant.open()
        return [*await first, *await behind]

    outcomes = asyncio.run(scenario())

    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.OK]
    assert participant.batches == [[10], [13]]
    assert stored_notes() == ["10", "13"]


def test_asyncio_caller_cancelled_while_its_batch_runs_harms_no_neighbour(group):
    make_stock(1, 9)
    participant = GatedParticipant(10, 11)

    async def scenario() -> list[Outcome]:
        first = asyncio.create_task(amove(group, [one(10)], participant))
        await arrival(participant, 10)
        cancelled = asyncio.create_task(amove(group, [one(11)], participant))
        neighbour = asyncio.create_task(amove(group, [one(12)], participant))
        await asyncio.sleep(0)
        participant.open(10)
        await arrival(participant, 11)
        cancelled.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cancelled
        participant.open(11)
        return [*await first, *await neighbour]

    outcomes = asyncio.run(scenario())

    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.OK]
    assert participant.batches == [[10], [11, 12]]
    assert counts(1) == (6, 3, 0)


def test_asyncio_caller_whose_time_is_up_while_queued_is_busy_without_effect(group, settings):
    make_stock(1, 9)
    participant = GatedParticipant(10)

    async def scenario() -> tuple[list[Outcome], list[Outcome]]:
        first = asyncio.create_task(amove(group, [one(10)], participant))
        await arrival(participant, 10)
        settings.STOCK_GROUP_WAIT_SECONDS = 0.01
        late = await amove(group, [one(11)], participant)
        participant.open()
        return await first, late

    first, late = asyncio.run(scenario())

    assert [first[0].status, late[0].status] == [Status.OK, Status.BUSY]
    assert stored_notes() == ["10"]
