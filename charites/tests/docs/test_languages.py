"""The Chinese texts, spoken over every protocol to whoever asks for them."""

import re
from typing import Any

import grpc
import pytest
from django.test import Client
from django.utils.translation import get_language

from lab.kit.admin_site import ask, list_url, page_url, sign_in
from lab.kit.factories import make_goods, make_order, make_paid_order, make_stock, make_user
from lab.kit.grpc_server import Caller, grpc_callers
from lab.kit.rest_client import anybody, buyer, error_of, service
from orders.models import Order
from orders.rpc.orders_pb2 import OrderRequest
from stock.rpc.stock_pb2 import StockLevel

ASKS_FOR_CHINESE = ["zh-hans", "zh-Hans", "zh-CN", "zh-CN,zh;q=0.9,en;q=0.8", "zh"]
ASKS_FOR_ENGLISH = ["", "en", "en-GB,en;q=0.9", "fr", "*", "en,zh-CN;q=0.5", ";;,q=x"]

SHORT = "Not enough stock of product 1: 3 asked for, 2 left."
SHORT_IN_CHINESE = "商品 1 库存不足：需要 3 件，剩余 2 件。"
NO_TOKEN = "This needs a valid token. Send the header 'Authorization: Bearer <token>'."
NO_TOKEN_IN_CHINESE = "需要有效的令牌。请发送请求头“Authorization: Bearer <token>”。"


# Pages


def words_of(page: str) -> str:
    """Returns what a reader sees of a page in its language: neither tags nor code, nor the name of another language."""
    for hidden in (
        r"<!--.*?-->",
        r'<button\b[^>]*\blang="en">.*?</button>',
        r"<(script|style|code|pre)\b.*?</\1>",
        r"<[^>]*>",
    ):
        page = re.sub(hidden, " ", page, flags=re.DOTALL)
    return " ".join(page.split())


@pytest.mark.django_db
def test_admin_in_chinese_shows_order_and_question_in_chinese() -> None:
    client = sign_in(make_user("mei", is_staff=True))
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-CN"
    make_goods(1, stock=5)
    order = make_order({1: 2})

    listed, page = client.get(list_url(Order)).text, client.get(page_url(order)).text
    question = ask(client, "close_orders", [order]).content.decode()

    assert {"待支付", "剩余支付时间", "取消订单并退回库存"} <= set(re.findall(r"[\u4e00-\u9fff]+", words_of(listed)))
    assert f"订单 {order.order_id}" in words_of(page)
    assert "订单明细" in words_of(page)
    assert "确定取消这些订单并退回库存？" in words_of(question)


@pytest.mark.django_db
@pytest.mark.parametrize(("asked", "language"), [("zh-CN", "zh-hans"), ("fr", "en"), ("", "en")])
def test_front_page_speaks_the_language_of_its_reader(asked: str, language: str) -> None:
    page = Client().get("/", headers={"Accept-Language": asked}).text

    assert f'<html lang="{language}">' in page
    assert ("绝不超卖" in page) is (language == "zh-hans")
    assert ("never oversells" in page) is (language == "en")


@pytest.mark.django_db
def test_pay_page_that_does_not_exist_says_so_in_chinese() -> None:
    page = Client().get("/sandbox/pay/forged", headers={"Accept-Language": "zh-hans"})

    assert page.status_code == 404
    assert words_of(page.text).startswith("支付单不存在")
    assert re.findall(r"[A-Za-z]{2,}", words_of(page.text)) == []


# REST and gateway


EXPECTED = [
    *((asked, SHORT_IN_CHINESE, NO_TOKEN_IN_CHINESE) for asked in ASKS_FOR_CHINESE),
    *((asked, SHORT, NO_TOKEN) for asked in ASKS_FOR_ENGLISH),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("asked", "short", "no_token"), EXPECTED, ids=[asked for asked, _, _ in EXPECTED])
def test_rest_and_gateway_answer_in_the_language_asked_for(asked: str, short: str, no_token: str) -> None:
    make_goods(1, stock=2)
    headers = {"Accept-Language": asked}
    body = {"items": [{"goods_id": "1", "quantity": 3}], "address": "1 Harbour Road", "name": "Li", "phone": "138"}

    assert error_of(anybody().get("/api/orders", headers)) == (401, 10000002, no_token)
    assert error_of(buyer().post("/api/orders", body, headers)) == (409, 40010003, short)
    assert error_of(anybody().post("/v1/getstock", {}, headers)) == (401, 10000002, no_token)
    assert error_of(service().post("/v1/reducestock", {"GoodsId": "1", "Num": "3"}, headers)) == (400, 40010003, short)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "items: 该字段是必填项。"),
        ({"price": 1}, "price: 不是该请求的字段"),
        ({"items": []}, "items: 列表不能为空。"),
        ({"items": [{"goods_id": "x"}]}, "items.0.goods_id: 请填写合法的整数值。"),
        (b"{", "body: 不是有效的 JSON"),
        (b" " * 70_000, "body: 超过 65536 字节的上限"),
    ],
    ids=["missing", "unknown field", "empty list", "wrong type", "broken JSON", "too large"],
)
def test_bad_input_is_named_in_chinese(body: Any, message: str) -> None:
    response = buyer().post("/api/orders", body, {"Accept-Language": "zh-CN"})

    _status, code, said = error_of(response)
    assert (code, said.split("; ")[0]) == (10000001, message)


@pytest.mark.django_db
def test_labels_in_json_are_in_the_language_asked_for() -> None:
    make_goods(1, stock=5)
    path = f"/api/orders/{make_order({1: 1}).order_id}"

    labels = {asked: buyer().get(path, {"Accept-Language": asked}).json()["status_label"] for asked in ("zh-CN", "")}

    assert labels == {"zh-CN": "待支付", "": "unpaid"}


def test_language_of_one_request_does_not_stay_for_the_next() -> None:
    too_large = b" " * 70_000
    client = buyer()

    first = client.post("/api/orders", too_large, {"Accept-Language": "zh-CN"})
    second = client.post("/api/orders", too_large)

    assert error_of(first)[2] == "body: 超过 65536 字节的上限"
    assert error_of(second)[2] == "body: is over the limit of 65536 bytes"


# gRPC


def words(caller: Caller, asked: str) -> str:
    """Makes a call for more than there is, and returns the words of the refusal."""
    metadata = [("accept-language", asked)] if asked else []
    with pytest.raises(grpc.RpcError) as caught:
        caller.stock.ReduceStock(StockLevel(goods_id=1, num=3), metadata=metadata)
    return str(caught.value.details())


@pytest.mark.django_db(transaction=True)
def test_grpc_answers_in_the_language_asked_for() -> None:
    make_stock(1, 2)

    with grpc_callers() as callers:
        of_service, of_nobody = callers.service(), callers.anybody()
        answers = [(asked, words(of_service, asked), words(of_nobody, asked)) for asked, _, _ in EXPECTED]

    assert answers == EXPECTED
    assert get_language() == "en"


@pytest.mark.django_db(transaction=True)
def test_words_that_a_grpc_method_reads_are_in_the_language_asked_for() -> None:
    """The state of the order is read in the thread of the method, the sentence around it outside."""
    make_goods(1, stock=2)
    order_id = make_paid_order().order_id

    with grpc_callers() as callers:
        cancel, request = callers.buyer().order.CancelOrder, OrderRequest(order_id=order_id)
        with pytest.raises(grpc.RpcError) as caught:
            cancel(request, metadata=[("accept-language", "zh-CN")])

    assert caught.value.details() == f"订单 {order_id} 不能变为“已取消”：当前为“已支付”。"
