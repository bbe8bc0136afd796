"""A client generated from the original contract, in a process of its own, against a real `manage.py grpcserver`."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.kit.factories import counts, make_goods, make_room
from lab.kit.processes.shop import ROOT, Shop, wait_until
from orders.models import Order
from stock.models import StockRecord

CLIENT = ROOT / "charites" / "tests" / "api" / "original" / "old_client.py"
Ask = Callable[..., Any]


@pytest.fixture
def ask(tmp_path: Path, process_environment: dict[str, str]) -> Iterator[Ask]:
    """Starts the server in demo mode; gives a function that makes one call."""
    with Shop(tmp_path, {**process_environment, "DEMO": "true"}) as shop:
        shop.start("grpc")
        wait_until(lambda: "gRPC on" in shop.log("grpc"), seconds=60, what="the gRPC server listens")

        def call(name: str, authorization: str = "token", **request: Any) -> Any:
            command = [sys.executable, str(CLIENT), shop.grpc_address, authorization, name, json.dumps(request)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        yield call


def test_an_old_client_reads_a_room_and_its_goods(ask: Ask) -> None:
    make_goods(1, title="杯子 Mug", head_imgs=["/1.svg"], detail=["350 ml"], code=690100000001, category_id=5)
    make_room(3, goods_ids=[1], current_goods_id=1)

    room = ask("Goods.GetGoodsListByRoomId", RoomId="3")
    goods = ask("Goods.GetGoodsDetail", GoodsId="1")

    shared = {"GoodsId": "1", "CategoryId": "5", "Title": "杯子 Mug", "Brief": "Brief.", "HeadImgs": ["/1.svg"]}
    shared |= {"MarketPrice": "12900", "Price": "9950"}
    assert room == {"CurrentGoodsId": "1", "data": [shared]}
    assert goods == {**shared, "Code": "690100000001", "Detail": ["350 ml"]}


def test_an_old_client_sets_reads_and_reduces_stock(ask: Ask) -> None:
    answers = [
        ask("Stock.SetStock", GoodsId=1, Num=50),
        ask("Stock.GetStock", GoodsId=1),
        ask("Stock.ReduceStock", GoodsId=1, Num=2, OrderId=77),
        ask("Stock.ReduceStock", GoodsId=1, Num=3),
    ]

    receipt = StockRecord.objects.get(kind=StockRecord.Source.RECEIPT)
    assert answers == [
        {"GoodsId": "1", "Num": "50"},
        {"GoodsId": "1", "Num": "50"},
        {"GoodsId": "1", "Num": "48", "OrderId": "77"},
        {"GoodsId": "1", "Num": "45", "OrderId": str(receipt.order_id)},
    ]
    assert counts(1) == (45, 2, 3)


def test_an_old_client_places_an_order_and_parses_the_reply_as_empty(ask: Ask) -> None:
    make_goods(1, stock=10)
    address = {"Address": "1 Harbour Road", "Name": "Li Lei", "Phone": "13800000000"}

    reply = ask("Order.CreateOrder", '"token"', GoodsId=1, Num=2, UserId=42, OrderId=5, **address)

    assert reply == {}
    assert list(Order.objects.values_list("user_id", "pay_amount")) == [(42, 19900)]
    assert counts(1) == (8, 2, 0)


def test_an_old_client_is_told_why_not(ask: Ask) -> None:
    make_goods(1, stock=1)
    address = {"Address": "1 Harbour Road", "Name": "Li Lei", "Phone": "13800000000"}

    assert ask("Order.CreateOrder", GoodsId=1, Num=2, UserId=42, **address) == [
        "FAILED_PRECONDITION",
        "Not enough stock of product 1: 2 asked for, 1 left.",
    ]
    assert ask("Stock.GetStock", "nonsense", GoodsId=1)[0] == "UNAUTHENTICATED"
