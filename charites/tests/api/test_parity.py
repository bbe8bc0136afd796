"""REST, gRPC and gateway are three ways to say the same thing: same statuses, same rows, same order, same words."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from django.http import HttpResponse
from django.test import override_settings

from charites.common.errors import Kind, MethodNotAllowed, ServiceError
from charites.common.rest import error_status
from charites.common.rpc import as_status, read_error
from lab.kit.factories import SANDBOX, counts, make_goods
from lab.kit.grpc_server import Callers, grpc_callers
from lab.kit.rest_client import buyer, error_in, staff
from orders.models import Order, OrderDetail, Payment, SandboxPayment
from orders.rpc.orders_pb2 import CreateOrderRequest, ListOrdersRequest, OrderLine, OrderRequest, PayOrderRequest
from stock.models import StockRecord
from stock.rpc.stock_pb2 import StockLevel

STATUSES = {
    Kind.INVALID: (400, "INVALID_ARGUMENT"),
    Kind.UNAUTHENTICATED: (401, "UNAUTHENTICATED"),
    Kind.FORBIDDEN: (403, "PERMISSION_DENIED"),
    Kind.NOT_FOUND: (404, "NOT_FOUND"),
    Kind.CONFLICT: (409, "FAILED_PRECONDITION"),
    Kind.KEY_REUSED: (422, "INVALID_ARGUMENT"),
    Kind.LIMITED: (429, "RESOURCE_EXHAUSTED"),
    Kind.BUSY: (503, "UNAVAILABLE"),
    Kind.UNKNOWN: (504, "DEADLINE_EXCEEDED"),
    Kind.INTERNAL: (500, "INTERNAL"),
}
CODES = {code.value[0]: code.name for code in grpc.StatusCode}
RECEIVER = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
ITEMS = [(2, 1), (1, 2), (2, 1)]  # goods_id, pieces; product 2 twice


def all_errors(error: type[ServiceError] = ServiceError) -> list[type[ServiceError]]:
    return [error, *(inner for child in error.__subclasses__() for inner in all_errors(child))]


@pytest.mark.parametrize("kind", Kind)
def test_kind_of_error_has_one_status_in_each_protocol(kind: Kind) -> None:
    class Example(ServiceError):
        pass

    Example.kind = kind

    assert (error_status(Example()), CODES[as_status(Example()).code]) == STATUSES[kind]


def test_method_that_is_not_allowed_has_a_status_of_its_own() -> None:
    error = MethodNotAllowed(method="GET")

    assert (error_status(error), CODES[as_status(error).code]) == (405, "UNIMPLEMENTED")


def test_every_error_has_a_kind_a_number_and_words() -> None:
    for error in all_errors():
        if error.__module__.startswith(("charites.common.", "goods.", "stock.", "orders.", "messaging.")):
            assert error.kind in STATUSES, error
            assert 10_000_000 <= error.code < 70_000_000, error
            assert str(error.text), error


@pytest.fixture
def callers(transactional_db: None) -> Iterator[Callers]:
    for goods_id in (1, 2):
        make_goods(goods_id, stock=100, head_imgs=[f"/static/catalogue/goods-{goods_id}-1.svg"])
    with override_settings(PAYMENT_PROVIDER=SANDBOX), grpc_callers() as callers:
        yield callers


def place_over_rest(key: str | None = None, language: str = "en", **changes: Any) -> HttpResponse:
    items = [{"goods_id": str(goods_id), "quantity": number} for goods_id, number in ITEMS]
    headers = {"Accept-Language": language, **({"Idempotency-Key": key} if key else {})}
    return buyer().post("/api/orders", {"items": items, **RECEIVER, **changes}, headers)


def place_over_gateway(key: str | None = None, language: str = "en", **changes: Any) -> HttpResponse:
    items = [{"GoodsId": str(goods_id), "Num": str(number)} for goods_id, number in ITEMS]
    receiver = {name.title(): value for name, value in {**RECEIVER, **changes}.items()}
    headers = {"Accept-Language": language, **({"Idempotency-Key": key} if key else {})}
    return buyer().post("/v1/createorder", {"Items": items, **receiver}, headers)


def place_over_grpc(callers: Callers, key: str | None = None, language: str = "en", **changes: Any) -> Any:
    items = [OrderLine(goods_id=goods_id, num=number) for goods_id, number in ITEMS]
    metadata = [("accept-language", language), *([("idempotency-key", key)] if key else [])]
    request = CreateOrderRequest(items=items, **{**RECEIVER, **changes})
    return callers.buyer().order.CreateOrder(request, metadata=metadata)


def rows_of(order_id: int) -> dict[str, list[dict[str, Any]]]:
    """What is stored for an order, without numbers and times that differ from order to order."""
    models = (Order, OrderDetail, Payment, StockRecord)
    of_its_own = {"id", "order_id", "payment_id", "created_at", "updated_at", "expires_at", "next_question_at"}
    return {
        model.__name__: [
            {name: value for name, value in row.items() if name not in of_its_own}
            for row in model.objects.filter(order_id=order_id).order_by("id").values()
        ]
        for model in models
    }


def test_order_placed_over_any_protocol_is_the_same_order(callers: Callers) -> None:
    over_rest = int(place_over_rest().json()["order_id"])
    over_grpc = place_over_grpc(callers).order_id
    over_gateway = int(place_over_gateway().json()["OrderId"])

    assert len({over_rest, over_grpc, over_gateway}) == 3
    assert rows_of(over_rest) == rows_of(over_grpc) == rows_of(over_gateway)
    assert [line["num"] for line in rows_of(over_rest)["OrderDetail"]] == [2, 2]
    assert (counts(1), counts(2)) == ((94, 6, 0), (94, 6, 0))


def test_key_is_one_key_over_all_protocols(callers: Callers) -> None:
    first = place_over_rest("k-1")
    again = place_over_grpc(callers, "k-1")
    once_more = place_over_gateway("k-1")

    assert first.status_code == 201
    assert first.json()["order_id"] == str(again.order_id) == once_more.json()["OrderId"]
    assert Order.objects.count() == 1
    with pytest.raises(grpc.RpcError) as refused:
        place_over_grpc(callers, "k-1", phone="1")
    assert place_over_rest("k-1", phone="1").json()["code"] == read_error(refused.value).code == 10000009


def test_order_read_over_any_protocol_says_the_same(callers: Callers) -> None:
    order_id = place_over_grpc(callers).order_id

    over_rest = buyer().get(f"/api/orders/{order_id}").json()
    over_grpc = callers.buyer().order.GetOrder(OrderRequest(order_id=order_id))
    listed = callers.buyer().order.ListOrders(ListOrdersRequest()).orders

    assert list(listed) == [over_grpc]
    for name in ("status", "status_label", "pay_amount", "refunded", "closed_by", "address", "name", "phone"):
        assert over_rest[name] == getattr(over_grpc, name), name
    for name in ("order_id", "user_id"):
        assert over_rest[name] == str(getattr(over_grpc, name)), name
    for name in ("created_at", "expires_at"):
        assert over_rest[name] == getattr(over_grpc, name).ToDatetime().isoformat() + "Z", name
    assert (over_rest["room_id"], over_grpc.room_id) == (None, 0)
    assert [
        (item["goods_id"], item["quantity"], item["price"], item["market_price"], item["pay_amount"], item["title"])
        for item in over_rest["items"]
    ] == [
        (str(item.goods_id), item.num, item.price, item.market_price, item.pay_amount, item.title)
        for item in over_grpc.items
    ]


def test_texts_are_kept_in_one_form_over_all_protocols(callers: Callers) -> None:
    typed = {
        "address": " 1 Rue de l'E\u0301cole\r\nBa\u0302t. 2 ",
        "name": "\u3000李 👨\u200d👩\u200d👧 ",
        "phone": "+86 138 ",
    }

    over_rest = int(place_over_rest("k-1", **typed).json()["order_id"])
    over_grpc = place_over_grpc(callers, "k-1", **typed).order_id
    over_gateway = int(place_over_gateway("k-1", **typed).json()["OrderId"])

    assert over_rest == over_grpc == over_gateway
    order = Order.objects.get()
    kept = (order.receive_address, order.receive_name, order.receive_phone)
    assert kept == ("1 Rue de l'École\nBât. 2", "李 👨\u200d👩\u200d👧", "+86 138")


@pytest.mark.parametrize(
    "wrong", [{"name": "Li\u202eLei"}, {"address": "\x07", "phone": "\u200b"}, {"phone": "1" * 33}]
)
def test_text_that_is_wrong_is_refused_in_the_same_words_over_all_protocols(
    callers: Callers, wrong: dict[str, str]
) -> None:
    over_rest = place_over_rest(**wrong).json()
    over_gateway = error_in(place_over_gateway(**wrong).json())
    with pytest.raises(grpc.RpcError) as refused:
        place_over_grpc(callers, **wrong)
    over_grpc = read_error(refused.value)

    assert over_rest["message"] == over_gateway["message"] == over_grpc.message
    assert over_rest["code"] == over_gateway["code"] == over_grpc.code == 10000001
    assert all(f"{name}: " in over_rest["message"] for name in wrong)


def test_payment_and_cancel_over_either_protocol_leave_the_same_rows(callers: Callers) -> None:
    over_rest = int(place_over_rest().json()["order_id"])
    over_grpc = place_over_grpc(callers).order_id

    paid_over_rest = buyer().post(f"/api/orders/{over_rest}/pay", {"outcome": "page"}).json()
    paid_over_grpc = callers.buyer().order.PayOrder(PayOrderRequest(order_id=over_grpc, outcome="page"))

    assert (paid_over_rest["status"], paid_over_grpc.status) == ("begun", "begun")
    assert rows_of(over_rest) == rows_of(over_grpc)
    buyer().post(f"/api/orders/{over_rest}/cancel")
    callers.buyer().order.CancelOrder(OrderRequest(order_id=over_grpc))
    assert rows_of(over_rest) == rows_of(over_grpc)
    assert rows_of(over_rest)["Order"][0]["closed_by"] == "user"


def test_payment_begun_without_a_word_waits_for_the_page_outside_the_demo(callers: Callers) -> None:
    over_rest = int(place_over_rest().json()["order_id"])
    over_grpc = place_over_grpc(callers).order_id

    buyer().post(f"/api/orders/{over_rest}/pay")
    callers.buyer().order.PayOrder(PayOrderRequest(order_id=over_grpc))

    assert [payment.status for payment in SandboxPayment.objects.all()] == ["open", "open"]


def test_stock_set_over_one_protocol_is_read_over_the_others(callers: Callers) -> None:
    staff().put("/api/stock/1", {"available": 7})
    over_grpc = callers.buyer().stock.GetStock(StockLevel(goods_id=1))
    over_gateway = buyer().post("/v1/getstock", {"GoodsId": 1}).json()
    callers.staff().stock.SetStock(StockLevel(goods_id=1, num=3))
    over_rest = buyer().get("/api/stock/1").json()

    assert (over_grpc.num, over_gateway["Num"]) == (7, "7")
    assert (over_rest["available"], over_rest["version"]) == (3, 3)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_refusal_has_the_same_words_over_every_protocol(callers: Callers, language: str) -> None:
    staff().put("/api/stock/1", {"available": 1})

    over_rest = place_over_rest(language=language).json()
    over_gateway = error_in(place_over_gateway(language=language).json())
    with pytest.raises(grpc.RpcError) as refused:
        place_over_grpc(callers, language=language)

    assert over_rest["message"] == over_gateway["message"] == refused.value.details()
    assert over_rest["details"] == over_gateway["details"] == {"goods_id": "1", "requested": "2", "available": "1"}
    assert over_rest["message"].isascii() is (language == "en")


def test_gateway_prints_ids_as_strings_like_rest(callers: Callers) -> None:
    answer = place_over_gateway()

    body = json.loads(answer.content)
    assert {type(body[name]) for name in ("OrderId", "UserId", "PayAmount")} == {str}
