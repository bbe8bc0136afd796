"""Sold out is cheap, and true: who is refused without a look, who is looked up first, and when stock is there again."""

from collections.abc import Iterator

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from charites.common.errors import Invalid, KeyReused
from goods.errors import RoomNotFound
from lab.kit.factories import BUYER_ID, NOW, counts, make_command, make_goods, make_order, make_room
from lab.kit.gate import Gate, gate_before
from lab.kit.grpc_server import Callers, refusal
from orders import catalogue, queue, services
from orders.models import Order
from orders.payloads import PlaceOrder
from orders.queue import PLACING, place_next
from orders.services.outcomes import ORDERS
from orders.tests.api.rpc_orders import wanted
from stock import sold_out
from stock.errors import NotEnoughStock
from stock.services import Adjustment, adjust_stock

pytestmark = pytest.mark.django_db(transaction=True)

SOLD_OUT = ("FAILED_PRECONDITION", 40010003)


@pytest.fixture(autouse=True)
def moments_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take its time."""
    for memory in (sold_out._known, catalogue._goods, catalogue._rooms):
        monkeypatch.setattr(memory, "_seconds", 600.0)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    with gate_before(PLACING, queue.place_batch, lambda item: item.command.user_id, monkeypatch) as gate:
        gate.open()
        yield gate


def statements_of(command: PlaceOrder) -> int:
    """How many statements a refused order costs."""
    with CaptureQueriesContext(connections["default"]) as captured, pytest.raises(NotEnoughStock) as refused:
        place_next(command=command)
    assert refused.value.details == {"goods_id": 1, "requested": 1, "available": 0}
    return len(captured)


def sell_out(**more: object) -> None:
    """Product 1 has one piece, which is bought; and somebody was told that it is gone."""
    make_goods(1, stock=1)
    make_order(**more)
    with pytest.raises(NotEnoughStock):
        place_next(command=make_command(user_id=500))


def test_refusals_without_a_key_touch_no_database_once_one_has_looked() -> None:
    sell_out()
    before = ORDERS.labels("NotEnoughStock")._value.get()

    assert [statements_of(make_command(user_id=user_id)) for user_id in (501, 502)] == [0, 0]

    assert ORDERS.labels("NotEnoughStock")._value.get() == before + 2


@pytest.mark.parametrize("key", [None, "k"])
def test_one_caller_looks_again_before_the_moment_is_over_and_the_others_do_not(key: str | None) -> None:
    sell_out()
    sold_out._known._noted[1].read_at -= 400  # of 600 seconds
    usual = 0 if key is None else 2

    first, *others = (statements_of(make_command(user_id=user_id, idempotency_key=key)) for user_id in (501, 502, 503))

    assert (first > usual, others) == (True, [usual] * 2)
    assert sold_out._known.get_fresh(1)


def test_refusals_without_a_key_do_not_enter_the_queue(callers: Callers, gate: Gate) -> None:
    sell_out()
    seen = len(gate.batches)

    assert [refusal(callers.service().order.CreateOrder, wanted(user_id=n)) for n in (501, 502)] == [SOLD_OUT] * 2

    assert len(gate.batches) == seen


def test_refusals_with_keys_take_two_statements_a_batch() -> None:
    sell_out()

    with CaptureQueriesContext(connections["default"]) as captured:
        commands = [make_command(user_id=500 + n, idempotency_key=f"k{n}") for n in range(20)]
        placed = queue.place_batch(list(map(queue.in_queue, commands)))

    assert {type(one.error) for one in placed} == {NotEnoughStock}
    assert len(captured) == 2  # the stock, then the keys


def test_order_with_a_key_is_placed_when_another_process_gave_stock_back(monkeypatch: pytest.MonkeyPatch) -> None:
    sell_out()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(sold_out, "forget", lambda goods_ids: None)  # another process's memory is not ours
        adjust_stock(adjustments=[Adjustment(1, "delivery", "staff:1", delta=1)])
    assert sold_out.is_known(1)

    assert place_next(command=make_command(user_id=501, idempotency_key="k")).created


def test_buyer_of_the_last_piece_who_lost_the_reply_gets_the_order(callers: Callers) -> None:
    sell_out(user_id=BUYER_ID, idempotency_key="last")
    order = Order.objects.get()

    repeated = place_next(command=make_command(user_id=BUYER_ID, idempotency_key="last"))
    over_grpc = callers.service().order.CreateOrder(wanted(user_id=BUYER_ID, idempotency_key="last"))

    assert (repeated.created, repeated.order.order.order_id, over_grpc.order_id) == (False, *[order.order_id] * 2)


def test_key_of_another_request_is_told_apart() -> None:
    sell_out(user_id=BUYER_ID, idempotency_key="last")

    with pytest.raises(KeyReused):
        place_next(command=make_command({1: 2}, user_id=BUYER_ID, idempotency_key="last"))


def test_what_is_wrong_with_a_command_is_said_before_that_it_is_sold_out() -> None:
    sell_out()

    with pytest.raises(Invalid, match="address"):
        place_next(command=make_command(address=" "))
    with pytest.raises(Invalid, match="quantity"):
        place_next(command=make_command({1: 0}))
    with pytest.raises(RoomNotFound):
        place_next(command=make_command(room_id=404))


def test_order_in_a_room_is_refused_without_a_look_once_its_room_was_seen() -> None:
    make_room(7)
    sell_out()

    assert statements_of(make_command(room_id=7)) > 0
    assert statements_of(make_command(room_id=7)) == 0


@pytest.mark.parametrize("how", ["cancelled", "timed out", "delivered"])
def test_stock_that_comes_back_can_be_bought_at_once_where_it_came_back(how: str) -> None:
    sell_out(user_id=BUYER_ID)
    order = Order.objects.get()
    assert sold_out.is_known(1)

    match how:
        case "cancelled":
            services.cancel_order(order_id=order.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=NOW)
        case "timed out":
            services.close_due(now=order.expires_at)
        case "delivered":
            adjust_stock(adjustments=[Adjustment(1, "delivery", "staff:1", delta=1)])

    assert place_next(command=make_command(user_id=501)).created


def test_stock_that_another_process_gave_back_can_be_bought_when_the_moment_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sell_out()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(sold_out, "forget", lambda goods_ids: None)  # another process's memory is not ours
        adjust_stock(adjustments=[Adjustment(1, "delivery", "staff:1", delta=1)])
    assert sold_out.is_known(1)

    monkeypatch.setattr(sold_out._known, "_seconds", 0.0)

    assert place_next(command=make_command(user_id=501)).created
    assert sold_out.SECONDS <= 1


def test_order_for_several_products_takes_a_look() -> None:
    make_goods(2, stock=5)
    sell_out()

    with CaptureQueriesContext(connections["default"]) as captured, pytest.raises(NotEnoughStock):
        place_next(command=make_command({1: 1, 2: 1}))

    assert len(captured) > 0
    assert counts(2) == (5, 0, 0)


def test_repeat_beside_refusals_in_one_batch_gets_its_order() -> None:
    sell_out(user_id=BUYER_ID, idempotency_key="last")
    order = Order.objects.get()
    commands = [
        make_command(user_id=501, idempotency_key="a"),
        make_command(user_id=BUYER_ID, idempotency_key="last"),
        make_command({1: 2}, user_id=BUYER_ID, idempotency_key="last"),
    ]

    refused, repeated, misused = queue.place_batch(list(map(queue.in_queue, commands)))

    assert [type(one.error) for one in (refused, misused)] == [NotEnoughStock, KeyReused]
    assert repeated.order.order.order_id == order.order_id
    assert counts(1) == (0, 1, 0)
