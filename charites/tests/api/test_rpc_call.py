"""`manage.py call`, the sample client, against a server in this process."""

import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from lab.kit.factories import bearer, counts, make_stock, staff_bearer
from lab.kit.grpc_server import grpc_server


@pytest.fixture
def address(transactional_db: None) -> Iterator[str]:
    with grpc_server() as address:
        yield address


def run(*arguments: str, **options: Any) -> str:
    """Runs the command; returns what it prints."""
    out = io.StringIO()
    call_command("call", *arguments, stdout=out, **options)
    return out.getvalue()


def test_call_prints_the_reply_as_json(address: str) -> None:
    make_stock(1, 10)
    token = staff_bearer()

    printed = run("Stock.SetStock", '{"GoodsId": 1, "Num": 4}', address=address, token=token)

    assert json.loads(printed) == {"GoodsId": "1", "Num": "4", "OrderId": "0"}
    assert counts(1) == (4, 0, 0)


def test_call_takes_the_name_with_a_slash(address: str) -> None:
    make_stock(1, 10)

    assert json.loads(run("Stock/GetStock", '{"GoodsId": 1}', address=address, token=bearer()))["Num"] == "10"


def test_call_has_a_token_of_its_own_in_the_demo(address: str, settings: Any) -> None:
    settings.DEMO = True
    make_stock(1, 10)

    assert json.loads(run("Stock.ReduceStock", '{"GoodsId": 1, "Num": 1}', address=address))["Num"] == "9"


def test_call_lists_the_methods_without_a_token(address: str) -> None:
    names = run("--list", address=address).split()

    assert names == sorted(names)
    assert {"Goods.GetGoodsDetail", "Stock.ReserveStock", "Order.ListOrders", "grpc.health.v1.Health.Check"} <= set(
        names
    )


def test_call_tells_of_a_refusal(address: str) -> None:
    with pytest.raises(CommandError, match="^NOT_FOUND 40010002: There is no stock of product 1.$") as caught:
        run("Stock.GetStock", '{"GoodsId": 1}', address=address, token=bearer())

    assert caught.value.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["Stock.StealStock"], "no method Stock.StealStock"),
        (["Carts.Get"], "no method Carts.Get"),
        (["Stock.GetStock", "{broken"], "does not fit StockLevel"),
        (["Stock.GetStock", '{"Colour": 1}'], "does not fit StockLevel"),
        ([], "Name a method"),
    ],
)
def test_call_with_a_wrong_name_or_request_says_so(address: str, arguments: list[str], expected: str) -> None:
    with pytest.raises(CommandError, match=expected):
        run(*arguments, address=address, token=bearer())


def test_call_outside_the_demo_needs_a_token(address: str) -> None:
    with pytest.raises(CommandError, match="needs --token"):
        run("Stock.GetStock", address=address)


def test_call_without_a_server_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with pytest.raises(CommandError, match="^UNAVAILABLE: "):
        run("Stock.GetStock", address=f"127.0.0.1:{port}", token="x")
