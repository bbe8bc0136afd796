"""Orders here, stock in another process, and goods, too: the usual way, refusals, and no answer."""

from types import SimpleNamespace

import pytest

from goods.errors import RoomNotFound
from lab.kit.factories import (
    BUYER_ID,
    NOW,
    later,
    make_capture,
    make_command,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    make_room,
    stored,
)
from lab.kit.findings import findings
from lab.kit.processes.shop import wait_until
from lab.kit.processes.stock_service import StockService
from messaging.models import Message
from orders import remote, services
from orders.errors import GoodsCallFailed, StockCallFailed
from orders.flows import half_message
from orders.models import Order, Refund
from orders.payloads import RefundOrder
from orders.tests.flows.half_messages import (
    DEDUCTED,
    EACH_WAY,
    RESERVED,
    ROLLED_BACK,
    available,
    deliver,
    make_order_leave,
    states,
)
from stock.errors import NotEnoughStock, StockNotFound
from stock.models import StockRecord

pytestmark = [EACH_WAY, pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("split")]


# The usual way


def test_placing_reserves_elsewhere_and_withdraws_its_compensation(stock: StockService) -> None:
    order = make_order({1: 2, 2: 1})

    assert stock.records(order.order_id) == [(1, 2, RESERVED), (2, 1, RESERVED)]
    assert (available(stock, 1), available(stock, 2)) == (3, 9)
    assert states() == ["aborted"]
    assert not StockRecord.objects.exists()
    make_order_leave(order)


def test_paying_sells_what_was_reserved(stock: StockService) -> None:
    sold = stock.counts(1)[2]

    order = make_paid_order({1: 2})

    assert stored(order).status == Order.Status.PAID
    assert stock.records(order.order_id) == [(1, 2, RESERVED)]
    assert states(half_message.CONFIRM_TOPIC) == ["ready"]
    assert deliver() == 1
    assert stock.records(order.order_id) == [(1, 2, DEDUCTED)]
    assert stock.counts(1) == (3, 0, sold + 2)


def test_pieces_that_come_back_are_available_elsewhere(stock: StockService) -> None:
    left, _reserved, sold = stock.counts(1)
    order = make_paid_order({1: 2})
    command = RefundOrder(order.order_id, 100, "broken", "staff:3", "k1", returned={1: 1})

    services.refund_order(command=command)
    deliver()
    Message.objects.filter(topic="stock_returned").update(state=Message.State.READY)
    deliver()

    assert states("stock_returned") == ["done"]
    assert stock.counts(1) == (left - 1, 0, sold + 2)


def test_paying_twice_tells_stock_once(stock: StockService) -> None:
    payment = make_payment(make_order())
    capture = make_capture(payment)

    assert services.record_captures(captures=[capture, capture]) == [None, None]
    assert services.record_captures(captures=[capture]) == [None]

    assert states(half_message.CONFIRM_TOPIC) == ["ready"]
    deliver()


def refunds() -> list[tuple[int, str]]:
    return list(Refund.objects.order_by("pk").values_list("order_id", "reason"))


def test_paid_order_whose_stock_is_refused_for_good_is_closed_and_its_money_goes_back(stock: StockService) -> None:
    order = make_paid_order({1: 2})
    neighbour = make_paid_order({2: 1})
    remote.roll_back_stock(order_id=order.order_id)

    deliver()

    found = stored(order)
    assert (found.status, found.closed_by, found.trade_id) == (Order.Status.CLOSED, Order.ClosedBy.STOCK, "")
    assert refunds() == [(order.order_id, "stock")]
    assert states(half_message.CONFIRM_TOPIC) == ["done", "done"]
    assert stored(neighbour).status == Order.Status.PAID
    assert findings() == []
    assert available(stock) == 5


def test_refusal_delivered_twice_sends_the_money_back_once(stock: StockService) -> None:
    order = make_paid_order({1: 2})
    remote.roll_back_stock(order_id=order.order_id)
    deliver()

    Message.objects.filter(topic=half_message.CONFIRM_TOPIC).update(state="ready", deliver_at=NOW)
    deliver()

    assert refunds() == [(order.order_id, "stock")]
    assert states(half_message.CONFIRM_TOPIC) == ["done"]
    assert stored(order).version == 2


def test_completed_order_whose_stock_is_refused_keeps_its_money_and_the_message_says_so(stock: StockService) -> None:
    order = make_paid_order({1: 2})
    services.complete_order(order_id=order.order_id, actor="staff", now=NOW)
    remote.roll_back_stock(order_id=order.order_id)

    deliver()

    assert stored(order).status == Order.Status.COMPLETED
    assert refunds() == []
    message = Message.objects.get(topic=half_message.CONFIRM_TOPIC)
    assert message.state == "ready"
    assert "40010010" in message.last_error


@pytest.mark.parametrize("how", ["timeout", "user"])
def test_closing_gives_back_what_was_reserved(stock: StockService, how: str) -> None:
    order = make_order({1: 2})

    if how == "timeout":
        assert services.close_due(now=later(86_400)) == 1
    else:
        services.cancel_order(order_id=order.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=NOW)

    assert available(stock) == 3
    assert deliver() == 1
    assert stock.records(order.order_id) == [(1, 2, ROLLED_BACK)]
    assert available(stock) == 5


def test_the_same_key_again_is_the_same_order_and_reserves_once(stock: StockService) -> None:
    order = make_order({1: 2}, idempotency_key="k")

    assert make_order({1: 2}, idempotency_key="k").order_id == order.order_id

    assert available(stock) == 3
    assert states() == ["aborted"]
    make_order_leave(order)


def test_many_at_once_are_granted_or_refused_one_by_one(stock: StockService) -> None:
    placed = services.place_orders(commands=[make_command({1: 1})] * 7, now=NOW)

    errors = [result.error for result in placed]
    assert sum(error is None for error in errors) == 5
    assert [type(error) for error in errors if error] == [NotEnoughStock] * 2
    assert sorted(states()) == ["aborted"] * 7
    assert stock.counts(1)[:2] == (0, 5)
    services.close_due(now=later(86_400))
    while deliver():
        pass


# Refused


def test_not_enough_says_what_was_asked_for_and_leaves_nothing(stock: StockService) -> None:
    with pytest.raises(NotEnoughStock) as refused:
        make_order({1: 6})

    assert refused.value.details == {"goods_id": 1, "requested": 6, "available": 5}
    assert states() == ["aborted"]
    assert not Order.objects.exists()
    assert available(stock) == 5


def test_goods_without_stock_are_refused(stock: StockService) -> None:
    make_goods(99)

    with pytest.raises(StockNotFound):
        make_order({1: 1, 99: 1})

    assert available(stock) == 5
    assert states() == ["aborted"]


# No answer


@pytest.mark.long
def test_a_stock_service_that_is_away_answers_busy_and_takes_nothing_once_it_is_back(stock: StockService) -> None:
    stock.stop()
    try:
        with pytest.raises(StockCallFailed):
            make_order({1: 2})
        assert states() == ["ready"]
        assert deliver(answered=False) == 1
        assert states() == ["ready"]
    finally:
        stock.start()
    order_id = int(Message.objects.get().key)

    # The connection finds the service again within a second or so; until then the message goes down its ladder.
    wait_until(lambda: deliver() and states() == ["done"], seconds=120, what="the roll back is delivered")

    assert stock.records(order_id) == [(1, 0, ROLLED_BACK)]
    assert available(stock) == 5
    assert not Order.objects.exists()


def test_a_reservation_that_arrives_after_its_roll_back_is_refused(stock: StockService) -> None:
    remote.roll_back_stock(order_id=5, goods_ids=[1])

    answers = remote.reserve_stock({5: {1: 2}})

    assert type(answers[5]).__name__ == "StockRolledBack"
    assert available(stock) == 5


# The goods service


def test_goods_come_from_their_service(stock: StockService, settings: SimpleNamespace) -> None:
    """Served by this very process, over a real connection."""
    from charites.common.rpc import installed_methods  # noqa: PLC0415
    from lab.kit.grpc_server import grpc_server  # noqa: PLC0415

    make_room(3, goods_ids=[1])
    with grpc_server(installed_methods(["goods"])) as address:
        settings.APPS, settings.GOODS_ENDPOINT = ["orders"], address
        order = make_order({1: 1}, room_id=3)
        with pytest.raises(RoomNotFound):
            make_order({1: 1}, room_id=4)

    assert (order.pay_amount, order.room_id) == (9950, 3)
    make_order_leave(order)


def test_a_goods_service_that_is_away_answers_busy(settings: SimpleNamespace) -> None:
    settings.APPS, settings.GOODS_ENDPOINT = ["orders"], "127.0.0.1:1"

    results = services.place_orders(commands=[make_command()] * 2, now=NOW)

    assert [type(result.error) for result in results] == [GoodsCallFailed] * 2
    assert not Message.objects.exists()
