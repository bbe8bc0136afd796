"""Orders here, stock in another process: nothing leaks, whatever dies in between."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError, connection

from lab.kit.factories import NOW, make_command, make_order, make_paid_order
from lab.kit.interleaving import Interruption, LostCommit, Parked
from lab.kit.processes.stock_service import StockService
from messaging.check_back import check_back
from messaging.models import Message
from messaging.services import HalfMessageGone, submit
from orders import remote, services
from orders.errors import StockCallFailed
from orders.flows import direct, half_message
from orders.models import Order
from orders.tests.flows.half_messages import (
    DEDUCTED,
    EACH_WAY,
    RESERVED,
    ROLLED_BACK,
    available,
    check,
    deliver,
    make_order_leave,
    reserve_and_die,
    states,
)

pytestmark = [EACH_WAY, pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("split")]


def taken(stock: StockService, goods_id: int = 1) -> int:
    """Pieces that are reserved now; sold ones of earlier tests are not counted."""
    return stock.counts(goods_id)[1]


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


def test_the_first_check_comes_after_every_deadline() -> None:
    """Twice the patience with another service fits before the first check: a healthy sender is never overtaken."""
    assert 2 * django_settings.REMOTE_TIMEOUT_SECONDS < django_settings.MESSAGE_FIRST_CHECK_SECONDS
