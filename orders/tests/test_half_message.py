"""Orders here, stock in another process: nothing leaks, whatever dies or stays silent in between."""

import threading
from collections.abc import Iterator
from copy import copy
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError, connection

from charites.common.ids import next_id
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
from lab.kit.interleaving import Interruption, LostCommit, Parked
from lab.kit.shop import wait_until
from lab.kit.stock_service import StockService
from messaging.check_back import check_back
from messaging.models import Message
from messaging.registry import unregister
from messaging.relay import deliver_due
from messaging.services import HalfMessageGone, submit
from orders import remote, services
from orders.errors import GoodsCallFailed, StockCallFailed
from orders.flows import direct, half_message
from orders.messages import register_notifications
from orders.models import Order
from stock.errors import NotEnoughStock, StockNotFound
from stock.models import StockRecord

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

RESERVED, ROLLED_BACK, DEDUCTED = 1, 2, 3
COPIES = 100


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockService]:
    with StockService(tmp_path_factory.mktemp("stock")) as service:
        yield service


@pytest.fixture(autouse=True)
def split(settings: SimpleNamespace, stock: StockService) -> Iterator[None]:
    """This process is the goods and the order service; five pieces of product 1, ten of product 2, at the other one."""
    settings.APPS = ["goods", "orders"]
    settings.STOCK_ENDPOINT = f"ipv4:{stock.address}"
    settings.ORDER_FLOW = "half_message"
    register_notifications()
    make_goods(1)
    make_goods(2)
    stock.set_stock(1, 5)
    stock.set_stock(2, 10)
    yield
    for topic in TOPICS:
        unregister(topic)
    remote.client.cache_clear()


TOPICS = (half_message.UNPLACED_TOPIC, half_message.CONFIRM_TOPIC, half_message.ROLL_BACK_TOPIC)


def states(topic: str = half_message.UNPLACED_TOPIC) -> list[str]:
    return list(Message.objects.filter(topic=topic).order_by("pk").values_list("state", flat=True))


def available(stock: StockService, goods_id: int = 1) -> int:
    return stock.counts(goods_id)[0]


def taken(stock: StockService, goods_id: int = 1) -> int:
    """Pieces that are reserved now; sold ones of earlier tests are not counted."""
    return stock.counts(goods_id)[1]


days = count(2 * 10**3)


def deliver() -> int:
    """A round on a day of its own: whatever was put on its ladder is due again."""
    return deliver_due(now=later(86_400 * next(days)))


def check() -> int:
    return check_back(now=later(10**8))


# The usual way


def test_placing_reserves_elsewhere_and_withdraws_its_compensation(stock: StockService) -> None:
    order = make_order({1: 2, 2: 1})

    assert stock.records(order.order_id) == [(1, 2, RESERVED), (2, 1, RESERVED)]
    assert (available(stock, 1), available(stock, 2)) == (3, 9)
    assert states() == ["aborted"]
    assert not StockRecord.objects.exists()
    make_order_leave(order)


def make_order_leave(order: Order) -> None:
    """Cancels an order and lets stock know, so that the next test finds nothing reserved."""
    services.cancel_order(order_id=order.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=NOW)
    deliver()


def test_paying_sells_what_was_reserved(stock: StockService) -> None:
    sold = stock.counts(1)[2]

    order = make_paid_order({1: 2})

    assert stored(order).status == Order.Status.PAID
    assert stock.records(order.order_id) == [(1, 2, RESERVED)]
    assert states(half_message.CONFIRM_TOPIC) == ["ready"]
    assert deliver() == 1
    assert stock.records(order.order_id) == [(1, 2, DEDUCTED)]
    assert stock.counts(1) == (3, 0, sold + 2)


def test_paying_twice_tells_stock_once(stock: StockService) -> None:
    payment = make_payment(make_order())
    capture = make_capture(payment)

    assert services.record_captures(captures=[capture, capture]) == [None, None]
    assert services.record_captures(captures=[capture]) == [None]

    assert states(half_message.CONFIRM_TOPIC) == ["ready"]
    deliver()


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


def test_a_stock_service_that_is_away_answers_busy_and_takes_nothing_once_it_is_back(stock: StockService) -> None:
    stock.stop()
    try:
        with pytest.raises(StockCallFailed):
            make_order({1: 2})
        assert states() == ["ready"]
        assert deliver() == 1
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


# Died in between


def reserve_and_die() -> tuple[half_message.Move, int]:
    """Goes as far as the reservation, as a process that is killed then. Returns the move and its compensation."""
    command = make_command({1: 2})
    catalogue = services.placing.find_catalogue([command])
    move = services.placing.placing(command, next_id(), catalogue.goods, NOW)
    (message_id,) = half_message.prepare_many([half_message.compensation(move)])
    assert half_message.reserve([move]) == {move: half_message.OK}
    return move, message_id


def test_what_died_after_the_reservation_is_given_back_by_the_check(stock: StockService) -> None:
    move, message_id = reserve_and_die()
    assert available(stock) == 3

    assert check_back(now=Message.objects.get().created_at + timedelta(seconds=5)) == 0
    assert check() == 1

    assert states() == ["ready"]
    assert deliver() == 1
    assert (states(), available(stock)) == (["done"], 5)
    assert stock.records(move.order_id) == [(1, 2, ROLLED_BACK)]


def test_a_local_transaction_that_comes_after_the_check_places_nothing(stock: StockService) -> None:
    move, message_id = reserve_and_die()
    check()

    participant = half_message.NotifyingParticipant({move.order_id: message_id})
    outcome = half_message.write_orders([move], participant)[move]

    assert outcome.error is HalfMessageGone
    assert half_message.without_compensation(outcome) is half_message.NO_ANSWER
    assert not Order.objects.exists()
    deliver()
    assert available(stock) == 5


@pytest.mark.servers
def test_the_check_leaves_a_local_transaction_alone_that_is_open(stock: StockService) -> None:
    with Parked(lambda: make_order({1: 2}), at="INSERT INTO shopping_order ") as buyer:
        Message.objects.get()  # the compensation is still half to everybody else
        assert check() == 0
        order = buyer.go()

    assert states() == ["aborted"]
    assert stock.records(order.order_id) == [(1, 2, RESERVED)]
    make_order_leave(order)


@pytest.mark.servers
def test_the_check_wins_against_a_local_transaction_that_has_not_begun(stock: StockService) -> None:
    with Parked(lambda: make_order({1: 2}), at="UPDATE messaging_message") as buyer:
        assert check() == 1
        with pytest.raises(StockCallFailed):
            buyer.go()

    assert not Order.objects.exists()
    while deliver():
        pass
    assert available(stock) == 5


def test_an_insert_that_fails_gives_the_stock_back(stock: StockService) -> None:
    broken = Interruption(OperationalError(1114, "The table is full"), at="INSERT INTO shopping_order ", times=99)

    with connection.execute_wrapper(broken), pytest.raises(Exception, match="busy"):
        make_order({1: 2})

    assert (broken.seen, states()) == (1, ["ready"])
    deliver()
    assert (states(), available(stock)) == (["done"], 5)


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_commit_whose_reply_is_lost_is_resolved(
    stock: StockService, monkeypatch: pytest.MonkeyPatch, carried_out: bool
) -> None:
    placing = half_message.OrdersOnly.work
    lost = LostCommit(carried_out=carried_out, error=OperationalError(2013, "Lost connection"))

    def place_and_lose(*arguments: Any) -> Any:
        lost.__enter__()
        return placing(*arguments)

    monkeypatch.setattr(half_message.OrdersOnly, "work", place_and_lose)
    try:
        (placed,) = services.place_orders(commands=[make_command({1: 2})], now=NOW)
    finally:
        lost.__exit__(None, None, None)

    assert (placed.error is None) is carried_out
    assert states() == (["aborted"] if carried_out else ["ready"])
    deliver()
    assert available(stock) == (3 if carried_out else 5)
    assert Order.objects.count() == carried_out
    for order in Order.objects.all():
        make_order_leave(order)


def test_duplicates_of_one_key_leave_one_reservation(stock: StockService) -> None:
    """Both pass the look at stored keys; the unique key decides, and the loser's stock goes back."""
    commands = [make_command({1: 1}, idempotency_key="duplicate")] * 3

    placed = services.place_orders(commands=commands, now=NOW)

    assert len({result.order.order.order_id for result in placed if result.order}) == 1
    assert [result.created for result in placed].count(True) == 1
    while deliver():
        pass
    assert stock.counts(1)[:2] == (4, 1)
    make_order_leave(Order.objects.get())


def test_the_compensation_of_an_order_that_is_there_gives_nothing_back(stock: StockService) -> None:
    """Should two orders ever meet in one number, the second one's compensation must not touch the first one's stock."""
    order = make_order({1: 2})
    again = Message.objects.get()

    Message.objects.filter(pk=again.pk).update(state=Message.State.HALF)
    check()
    assert states() == ["aborted"]
    Message.objects.filter(pk=again.pk).update(state=Message.State.HALF)
    submit([again.pk])
    deliver()

    assert states() == ["done"]
    assert stock.records(order.order_id) == [(1, 2, RESERVED)]
    make_order_leave(order)


def test_the_direct_flow_leaks_where_the_other_one_does_not(stock: StockService, settings: SimpleNamespace) -> None:
    """The negative control: without a compensation nobody ever learns of the reservation."""
    settings.ORDER_FLOW = "direct"
    broken = Interruption(OperationalError(1114, "The table is full"), at="INSERT INTO shopping_order ", times=99)

    with connection.execute_wrapper(broken), pytest.raises(Exception, match="busy"):
        make_order({1: 2})

    assert (check(), deliver()) == (0, 0)
    assert (available(stock), taken(stock)) == (3, 2)
    assert not Message.objects.exists()
    for order_id in leaked(stock):
        remote.roll_back_stock(order_id=order_id)


def leaked(stock: StockService) -> list[int]:
    return [row[0] for row in stock._read("SELECT order_id FROM shopping_stock_record WHERE status = 1")]


def test_the_direct_flow_places_and_pays_when_nothing_dies(stock: StockService, settings: SimpleNamespace) -> None:
    settings.ORDER_FLOW = "direct"

    order = make_paid_order({1: 1})

    deliver()
    assert stock.records(order.order_id) == [(1, 1, DEDUCTED)]
    assert direct.place([]) == {}


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


def test_the_first_check_comes_after_every_deadline() -> None:
    """Twice the patience with another service fits before the first check: a healthy sender is never overtaken."""
    assert 2 * django_settings.REMOTE_TIMEOUT_SECONDS < django_settings.MESSAGE_FIRST_CHECK_SECONDS


def test_concurrent_buyers_never_take_more_than_there_is(stock: StockService) -> None:
    placed: list[bool] = []

    def buy() -> None:
        try:
            (result,) = services.place_orders(commands=[make_command({1: 1})], now=NOW)
            placed.append(result.created)
        finally:
            connection.close()

    buyers = [threading.Thread(target=buy) for _ in range(12)]
    for buyer in buyers:
        buyer.start()
    for buyer in buyers:
        buyer.join()

    while deliver():
        pass
    assert placed.count(True) == Order.objects.count() <= 5
    assert stock.counts(1)[:2] == (5 - placed.count(True), placed.count(True))
    services.close_due(now=later(86_400))
    while deliver():
        pass


def test_a_hundred_copies_of_each_message_at_once_take_effect_once(stock: StockService) -> None:
    sold = stock.counts(1)[2]
    paid, closed = make_paid_order({1: 1}), make_order({1: 1})
    services.cancel_order(order_id=closed.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=NOW)
    died, message_id = reserve_and_die()
    submit([message_id])
    for message in Message.objects.filter(topic__in=TOPICS, state="ready"):
        message.pk = None
        Message.objects.bulk_create([copy(message) for _ in range(COPIES - 1)])
    assert Message.objects.filter(topic__in=TOPICS, state="ready").count() == len(TOPICS) * COPIES

    def sweep() -> None:
        try:
            while deliver():
                pass
        finally:
            connection.close()

    sweeps = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in sweeps:
        thread.start()
    for thread in sweeps:
        thread.join()
    while deliver():  # busy answers have gone one step down their ladder
        pass

    assert set(states() + states(half_message.CONFIRM_TOPIC) + states(half_message.ROLL_BACK_TOPIC)) == {
        "done",
        "aborted",
    }
    assert stock.records(paid.order_id) == [(1, 1, DEDUCTED)]
    assert stock.records(closed.order_id) == [(1, 1, ROLLED_BACK)]
    assert stock.records(died.order_id) == [(1, 2, ROLLED_BACK)]
    assert stock.counts(1) == (4, 0, sold + 1)
