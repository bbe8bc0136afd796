"""Orders that wait in the queue longer than their callers do, from the event loop and from threads of the gateway."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from charites.tests.web.asked import ORDER_OF_OLD, Web, as_buyer, order, told
from lab.kit.factories import bearer
from lab.kit.gate import Gate, gate_before
from lab.kit.interleaving import TIMEOUT_SECONDS
from orders.models import Order
from orders.queue import PLACING, place_batch

pytestmark = pytest.mark.django_db(transaction=True)


class Door(NamedTuple):
    """Where an order is placed, in what words, and what is said when nothing was done in time."""

    path: str
    body: bytes
    late: tuple[int, int]


DOORS = {
    "rest": Door("/api/orders", order(), (503, 10000004)),
    "gateway": Door("/v1/createorder", ORDER_OF_OLD, (504, 10000012)),
}
HURRIED, FIRST, PATIENT = 7, 8, 9


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    with gate_before(PLACING, place_batch, lambda item: item.command.user_id, monkeypatch) as gate:
        yield gate


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Door:
    return DOORS[request.param]


def give(settings, seconds: float) -> None:
    """How long those who come from now on wait for their orders."""
    settings.STOCK_GROUP_WAIT_SECONDS = settings.GRPC_DEADLINE_SECONDS = seconds


def place(web: Web, door: Door, user_id: int) -> Any:
    return web.begin("POST", door.path, door.body, as_buyer(Authorization=bearer(user_id)))


def buyers() -> list[int]:
    return sorted(Order.objects.values_list("user_id", flat=True))


def test_order_whose_caller_waits_no_longer_is_taken_out_of_the_queue(
    web: Web, shop: None, settings, gate: Gate, door: Door
) -> None:
    give(settings, TIMEOUT_SECONDS)
    first = place(web, door, FIRST)
    gate.await_batch()

    give(settings, 0.2)
    answer = place(web, door, HURRIED).result(TIMEOUT_SECONDS)
    gate.open()

    assert told(answer) == door.late
    assert first.result(TIMEOUT_SECONDS).status in (200, 201)
    assert buyers() == [FIRST]


def test_order_whose_caller_would_not_hear_of_it_is_left_out_of_the_batch(
    web: Web, shop: None, settings, gate: Gate, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(settings, TIMEOUT_SECONDS)
    first = place(web, door, FIRST)
    gate.await_batch()
    monkeypatch.setattr(PLACING, "_answer_seconds", 10.0)

    give(settings, 3.0)
    hurried = place(web, door, HURRIED)
    gate.await_queued(1)
    give(settings, TIMEOUT_SECONDS)
    patient = place(web, door, PATIENT)
    gate.await_queued(2)
    gate.open()

    assert {asked.result(TIMEOUT_SECONDS).status for asked in (first, patient)} <= {200, 201}
    assert told(hurried.result(TIMEOUT_SECONDS)) == door.late
    assert buyers() == [FIRST, PATIENT]
    assert gate.batches == [[FIRST], [PATIENT]]
