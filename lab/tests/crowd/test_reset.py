"""A room of the demo put back as it was seeded."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from charites.audit import run_audit
from goods.models import Goods, Room
from goods.services import Entry, add_room_goods, change_goods, pin_goods, remove_room_goods
from lab.crowd.users import make_users
from lab.kit.factories import counts, make_goods, make_order, make_paid_order, make_payment, make_room, stored
from lab.kit.interleaving import Interruption
from orders.models import Order
from stock.services import Adjustment, adjust_stock

pytestmark = pytest.mark.django_db(transaction=True)

RESET = "/rooms/1/desk/reset"


@pytest.fixture
def seeded(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a slow one proves nothing here
    call_command("seed", stdout=StringIO())


def press(client: Client | None = None) -> list[str]:
    """Presses the button; returns what the desk is to say."""
    answer = (client or Client()).post(RESET)
    assert answer.status_code == 302
    assert answer["Location"] == "/rooms/1/desk#reset-room"
    return [str(message) for message in answer.wsgi_request._messages]


@pytest.mark.usefixtures("seeded")
def test_reset_cancels_restocks_and_pins_as_at_first() -> None:
    now = timezone.now()
    buyer = get_user_model().objects.get(username="buyer").pk
    (crowd,) = make_users(1)
    unpaid = [make_order({1: 3}, user_id=buyer, now=now), make_order({2: 1}, user_id=crowd, now=now)]
    paid = make_paid_order({1: 2}, user_id=buyer, now=now)
    change_goods(
        goods_id=3,
        values={"status": Goods.Status.OFF_SALE, "limit_per_buyer": 1, "sale_ends_at": now - timedelta(hours=1)},
        actor="staff",
    )
    adjust_stock(adjustments=[Adjustment(1, "desk", "staff", target=0)])
    pin_goods(room_id=1, goods_id=5)

    said = press()

    assert said == [
        "The room is as it was: 2 unpaid orders cancelled; stock of 1 product set; sale of 1 product put right; "
        "the first product pinned again."
    ]
    assert [stored(order).closed_by for order in unpaid] == [Order.ClosedBy.STAFF] * 2
    assert stored(paid).status == Order.Status.PAID
    assert [counts(1), counts(2)] == [(100, 0, 2), (60, 0, 0)]
    goods = Goods.objects.get(goods_id=3)
    assert (goods.status, goods.limit_per_buyer, goods.sale_ends_at) == (Goods.Status.ON_SALE, 0, None)
    assert Room.objects.get(room_id=1).current_goods_id == 1
    assert [result.check.id for result in run_audit(now=timezone.now()) if result.total] == []


@pytest.mark.usefixtures("seeded")
def test_reset_leaves_alone_whoever_is_not_the_demos_and_what_is_sold_elsewhere() -> None:
    now = timezone.now()
    stranger = make_order({2: 1}, user_id=987_654, now=now)
    buyer = get_user_model().objects.get(username="buyer").pk
    elsewhere = make_order({11: 1}, user_id=buyer, now=now)
    make_goods(500, stock=7)
    add_room_goods(room_id=1, entries=[Entry(500)], actor="staff")
    remove_room_goods(room_id=1, goods_ids=[1], actor="staff")

    press()

    assert [stored(order).status for order in (stranger, elsewhere)] == [Order.Status.UNPAID] * 2
    assert counts(500) == (7, 0, 0)
    assert Room.objects.get(room_id=1).current_goods_id is None  # nobody pins what is not in the room


@pytest.mark.usefixtures("seeded")
def test_reset_of_an_order_that_is_being_paid_closes_its_payment() -> None:
    buyer = get_user_model().objects.get(username="buyer").pk
    order = make_order({1: 1}, user_id=buyer, now=timezone.now())
    make_payment(order, now=timezone.now())

    press()

    assert stored(order).status == Order.Status.CLOSED
    assert counts(1) == (100, 0, 0)


@pytest.mark.usefixtures("seeded")
def test_reset_that_ends_half_way_does_not_say_that_nothing_was_done() -> None:
    order = make_order({1: 1}, user_id=get_user_model().objects.get(username="buyer").pk, now=timezone.now())
    adjust_stock(adjustments=[Adjustment(2, "desk", "staff", target=0)])
    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="INTO shopping_stock_adjustment", times=99)

    with connection.execute_wrapper(deadlock):
        answer = Client().post(RESET)

    assert answer.status_code == 503
    assert '<p class="told bad" role="alert">We do not know yet whether that worked. Press the same' in answer.text
    assert "Nothing was done" not in answer.text
    assert (stored(order).status, counts(2)) == (Order.Status.CLOSED, (0, 0, 0))

    press()
    assert counts(2) == (60, 0, 0)


@pytest.mark.usefixtures("seeded")
def test_reset_again_changes_nothing() -> None:
    press()
    versions = list(Goods.objects.values_list("goods_id", "version"))

    said = press()

    assert said == ["The room was as at first: there was nothing to do."]
    assert list(Goods.objects.values_list("goods_id", "version")) == versions


def test_room_that_the_catalogue_does_not_have_is_left_alone() -> None:
    make_goods(1, stock=5)
    make_room(77, goods_ids=[1])

    answer = Client().post("/rooms/77/desk/reset")

    assert answer.status_code == 409
    assert "not one of the demo" in answer.text
    assert counts(1) == (5, 0, 0)
