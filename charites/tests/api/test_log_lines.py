"""The lines of requests and calls: who, from where; none for what nobody asks about."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from charites.common.auth import Role
from charites.tests.web.asked import Web, as_buyer, order
from goods.rpc.goods_pb2 import GoodsDetail
from lab.kit.admin_site import confirm, make_operator, sign_in
from lab.kit.factories import STAFF_ID, bearer, make_goods, make_stock, make_user
from lab.kit.grpc_server import Callers, grpc_callers
from lab.kit.log_lines import Lines, json_lines
from lab.kit.rest_client import anybody, buyer, staff
from stock.models import StockAdjustment
from stock.rpc.stock_pb2 import StockLevel

pytestmark = pytest.mark.django_db(transaction=True)
HERE, FAR, FORGED = "127.0.0.1", "203.0.113.9", "198.51.100.1"
VIA_PROXY = {"X-Forwarded-For": f"{FORGED}, {FAR}"}


@pytest.fixture
def lines() -> Iterator[Lines]:
    with json_lines() as lines:
        yield lines


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()


@pytest.fixture
def callers() -> Iterator[Callers]:
    with grpc_callers() as callers:
        yield callers


def last(lines: Lines, *fields: str) -> tuple[Any, ...]:
    """These fields of the last line that a request or a call left."""
    line = [line for line in lines() if line["logger"] == "charites.access"][-1]
    return tuple(line[field] for field in fields)


@pytest.mark.parametrize("path", ["/api/rooms", "/v1/goodsdetail"])
@pytest.mark.parametrize(("proxies", "address"), [(0, HERE), (1, FAR)])
def test_request_line_names_user_role_and_address(
    lines: Lines, settings, proxies: int, address: str, path: str
) -> None:
    settings.NUM_PROXIES = proxies

    for client, actor in ((buyer(5), "customer:5"), (staff(), f"staff:{STAFF_ID}"), (anybody(), "")):
        client.send("GET" if path.startswith("/api/") else "POST", path, {"GoodsId": 1}, VIA_PROXY)
        assert last(lines, "actor", "address", "path") == (actor, address, path)


@pytest.mark.parametrize(("proxies", "address"), [(0, HERE), (1, FAR)])
def test_line_of_the_event_loop_and_of_a_refusal_name_them_too(
    lines: Lines, web: Web, settings, proxies: int, address: str
) -> None:
    settings.NUM_PROXIES = proxies
    make_goods(1, stock=5)
    web.send("GET", "/api/goods/1", headers=as_buyer())

    assert web.send("POST", "/api/orders", order(), {**as_buyer(), **VIA_PROXY}).status == 201
    assert last(lines, "actor", "address", "status") == ("customer:7", address, 201)
    assert web.send("POST", "/api/orders", order(), {**VIA_PROXY, "x": "x" * 20_000}).status == 431
    assert last(lines, "actor", "address", "status") == ("", address, 431)


@pytest.mark.parametrize(("proxies", "address"), [(0, HERE), (1, FAR)])
def test_line_of_a_call_names_them_too(lines: Lines, callers: Callers, settings, proxies: int, address: str) -> None:
    settings.NUM_PROXIES = proxies
    make_goods(1, stock=5)
    metadata = [("x-forwarded-for", VIA_PROXY["X-Forwarded-For"])]
    fields = ("method", "actor", "address")

    callers.buyer(5).stock.GetStock(StockLevel(goods_id=1), metadata=metadata)
    assert last(lines, *fields) == ("Stock.GetStock", "customer:5", address)
    callers.buyer(5).goods.GetGoodsDetail(GoodsDetail(goods_id=1), metadata=metadata)
    assert last(lines, *fields) == ("Goods.GetGoodsDetail", "customer:5", address)
    callers.service().stock.ReduceStock(StockLevel(goods_id=1, num=1), metadata=metadata)
    assert last(lines, *fields) == ("Stock.ReduceStock", "service:0", address)


def test_line_of_a_page_names_who_signed_in(lines: Lines) -> None:
    client, user = Client(), make_user("somebody", is_staff=True)
    client.force_login(user)

    client.get("/admin/")

    assert last(lines, "actor", "path") == (f"staff:{user.pk}", "/admin/")
    assert "somebody" not in str(lines())


def test_line_of_an_admin_action_names_who_did_what_and_nothing_that_was_typed(lines: Lines) -> None:
    stock, operator = make_stock(1, 10), make_operator()
    client, typed = sign_in(operator), "Quagmire broke it"

    client.post("/admin/login/", {"username": "Quagmire", "password": "hunter-two"})
    confirm(client, "adjust", [stock], delta="-3", reason=typed, key="0123456789abcdef")

    (line,) = [line for line in lines() if line["event"] == "admin_action"]
    assert (line["actor"], line["action"], line["rows"]) == (f"staff:{operator.pk}", "adjust", [stock.pk])
    assert StockAdjustment.objects.order_by("-pk")[0].reason == typed
    said = [word for word in ("Quagmire", "hunter-two", "0123456789abcdef", operator.username) if word in str(lines())]
    assert said == []


def test_reason_that_staff_give_over_rest_is_in_no_line(lines: Lines) -> None:
    make_stock(1, 10)

    answer = staff().post("/api/stock/1/adjustments", {"delta": 1, "reason": "Quagmire", "idempotency_key": "hunter"})

    assert answer.status_code == 201
    assert [line["actor"] for line in lines() if line["event"] == "stock_adjusted"][1:] == [f"staff:{STAFF_ID}"]
    assert [word for word in ("Quagmire", "hunter") if word in str(lines())] == []


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/static/charites/pages.css"])
def test_probes_and_static_files_leave_no_lines(lines: Lines, settings, path: str) -> None:
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True
    response = anybody().get(path)

    assert (response.status_code, lines()) == (200, [])
    response.close()


@pytest.mark.parametrize("path", ["/static/nothing.css", "/readyz/"])
def test_what_is_not_there_leaves_a_line(lines: Lines, path: str) -> None:
    assert anybody().get(path).status_code == 404

    assert last(lines, "path", "status") == (path, 404)


def test_token_that_is_refused_speaks_for_nobody(lines: Lines) -> None:
    wrong = bearer(5, Role.STAFF)[:-3] + "xxx"

    assert anybody().get("/api/rooms", {"Authorization": wrong}).status_code == 401

    assert last(lines, "actor", "status") == ("", 401)
