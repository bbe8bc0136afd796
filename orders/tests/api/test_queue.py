"""The queue in front of placing, from gRPC's event loop and REST's threads: who shares a batch and harms nobody."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from charites.common import logs
from charites.common.errors import Busy, OutcomeUnknown
from lab.kit.factories import counts, make_command, make_goods
from lab.kit.gate import Gate, gate_before, status_of
from lab.kit.grpc_server import Callers, refusal
from lab.kit.interleaving import TIMEOUT_SECONDS, Background
from lab.kit.processes.shop import wait_until
from orders import queue
from orders.models import Order
from orders.payloads import PlaceOrder
from orders.queue import PLACING, Queued, place_next
from orders.services import Placed
from orders.tests.api.rpc_orders import wanted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    def place(batch: Sequence[Queued]) -> list[Placed]:
        return queue.place_batch(batch)  # looked up now: a test may put another in its place

    with gate_before(PLACING, place, lambda item: item.command.user_id, monkeypatch) as gate:
        yield gate


def test_what_comes_while_a_batch_is_placed_is_the_next_one_and_each_gets_its_own_answer(
    callers: Callers, gate: Gate
) -> None:
    make_goods(1, stock=4)
    make_goods(2, stock=9, status=1)
    create = callers.service().order.CreateOrder
    first = create.future(wanted(user_id=1))
    gate.await_batch()
    requests = [
        wanted(user_id=2),
        wanted(user_id=3, goods_id=2),  # off sale
        wanted(user_id=4, num=5),  # more than there is
        wanted(user_id=5, goods_id=3),  # none such
        wanted(user_id=6, idempotency_key="k"),
        wanted(user_id=6, idempotency_key="k"),
        wanted(user_id=6, idempotency_key="k", num=2),  # the key of another request
        wanted(user_id=7, address=""),
        wanted(user_id=8),
        wanted(user_id=9),  # nothing is left by then
    ]
    calls = []
    for request in requests:
        calls.append(create.future(request))
        gate.await_queued(len(calls))  # first come, first served
    gate.open()

    refused = "FAILED_PRECONDITION"
    assert status_of(first) == "ok"
    assert [status_of(call) for call in calls] == [
        *("ok", refused, refused, "NOT_FOUND", "ok", "ok", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "ok", refused)
    ]
    assert calls[4].result() == calls[5].result()
    assert gate.batches == [[1], [2, 3, 4, 5, 6, 6, 6, 7, 8, 9]]
    assert (counts(1), counts(2), Order.objects.count()) == ((0, 4, 0), (9, 0, 0), 4)


def test_call_whose_deadline_passes_while_it_is_queued_has_no_effect(callers: Callers, gate: Gate) -> None:
    make_goods(1, stock=9)
    create = callers.service().order.CreateOrder
    first = create.future(wanted(user_id=1))
    gate.await_batch()

    late = create.future(wanted(user_id=2), timeout=0.3)
    assert status_of(late) == "DEADLINE_EXCEEDED"
    behind = create.future(wanted(user_id=3))
    gate.await_queued(2)
    gate.await_given_up()
    gate.open()

    assert (status_of(first), status_of(behind)) == ("ok", "ok")
    assert gate.batches == [[1], [3]]
    assert counts(1) == (7, 2, 0)


def test_call_that_would_not_hear_of_its_order_is_left_out_of_the_batch(
    callers: Callers, gate: Gate, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GRPC_DEADLINE_SECONDS = TIMEOUT_SECONDS
    make_goods(1, stock=9)
    create = callers.service().order.CreateOrder
    first = create.future(wanted(user_id=1))
    gate.await_batch()
    monkeypatch.setattr(PLACING, "_answer_seconds", 10.0)

    hurried = create.future(wanted(user_id=2), timeout=3)
    gate.await_queued(1)
    patient = create.future(wanted(user_id=3))
    gate.await_queued(2)
    gate.open()

    assert [status_of(call) for call in (first, patient, hurried)] == ["ok", "ok", "DEADLINE_EXCEEDED"]
    assert gate.batches == [[1], [3]]
    assert counts(1) == (7, 2, 0)


def test_call_without_a_deadline_waits_as_long_as_the_server_lets_it(callers: Callers, gate: Gate, settings) -> None:
    make_goods(1, stock=9)
    create = callers.service().order.CreateOrder
    first = create.future(wanted(user_id=1))
    gate.await_batch()

    settings.GRPC_DEADLINE_SECONDS = 0.3
    assert refusal(create, wanted(user_id=2)) == ("DEADLINE_EXCEEDED", 10000012)

    gate.open()
    assert status_of(first) == "ok"
    assert (gate.batches, counts(1)) == ([[1]], (8, 1, 0))


@pytest.mark.transport
def test_call_that_is_cancelled_while_it_is_queued_has_no_effect(callers: Callers, gate: Gate) -> None:
    make_goods(1, stock=9)
    create = callers.service().order.CreateOrder
    first = create.future(wanted(user_id=1))
    gate.await_batch()

    gone = create.future(wanted(user_id=2))
    gate.await_queued(1)
    gone.cancel()
    gate.await_given_up()
    behind = create.future(wanted(user_id=3))
    gate.await_queued(2)
    gate.open()

    assert [status_of(call) for call in (first, gone, behind)] == ["ok", "cancelled", "ok"]
    assert gate.batches == [[1], [3]]
    assert counts(1) == (7, 2, 0)


def test_queue_that_is_full_is_busy_at_once_on_both_protocols(callers: Callers, gate: Gate, settings) -> None:
    settings.STOCK_GROUP_QUEUE = 1
    make_goods(1, stock=9)
    create = callers.service().order.CreateOrder
    calls = [create.future(wanted(user_id=1))]
    gate.await_batch()
    calls.append(create.future(wanted(user_id=2)))
    gate.await_queued(1)

    assert refusal(create, wanted(user_id=3)) == ("UNAVAILABLE", 10000004)
    with pytest.raises(Busy):
        place_next(command=make_command())

    gate.open()
    assert [status_of(call) for call in calls] == ["ok", "ok"]
    assert counts(1) == (7, 2, 0)


def test_threads_and_coroutines_share_a_batch(callers: Callers, gate: Gate) -> None:
    make_goods(1, stock=9)
    create = callers.service().order.CreateOrder

    with Background(lambda: place_next(command=make_command(user_id=1))) as leader:
        gate.await_batch()
        call = create.future(wanted(user_id=2))
        gate.await_queued(1)
        with Background(lambda: place_next(command=make_command(user_id=3))) as waiting:
            gate.await_queued(2)
            gate.open()
            assert leader.result().created
            assert waiting.result().created
            assert status_of(call) == "ok"

    assert gate.batches == [[1], [2, 3]]


def test_thread_that_waits_longer_than_it_may_has_no_effect_or_does_not_know(gate: Gate, settings) -> None:
    make_goods(1, stock=9)
    with Background(lambda: place_next(command=make_command(user_id=1))) as leader:
        gate.await_batch()
        settings.STOCK_GROUP_WAIT_SECONDS = 0.01
        with pytest.raises(Busy):
            place_next(command=make_command(user_id=2))
        settings.STOCK_GROUP_WAIT_SECONDS = 1.0
        with Background(lambda: place_next(command=make_command(user_id=3))) as waiting:
            gate.await_queued(2)
            gate.open(wide=False)
            gate.await_batch()
            with pytest.raises(OutcomeUnknown):
                waiting.result()
        gate.open()
        assert leader.result().created

    wait_until(lambda: counts(1) == (7, 2, 0), seconds=TIMEOUT_SECONDS, what="it is placed all the same")
    assert gate.batches == [[1], [3]]


def test_batch_that_breaks_is_unknown_to_all_of_it_and_the_next_are_served(
    callers: Callers, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_goods(1, stock=9)
    create = callers.service().order.CreateOrder
    real, broken = queue.place_batch, [True]

    def place(batch: Sequence[Queued]) -> list[Placed]:
        if broken.pop() if broken else False:
            raise RuntimeError("broken")
        return real(batch)

    monkeypatch.setattr(queue, "place_batch", place)
    gate.open()

    assert refusal(create, wanted(user_id=1)) == ("DEADLINE_EXCEEDED", 10000005)
    assert create(wanted(user_id=2)).user_id == 2


def test_what_a_batch_logs_and_sends_names_its_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    def place(*, commands: Sequence[PlaceOrder], now: datetime, origins: Sequence[logs.Origin]) -> list[Placed]:
        found.append(logs.current_request_id())
        return [Placed(error=Busy())] * len(commands)

    monkeypatch.setattr(queue, "place_orders", place)
    with logs.request_context("the-leader"):
        queue.place_batch([Queued(make_command(), logs.Origin(request_id)) for request_id in ("a", "b")])

    assert found == ["a,b"]


def test_batch_is_small_where_stock_is_another_service(settings) -> None:
    assert queue.bounds().batch == settings.STOCK_GROUP_CAP
    settings.ORDER_FLOW = "half_message"
    assert queue.bounds().batch == 8


def test_twenty_orders_take_no_more_statements_than_two() -> None:
    make_goods(1, stock=99)

    def statements(number: int) -> int:
        with CaptureQueriesContext(connections["default"]) as captured:
            commands = [make_command(user_id=n + 1, idempotency_key=f"{number}-{n}") for n in range(number)]
            assert all(placed.created for placed in queue.place_batch(list(map(queue.in_queue, commands))))
        return len(captured)

    assert statements(20) == statements(2) <= 12
