"""The shop that bad input is sent to, and a picture of all its rows."""

from typing import Any

from django.apps import apps
from django.utils import timezone

from goods.models import Goods
from lab.kit.factories import (
    BUYER_ID,
    later,
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    make_room,
    make_staff,
    make_user,
)
from orders.models import Order
from orders.services import complete_order

SOMEBODY_ELSE = BUYER_ID + 1
OUR_APPS = ("auth", "goods", "stock", "orders", "messaging")  # node leases are renewed whenever it is time

Picture = dict[str, list[dict[str, Any]]]


def build() -> dict[str, Order]:
    """Makes goods in every condition, and orders in every status. Returns the orders by name."""
    make_user("buyer")
    make_staff()
    for goods_id in range(1, 8):
        make_goods(goods_id, stock=5)
    make_goods(900, stock=5, is_deleted=True)
    make_goods(901, stock=5, status=Goods.Status.OFF_SALE)
    make_goods(902)
    make_goods(903, stock=5, limit_per_buyer=1)
    make_goods(904, stock=5, sale_starts_at=later(86_400, start=timezone.now()))
    make_goods(905, stock=5, sale_ends_at=later(-1, start=timezone.now()))
    make_room(1, goods_ids=[1, 2, 901], current_goods_id=1)
    make_room(2, is_deleted=True)
    now = timezone.now()
    orders = {
        "unpaid": make_order(now=now),
        "begun": make_order(now=now),
        "paid": make_paid_order(now=now),
        "closed": make_closed_order(now=now),
        "completed": make_paid_order(now=now),
        "overdue": make_order({2: 1}, now=later(-86_400, start=now)),
        "theirs": make_order({3: 1}, user_id=SOMEBODY_ELSE, now=now),
        "limited": make_order({903: 1}, user_id=SOMEBODY_ELSE, now=now),
        "keyed": make_order({4: 1}, idempotency_key="used", now=now),
    }
    complete_order(order_id=orders["completed"].order_id, actor="staff", now=now)
    make_payment(orders["begun"], now=now)
    return orders


def picture() -> Picture:
    """Every row of every table of ours, to be compared with a later picture."""
    models = [model for app in OUR_APPS for model in apps.get_app_config(app).get_models()]
    return {model._meta.db_table: list(model._default_manager.order_by("pk").values()) for model in models}
