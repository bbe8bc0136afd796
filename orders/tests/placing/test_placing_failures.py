"""Placing when the database or the numbers fail."""

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from charites.common import ids
from charites.common.errors import Busy, Invalid, OutcomeUnknown
from lab.kit.factories import NOW, counts, make_command, make_goods, make_order, make_room
from lab.kit.interleaving import Interruption, LostCommit
from orders.errors import OrderFailed
from orders.models import Order, OrderDetail
from orders.services import TIMEOUT_TASK, place_orders
from orders.services import placing as placing_module
from orders.tests.placing.placed import assert_nothing_happened, errors_of, place
from stock.errors import NotEnoughStock, StockBusy

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_place_whose_commit_is_lost_but_happened_returns_the_order():
    make_goods(1, stock=5)

    with LostCommit(carried_out=True, error=OperationalError(2013, "Lost connection")):
        placed = place(idempotency_key="k")

    assert placed.order.order.order_id == Order.objects.get().order_id
    assert counts(1) == (4, 1, 0)
    assert not place(idempotency_key="k").created


@pytest.mark.django_db(transaction=True)
def test_place_whose_commit_did_not_happen_is_busy_and_can_be_repeated():
    make_goods(1, stock=5)

    with (
        LostCommit(carried_out=False, error=OperationalError(2013, "Lost connection")),
        pytest.raises(StockBusy),
    ):
        place(idempotency_key="k")

    assert_nothing_happened()
    assert place(idempotency_key="k").created


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("carried_out", [True, False])
def test_place_that_nothing_can_resolve_is_unknown_and_the_key_says_which_later(settings, carried_out):
    settings.TRANSACTION_TRIES = 2
    make_goods(1, stock=5)

    with (
        LostCommit(carried_out=carried_out, error=OperationalError(2013, "Lost connection"), times=99),
        pytest.raises(OutcomeUnknown),
    ):
        place(idempotency_key="k")

    assert place(idempotency_key="k").created is not carried_out
    assert counts(1) == (4, 1, 0)


def test_place_after_a_deadlock_stores_one_order():
    make_goods(1, stock=5)

    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="UPDATE shopping_stock ", times=2)
    with connection.execute_wrapper(deadlock):
        place()

    assert Order.objects.count() == OrderDetail.objects.count() == 1
    assert counts(1) == (4, 1, 0)


def test_place_under_a_number_that_exists_takes_another_number(monkeypatch):
    make_goods(1, stock=5)
    taken = make_order().order_id
    real = placing_module.next_ids
    handed_out = iter([[taken]])
    monkeypatch.setattr(placing_module, "next_ids", lambda count: next(handed_out, None) or real(count))

    placed = place()

    assert placed.order.order.order_id != taken
    assert counts(1) == (3, 2, 0)


def test_place_that_finds_no_free_number_fails_and_the_log_says_why(monkeypatch, caplog):
    make_goods(1, stock=5)
    taken = make_order().order_id
    monkeypatch.setattr(placing_module, "next_ids", lambda count: [taken] * count)

    with pytest.raises(OrderFailed):
        place()

    assert counts(1) == (4, 1, 0)
    assert "IntegrityError" in caplog.text


@pytest.fixture
def no_numbers(settings):
    """No node is free: whoever needs new order numbers is busy."""
    settings.NODE_FIRST, settings.NODE_LAST = 5, 4
    ids._snowflake.forget()
    yield
    ids._snowflake.forget()


def test_place_without_numbers_is_busy_for_every_command(no_numbers):
    make_goods(1, stock=5)

    placed = place_orders(commands=[make_command(), make_command(phone=""), make_command()], now=NOW)

    assert errors_of(placed) == [Busy, Invalid, Busy]
    assert_nothing_happened()


@pytest.mark.parametrize("away", ["charites_node", "shopping_goods ", "shopping_room "])
@pytest.mark.parametrize("error", [OperationalError(2006, "gone"), InterfaceError(0, "closed")])
def test_place_while_the_database_is_away_is_busy_for_every_command(away, error):
    make_goods(1, stock=5)
    make_room(3)
    ids._snowflake.forget()

    with connection.execute_wrapper(Interruption(error, at=f"(FROM|UPDATE) {away}", times=99)):
        placed = place_orders(commands=[make_command(room_id=3), make_command(room_id=3)], now=NOW)

    assert errors_of(placed) == [Busy, Busy]
    assert_nothing_happened()
    assert errors_of(place_orders(commands=[make_command(room_id=3)], now=NOW)) == [type(None)]


def test_place_keeps_what_was_placed_when_numbers_run_out_afterwards(monkeypatch, no_numbers):
    make_goods(1, stock=5)
    taken = 11
    Order.objects.create(order_id=taken, user_id=8, pay_amount=1, expires_at=NOW)
    real = placing_module.next_ids
    handed_out = iter([[taken, 12, 13]])
    monkeypatch.setattr(placing_module, "next_ids", lambda count: next(handed_out, None) or real(count))
    now = timezone.now()
    asked = []
    monkeypatch.setattr(placing_module, "wake_up_at", lambda task, at: asked.append((task, at)))

    placed = place_orders(commands=[make_command(), make_command({1: 9}), make_command()], now=now)

    assert errors_of(placed) == [Busy, NotEnoughStock, type(None)]
    assert placed[2].created
    assert placed[2].order.order.order_id == Order.objects.exclude(order_id=taken).get().order_id
    assert counts(1) == (4, 1, 0)
    assert asked == [(TIMEOUT_TASK, placed[2].order.order.expires_at)]


def test_place_again_whose_order_cannot_be_read_is_busy_and_the_others_are_placed():
    make_goods(1, stock=5)
    place(idempotency_key="k")
    commands = [make_command(), make_command(idempotency_key="k")]

    gone = Interruption(OperationalError(2006, "gone"), at="FROM shopping_order_detail ")
    with connection.execute_wrapper(gone):
        placed = place_orders(commands=commands, now=NOW)

    assert errors_of(placed) == [type(None), Busy]
    assert gone.seen == 1
    assert counts(1) == (3, 2, 0)
