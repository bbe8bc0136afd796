from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from charites.audit import open_database
from charites.tests.audit.busy_shop import LONG_AGO, TOPIC, Shop, naive, open_shop
from charites.tests.audit.split_shop import OF_ORDERS, OF_STOCK, Split, copy_database, execute, in_orders
from lab.kit import factories
from lab.kit.stock_steps import deduct_stock, roll_back_stock
from messaging.registry import register, unregister
from orders import services as orders
from orders.models import Order


@pytest.fixture
def shop() -> Iterator[Shop]:
    register(TOPIC, lambda messages: None)
    yield open_shop()
    unregister(TOPIC)


@pytest.fixture
def split(tmp_path: Path, settings: Any) -> Iterator[Split]:
    for goods_id in (1, 2, 3):
        factories.make_goods(goods_id, stock=100)
    receipt_id = deduct_stock(goods_id=2, quantity=4).number
    roll_back_stock(order_id=77, goods_ids=[1, 999])
    completed = factories.make_paid_order({3: 1})
    orders.complete_orders(order_ids=[completed.order_id], actor="staff", now=factories.NOW)
    made = {
        "unpaid": factories.make_order({1: 2, 2: 1}),
        "paid": factories.make_paid_order({1: 2, 3: 1}),
        "closed": factories.make_closed_order({1: 2, 2: 1}),
    }
    Order.objects.update(expires_at=timezone.now() + timedelta(hours=1))  # an audit goes by the clock of the machine
    settings.APPS = ["orders"]
    url = copy_database(tmp_path)
    with closing((stock := open_database("stock", url)).connection):
        for table in OF_ORDERS:
            execute(stock.connection, f"DELETE FROM {table}")
        for table in OF_STOCK:
            in_orders(f"DELETE FROM {table}")
        for where, table in [
            *((connection, table) for table in OF_ORDERS),
            (stock.connection, "shopping_stock_record"),
        ]:
            execute(where, f"UPDATE {table} SET updated_at = %s", naive(LONG_AGO))
        yield Split(url=url, stock=stock, receipt_id=receipt_id, **made)
    if connection.vendor == "mysql":
        in_orders(f"DROP DATABASE {connection.settings_dict['NAME']}_stock")
