"""The queue in front of what others ask of stock: who shares a batch, and that everybody gets an own, true answer."""

from collections.abc import Iterator
from functools import partial

import pytest
from django.db import OperationalError, connections
from django.test.utils import CaptureQueriesContext

from charites.common import logs
from charites.common.errors import Busy
from lab.kit.factories import counts, make_stock
from lab.kit.gate import Gate, gate_before, status_of
from lab.kit.grpc_server import Callers, grpc_callers, refusal
from stock import queue, services, sold_out
from stock.errors import NotEnoughStock
from stock.models import StockRecord
from stock.moves import Status
from stock.queue import MOVING, Queued, in_queue
from stock.rpc.stock_pb2 import OrderStockReply, OrderStockRequest, StockLevel, StockLine
from stock.services import moving

pytestmark = pytest.mark.django_db(transaction=True)

DUPLICATES = 20
confirming, reserving, rolling_back, selling = (
    partial(service, owner="service:warehouse")
    for service in (services.confirming, services.reserving, services.rolling_back, services.selling)
)


@pytest.fixture
def callers(transactional_db: None) -> Iterator[Callers]:
    with grpc_callers() as callers:
        yield callers


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    def name(item: Queued) -> str:
        return type(item.asked.what).__name__

    with gate_before(MOVING, queue.move_batch, name, monkeypatch) as gate:
        yield gate


def of_order(order_id: int, *goods_ids: int, num: int = 1) -> OrderStockRequest:
    return OrderStockRequest(order_id=order_id, items=[StockLine(goods_id=goods_id, num=num) for goods_id in goods_ids])


def statements(batch: list[Queued]) -> int:
    with CaptureQueriesContext(connections["default"]) as captured:
        assert all(moved.outcome.done for moved in queue.move_batch(batch))
    return len(captured)


def test_all_that_comes_while_a_batch_is_moved_is_the_next_one_and_each_gets_its_own_answer(
    callers: Callers, gate: Gate
) -> None:
    make_stock(1, 10)
    make_stock(2, 1)
    stock = callers.service().stock
    assert gate.batches == []
    first = stock.ReserveStock.future(of_order(70, 1))
    gate.await_batch()
    calls = []
    for method, request in [
        (stock.ReduceStock, StockLevel(goods_id=1, num=2)),
        (stock.ReserveStock, of_order(71, 1, 2)),
        (stock.ReserveStock, of_order(72, 2)),  # nothing is left of it by then
        (stock.ConfirmStock, of_order(70)),
        (stock.ConfirmStock, of_order(404)),  # nobody reserved
        (stock.ReduceStock, StockLevel(goods_id=1, num=3, order_id=73)),
        (stock.ReduceStock, StockLevel(goods_id=404, num=1)),
        (stock.RollbackStock, of_order(71, 1, 2)),
        (stock.RollbackStock, of_order(74, 1)),  # before its reservation
    ]:
        calls.append(method.future(request))
        gate.await_queued(len(calls))
    gate.open()

    refused = "FAILED_PRECONDITION"
    assert status_of(first) == "ok"
    assert [status_of(call) for call in calls] == [*("ok", "ok", refused, "ok", refused, "ok", "NOT_FOUND", "ok", "ok")]
    sold, reserved = calls[0].result(), calls[5].result()
    assert (sold.goods_id, sold.num) == (reserved.goods_id, reserved.num) == (1, 4)
    assert reserved.order_id == 73
    assert StockRecord.objects.get(order_id=sold.order_id).kind == StockRecord.Source.RECEIPT
    assert calls[7].result() == OrderStockReply(order_id=71)
    assert [len(batch) for batch in gate.batches] == [1, 9]
    assert (counts(1), counts(2)) == ((4, 3, 3), (1, 0, 0))


def test_call_whose_deadline_passes_while_it_is_queued_takes_nothing(callers: Callers, gate: Gate) -> None:
    make_stock(1, 10)
    stock = callers.service().stock
    first = stock.ReduceStock.future(StockLevel(goods_id=1, num=1))
    gate.await_batch()

    late = stock.ReduceStock.future(StockLevel(goods_id=1, num=1), timeout=0.3)
    assert status_of(late) == "DEADLINE_EXCEEDED"
    gate.await_given_up()
    gate.open()

    assert status_of(first) == "ok"
    assert (len(gate.batches), counts(1)) == (1, (9, 0, 1))


def test_queue_that_is_full_is_busy_at_once(callers: Callers, gate: Gate, settings) -> None:
    settings.STOCK_GROUP_QUEUE = 1
    make_stock(1, 10)
    stock = callers.service().stock
    calls = [stock.ReserveStock.future(of_order(70, 1))]
    gate.await_batch()
    calls.append(stock.ReserveStock.future(of_order(71, 1)))
    gate.await_queued(1)

    assert refusal(stock.ReserveStock, of_order(72, 1)) == ("UNAVAILABLE", 10000004)

    gate.open()
    assert [status_of(call) for call in calls] == ["ok", "ok"]
    assert counts(1) == (8, 2, 0)


def test_who_came_first_gets_the_last_piece_whatever_it_was_wanted_for() -> None:
    make_stock(1, 1)
    make_stock(2, 1)
    batch = [
        in_queue(selling(goods_id=1, quantity=1)),
        in_queue(reserving(order_id=70, quantities={1: 1})),
        in_queue(reserving(order_id=71, quantities={2: 1})),
        in_queue(selling(goods_id=2, quantity=1)),
    ]

    answers = queue.move_batch(batch)

    assert [answer.outcome.error for answer in answers] == [None, NotEnoughStock, None, NotEnoughStock]


def test_repeat_of_what_got_the_last_piece_is_answered_when_all_is_sold_and_sales_are_refused_at_once(
    callers: Callers, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sold_out._known, "_seconds", 600.0)  # a busy machine may take its time
    gate.open()
    make_stock(1, 1)
    reduce = callers.service().stock.ReduceStock
    first = reduce(StockLevel(goods_id=1, num=1, order_id=70))
    assert refusal(reduce, StockLevel(goods_id=1, num=1)) == ("FAILED_PRECONDITION", 40010003)
    seen = len(gate.batches)

    assert refusal(reduce, StockLevel(goods_id=1, num=1)) == ("FAILED_PRECONDITION", 40010003)
    assert len(gate.batches) == seen
    assert reduce(StockLevel(goods_id=1, num=1, order_id=70)) == first == StockLevel(goods_id=1, num=0, order_id=70)


def test_sales_without_receipts_are_refused_and_harm_nobody_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    make_stock(1, 10)

    def none_left(count: int) -> list[int]:
        raise Busy

    monkeypatch.setattr(moving, "next_ids", none_left)
    sale, reservation = queue.move_batch(
        [in_queue(selling(goods_id=1, quantity=1)), in_queue(reserving(order_id=70, quantities={1: 2}))]
    )

    assert (sale.outcome.error, reservation.outcome.status) == (Busy, Status.OK)
    assert counts(1) == (8, 2, 0)


def test_what_was_sold_and_cannot_be_shown_is_unknown_and_what_was_not_sold_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_stock(1, 10)

    def gone_away(goods_ids: list[int], *, lock: bool) -> None:
        raise OperationalError(2006, "gone away")

    monkeypatch.setattr(moving, "read_stock", gone_away)
    sold, refused, reserved = queue.move_batch(
        [
            in_queue(selling(goods_id=1, quantity=1), shows=1),
            in_queue(selling(goods_id=1, quantity=11), shows=1),
            in_queue(reserving(order_id=70, quantities={1: 2})),
        ]
    )

    assert sold.outcome.status is Status.UNKNOWN
    assert refused.outcome.error is NotEnoughStock
    assert reserved.outcome.status is Status.OK
    assert counts(1) == (7, 2, 1)


def test_twenty_of_each_take_no_more_statements_than_two() -> None:
    make_stock(1, 999)
    queue.move_batch([in_queue(selling(goods_id=1, quantity=1))])  # leases a node for the receipts

    def each(step: int, number: int) -> list[int]:
        orders = [1000 * step + 100 * number + n for n in range(number)]
        return [
            statements([in_queue(selling(goods_id=1, quantity=1), shows=1) for _ in orders]),
            statements([in_queue(reserving(order_id=order_id, quantities={1: 1})) for order_id in orders]),
            statements([in_queue(confirming(order_id=order_id)) for order_id in orders]),
            statements([in_queue(rolling_back(order_id=-1 + 10**6 * order_id, goods_ids=[1])) for order_id in orders]),
        ]

    assert each(1, 20) == each(2, 2)


def test_repeats_of_one_reservation_are_one_transaction() -> None:
    make_stock(1, 99)
    with CaptureQueriesContext(connections["default"]) as captured:
        batch = [in_queue(reserving(order_id=70, quantities={1: 2})) for _ in range(DUPLICATES)]
        answers = queue.move_batch(batch)

    assert [answer.outcome.status for answer in answers] == [Status.OK, *[Status.REPEATED] * (DUPLICATES - 1)]
    assert len([query for query in captured if query["sql"].startswith("INSERT INTO shopping_stock_record")]) == 1
    assert len(captured) < DUPLICATES  # nor is there a look for each of them
    assert counts(1) == (97, 2, 0)


def test_repeats_of_a_reservation_that_did_not_fit_are_each_refused() -> None:
    make_stock(1, 3)
    batch = [in_queue(reserving(order_id=order_id, quantities={1: 2})) for order_id in (70, 71, 71)]

    answers = queue.move_batch(batch)

    assert [answer.outcome.error for answer in answers] == [None, NotEnoughStock, NotEnoughStock]


def test_what_a_batch_logs_names_its_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    make_stock(1, 3)
    found = []
    monkeypatch.setattr(queue, "move_asked", lambda asked: found.append(logs.current_request_id()) or [])

    item = in_queue(selling(goods_id=1, quantity=1)).asked
    queue.move_batch([Queued(item, f"r{n}") for n in range(9)])

    assert found == ["r0,r1,r2,r3,r4,r5,r6,r7"]
