"""The Python client of the API, by the program that comes with it, against a running shop."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from goods.models import Room
from goods.services import change_room
from lab.generate.python_client import PACKAGE
from lab.kit.factories import counts, make_goods, make_order, make_room, make_user
from lab.kit.processes.shop import Shop
from orders.models import Order, Payment

pytestmark = pytest.mark.servers


@pytest.fixture
def shop(demo_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    make_user("buyer")
    make_goods(1, stock=0)
    make_goods(2, stock=1)
    make_room(3, goods_ids=[1, 2])
    with Shop(tmp_path, demo_environment) as started:
        started.start("web")
        started.await_web()
        yield started


def buy(shop: Shop, password: str = "charites", program: str = "buy.py") -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": os.environ["PATH"]}
    command = [sys.executable, str(PACKAGE.with_name(program)), shop.url, "buyer", password]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_client_buys_and_tells_what_the_shop_says(shop: Shop) -> None:
    bought = buy(shop)
    refused = buy(shop, password="wrong")
    change_room(room_id=3, values={"status": Room.Status.OFF})
    empty = buy(shop)

    assert bought.returncode == 0, bought.stderr
    order = Order.objects.get()
    assert re.match(rf"order {order.order_id}: .* {order.pay_amount} cents, to be paid until 2", bought.stdout)
    assert f"pay it here: {shop.url}/sandbox/pay/" in bought.stdout
    assert (order.room_id, counts(2)) == (3, (0, 1, 0))
    assert Payment.objects.get().order_id == order.order_id
    assert (empty.returncode, empty.stderr) == (1, "nothing is for sale at this moment\n")
    assert (refused.returncode, refused.stderr) == (1, "wrong_password: User name or password is wrong.\n")


@pytest.mark.long
def test_client_reads_a_list_page_by_page(shop: Shop) -> None:
    make_goods(4, stock=9)
    orders = [make_order({4: 1}, user_id=get_user_model().objects.get(username="buyer").pk) for _ in range(5)]

    done = buy(shop, program="all_orders.py")

    assert done.returncode == 0, done.stderr
    assert re.findall(r"^order (\d+): unpaid, 9950 cents$", done.stdout, re.MULTILINE) == [
        str(order.order_id) for order in reversed(orders)
    ]
