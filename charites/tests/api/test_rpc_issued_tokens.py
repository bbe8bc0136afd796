"""Tokens that `manage.py issue_token` prints, at the doors."""

from io import StringIO

import jwt
import pytest
from django.core.management import CommandError, call_command

from charites.common import clock
from charites.common.auth import read_authorization
from charites.tests.api.probe import probe
from lab.kit.factories import make_stock
from lab.kit.grpc_server import grpc_callers
from lab.kit.log_lines import json_lines
from lab.kit.rest_client import RestClient
from stock.models import StockAdjustment
from stock.rpc.stock_pb2 import StockLevel

pytestmark = pytest.mark.django_db(transaction=True)


def issue(*words: str) -> tuple[str, str]:
    """The token, and what is said of it."""
    out, err = StringIO(), StringIO()
    call_command("issue_token", *words, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue().strip()


def test_issued_token_names_its_service_at_every_door() -> None:
    make_stock(1, 10)
    token, _said = issue("warehouse", "--role", "service", "--days", "7")
    calls, methods = probe()

    with grpc_callers(methods) as callers:
        callers.with_header(f"Bearer {token}").stock.GetStock(StockLevel(goods_id=1))
    over_v1 = RestClient(f"Bearer {token}").post("/v1/setstock", {"GoodsId": 1, "Num": 3})
    with json_lines() as lines:
        over_rest = RestClient(f"Bearer {token}").get("/api/orders")
        said = [line["actor"] for line in lines() if line["logger"] == "charites.access"]

    assert (over_v1.status_code, over_rest.status_code) == (200, 200)
    adjusted = StockAdjustment.objects.order_by("-pk")[0].actor
    assert [*(call.identity.actor for call in calls), *said, adjusted] == ["service:warehouse"] * 3


def test_issued_token_ends_when_it_says() -> None:
    token, said = issue("warehouse", "--days", "7")

    claims = jwt.decode(token, options={"verify_signature": False})
    assert round((claims["exp"] - clock.now().timestamp()) / 86_400, 2) == 7.0
    assert said.startswith("service:warehouse, good until 2")
    assert read_authorization(f"Bearer {token}").user_id == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["orders"], "orders is the shop itself"),
        (["warehouse", "--days", "0"], "--days is 1 to 366"),
        (["warehouse", "--days", "367"], "--days is 1 to 366"),
        (["warehouse", "--days", "-1"], "--days is 1 to 366"),
        (["Warehouse"], "A name is"),
        (["7"], "A name is"),
        (["w" * 65], "A name is"),
        (["warehouse", "--role", "staff"], "invalid choice"),
        ([], "required"),
    ],
)
def test_token_without_an_end_or_a_name_is_not_issued(words: list[str], expected: str) -> None:
    with pytest.raises(CommandError, match=expected):
        issue(*words)
