"""The gateway: the old clients' JSON routes, answered by the gRPC servicers in this process."""

from typing import Any

import pytest
from django.http import HttpResponse
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from charites.common.errors import Busy, Kind, Limited, ServiceError
from charites.common.models import MAX_INT64
from charites.common.rest import error_response
from charites.common.rpc import as_status, installed_methods
from charites.gateway import gateway_urls, route_of
from lab.kit.factories import counts, make_goods, make_order, make_room, make_stock
from lab.kit.rest_client import RestClient, anybody, buyer, error_in, error_of, service, staff
from lab.kit.stock_steps import reserve_stock
from orders.models import Order
from stock.models import StockAdjustment

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = {"Address": "1 Harbour Road", "Name": "Li Lei", "Phone": "13800000000"}
ROUTES = {
    "/v1/goods": "Goods.GetGoodsListByRoomId",
    "/v1/goodsdetail": "Goods.GetGoodsDetail",
    "/v1/setstock": "Stock.SetStock",
    "/v1/getstock": "Stock.GetStock",
    "/v1/reducestock": "Stock.ReduceStock",
    "/v1/createorder": "Order.CreateOrder",
}


def refused(response: HttpResponse) -> tuple[int, int]:
    """Returns status and number of an error."""
    return error_of(response)[:2]


def test_routes_are_those_of_the_proto_files() -> None:
    assert {route_of(method): method.name for method in installed_methods() if route_of(method)} == ROUTES
    assert len(gateway_urls()) == len(ROUTES)


def test_goods_of_a_room_have_every_field_by_its_json_name() -> None:
    make_goods(1, title="杯子 Mug", head_imgs=["/1.svg"])
    make_room(3, goods_ids=[1])

    response = buyer().post("/v1/goods", {"RoomId": "3"})

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert "杯子" in response.content.decode()
    assert response.json() == {
        "CurrentGoodsId": "0",
        "data": [
            {
                "GoodsId": "1",
                "CategoryId": "0",
                "Status": 0,
                "Title": "杯子 Mug",
                "MarketPrice": "12900",
                "Price": "9950",
                "Brief": "Brief.",
                "HeadImgs": ["/1.svg"],
            }
        ],
    }


def test_goods_detail_has_empty_lists_and_zeros() -> None:
    make_goods(1)

    response = buyer().post("/v1/goodsdetail", {"GoodsId": 1})

    assert response.json() == {
        "GoodsId": "1",
        "CategoryId": "0",
        "Status": 0,
        "Code": "0",
        "BrandName": "",
        "Title": "Goods 1",
        "MarketPrice": "12900",
        "Price": "9950",
        "Brief": "Brief.",
        "HeadImgs": [],
        "Videos": [],
        "Detail": [],
    }


@pytest.mark.parametrize("goods_id", [1, "1"])
@pytest.mark.parametrize("name", ["GoodsId", "goods_id"])
def test_numbers_may_be_strings_and_names_those_of_the_proto_files(name: str, goods_id: Any) -> None:
    make_stock(1, 10)

    response = buyer().post("/v1/getstock", {name: goods_id})

    assert response.json() == {"GoodsId": "1", "Num": "10", "OrderId": "0"}


def test_stock_is_set_and_reduced() -> None:
    first = staff().post("/v1/setstock", {"GoodsId": 1, "Num": 10})
    second = service().post("/v1/reducestock", {"GoodsId": 1, "Num": 3, "OrderId": "77"})

    assert first.json() == {"GoodsId": "1", "Num": "10", "OrderId": "0"}
    assert second.json() == {"GoodsId": "1", "Num": "7", "OrderId": "77"}
    assert counts(1) == (7, 3, 0)


def test_stock_is_set_once_a_key_whatever_was_sold_since() -> None:
    make_stock(1, 10)
    key = {"Idempotency-Key": "count-7"}

    staff().post("/v1/setstock", {"GoodsId": 1, "Num": 50}, key)
    reserve_stock(order_id=10, quantities={1: 3})
    again = staff().post("/v1/setstock", {"GoodsId": 1, "Num": 50}, key)
    other = staff().post("/v1/setstock", {"GoodsId": 1, "Num": 60}, key)

    assert again.json()["Num"] == "47"
    assert refused(other) == (400, 10000009)
    assert counts(1) == (47, 3, 0)


def test_an_order_is_placed_once_a_key() -> None:
    make_goods(1, stock=10)
    body = {"GoodsId": "1", "Num": "2", **ADDRESS}

    answers = [buyer().post("/v1/createorder", body, {"Idempotency-Key": "k1"}) for _ in range(2)]

    order = Order.objects.get()
    assert [(answer.status_code, answer.json()["OrderId"]) for answer in answers] == [(200, str(order.order_id))] * 2
    assert counts(1) == (8, 2, 0)


def test_an_order_with_two_different_keys_is_invalid() -> None:
    make_goods(1, stock=10)

    response = buyer().post(
        "/v1/createorder", {"GoodsId": 1, "Num": 2, "IdempotencyKey": "k2", **ADDRESS}, {"Idempotency-Key": "k1"}
    )

    assert refused(response) == (400, 10000001)
    assert not Order.objects.exists()


def test_errors_have_the_numbers_of_rest_and_the_statuses_of_grpc_gateway() -> None:
    make_goods(1, stock=1)
    order = make_order(idempotency_key="k1")
    create = {"GoodsId": 1, "Num": 1, **ADDRESS}

    assert refused(buyer().post("/v1/createorder", create)) == (400, 40010003)
    assert refused(buyer().post("/v1/createorder", {**create, "Num": 2}, {"Idempotency-Key": "k1"})) == (400, 10000009)
    assert refused(buyer().post("/v1/goods", {"RoomId": 3})) == (404, 30010006)
    assert refused(buyer().post("/v1/getstock", {"GoodsId": 9})) == (404, 40010002)
    assert refused(buyer().post("/v1/getstock", {})) == (400, 10000001)
    assert refused(buyer().post("/v1/setstock", {"GoodsId": 1, "Num": 1})) == (403, 10000006)
    assert Order.objects.get() == order


def test_an_error_is_the_json_of_the_status_that_grpc_carries() -> None:
    make_goods(1, stock=1)

    response = buyer().post("/v1/createorder", {"GoodsId": 1, "Num": 2, **ADDRESS}, {"X-Request-ID": "mine"})

    words = "Not enough stock of product 1: 2 asked for, 1 left."
    assert response.json() == {
        "code": 9,
        "message": words,
        "details": [
            {
                "@type": "type.googleapis.com/Error",
                "code": 40010003,
                "message": words,
                "details": {"goods_id": "1", "requested": "2", "available": "1"},
                "error": "not_enough_stock",
            }
        ],
    }
    assert (response["Content-Type"], response["X-Request-ID"]) == ("application/json", "mine")


# HTTPStatusFromCode of https://github.com/grpc-ecosystem/grpc-gateway/blob/main/runtime/errors.go
OF_GRPC_GATEWAY = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 400,
    Kind.KEY_REUSED: 400,
    Kind.LIMITED: 429,
    Kind.BUSY: 503,
    Kind.UNKNOWN: 504,
    Kind.INTERNAL: 500,
}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/createorder", "/v1/nowhere"])
def test_every_kind_of_error_is_what_grpc_gateway_makes_of_the_status(kind: Kind, path: str) -> None:
    class Example(ServiceError):
        text = "Why."

    Example.kind = kind
    response = error_response(path, Example(goods_id=1), 418)

    assert response.status_code == OF_GRPC_GATEWAY[kind]
    assert json_format.Parse(response.content, Status()) == as_status(Example(goods_id=1))


@pytest.mark.parametrize("path", ["/api/v1/orders", "/v10/goods", "/v1goods", "/"])
def test_no_other_path_has_errors_of_grpc_gateway(path: str) -> None:
    assert error_response(path, Busy()).content.startswith(b'{"code": 10000004, "error": "busy"')


@pytest.mark.parametrize("error", [Busy(), Limited(retry_after_seconds=7)])
def test_who_is_turned_away_is_told_when_to_come_back(error: ServiceError) -> None:
    assert int(error_response("/v1/createorder", error)["Retry-After"]) in ({7} if error.details else {1, 2, 3})


def test_a_buyer_sets_no_stock() -> None:
    assert refused(buyer().post("/v1/setstock", {"GoodsId": 1, "Num": 5})) == (403, 10000006)
    assert refused(buyer().post("/v1/reducestock", {"GoodsId": 1, "Num": 5})) == (403, 10000006)
    assert not StockAdjustment.objects.exists()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("header", [None, "Bearer nonsense", "token"])
def test_every_route_needs_a_token_before_it_looks_at_the_body(route: str, header: str | None) -> None:
    caller = RestClient(header)

    response = caller.send("POST", route, b"{broken")

    assert refused(response) == (401, 10000002)
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["token", '"token"', "Bearer token"])
def test_the_demo_words_are_the_service_role_in_the_demo(settings: Any, header: str) -> None:
    settings.DEMO = True
    make_stock(1, 10)

    response = RestClient(header).post("/v1/reducestock", {"GoodsId": 1, "Num": 1, "OrderId": 77})

    assert response.json() == {"GoodsId": "1", "Num": "9", "OrderId": "77"}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("route", ROUTES)
def test_every_route_takes_post_only(route: str, method: str) -> None:
    response = staff().send(method, route)

    assert refused(response) == (501, 10000008)
    assert response.json()["code"] == StatusCode.UNIMPLEMENTED.value[0]


BROKEN = {
    "cut": (b'{"GoodsId": 1', "body: is not valid JSON"),
    "text": (b"GoodsId=1", "body: is not valid JSON"),
    "two documents": (b'{"GoodsId": 1}{}', "body: is not valid JSON"),
    "not utf-8": (b'{"GoodsId": "\xff"}', "body: is not UTF-8"),
    "byte order mark": (b'\xef\xbb\xbf{"GoodsId": 1}', "body: begins with a byte order mark"),
    "endless": (b"[" * 60_000, "body: is nested deeper than 20 levels"),
    "digits": (b'{"GoodsId": ' + b"1" * 60_000 + b"}", "body: holds a number that is too large"),
    "exponent": (b'{"Num": 1e400}', "body: holds a number that is too large"),
    "nan": (b'{"Num": NaN}', "body: holds NaN, which is not JSON"),
    "a name twice": (b'{"GoodsId": 1, "Num": 1, "Num": 9}', "Num: comes twice"),
}


@pytest.mark.parametrize(("body", "expected"), BROKEN.values(), ids=BROKEN)
def test_broken_json_is_invalid(body: bytes, expected: str) -> None:
    status, code, message = error_of(staff().send("POST", "/v1/setstock", body))

    assert (status, code, message) == (400, 10000001, expected)
    assert not StockAdjustment.objects.exists()


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true"])
def test_json_that_is_no_object_is_invalid(body: bytes) -> None:
    status, code, _message = error_of(staff().send("POST", "/v1/setstock", body))

    assert (status, code) == (400, 10000001)
    assert not StockAdjustment.objects.exists()


WRONG = {
    "text": ({"Num": "five"}, "Num: has a value that does not fit"),
    "fraction": ({"Num": 1.5}, "Num: has a value that does not fit"),
    "boolean": ({"Num": True}, "Num: has a value that does not fit"),
    "list": ({"Num": [5]}, "Num: has a value that does not fit"),
    "beyond int64": ({"Num": MAX_INT64 + 1}, "Num: has a value that does not fit"),
    "beyond a float's digits": ({"Num": 2.0**53}, "Num: has a value that does not fit"),
    "a digit that is none of JSON's": ({"Num": "\uff15"}, "Num: has a value that does not fit"),
    "underscore": ({"Num": "1_0"}, "Num: has a value that does not fit"),
    "plus": ({"Num": "+5"}, "Num: has a value that does not fit"),
    "both names": ({"Num": 5, "num": 6}, "num: comes twice"),
    "digits": ({"Num": "1" * 5000}, "Num: has a value that does not fit"),
    "half a character": ({"\ud800": 2}, "?: holds U+D800, which cannot be printed"),
}


@pytest.mark.parametrize(("fields", "expected"), WRONG.values(), ids=WRONG)
def test_a_field_that_is_wrong_is_named(fields: dict[str, Any], expected: str) -> None:
    status, code, message = error_of(staff().post("/v1/setstock", {"GoodsId": 1, **fields}))

    assert (status, code, message) == (400, 10000001, expected)
    assert not StockAdjustment.objects.exists()


def test_every_field_that_is_wrong_is_named_by_the_gateway() -> None:
    lines = [{"GoodsId": 1, "Num": 1}, {"GoodsId": "1_0", "Price": 1}]

    answer = buyer().post("/v1/createorder", {"Items": lines, "Colour": "red", "Address": 5, "Phone": [1]})

    assert error_in(answer.json())["details"]["fields"] == "Items.1.GoodsId, Address, Phone"


@pytest.mark.parametrize(("charset", "status"), [("utf-8", 200), ('"UTF-8"', 200), ("utf-16", 400), ("latin-1", 400)])
def test_body_is_in_utf_8_whatever_its_header_says(charset: str, status: int) -> None:
    make_stock(1, 10)

    answer = staff().send(
        "POST", "/v1/getstock", b'{"GoodsId": 1}', {"Content-Type": f"application/json; charset={charset}"}
    )

    assert answer.status_code == status


@pytest.mark.parametrize("further", [{"Colour": "red"}, {"n" * 1000: {"x": [1]}}, {"goodsid": "x"}])
def test_fields_that_a_request_does_not_have_are_passed_over(further: dict[str, Any]) -> None:
    response = staff().post("/v1/setstock", {"GoodsId": 1, "Num": 5, **further})

    assert response.json() == {"GoodsId": "1", "Num": "5", "OrderId": "0"}
    assert counts(1) == (5, 0, 0)


@pytest.mark.parametrize("name", ["Price", "MarketPrice", "Status", "PayAmount", "pay_amount", "PaidAt", "CreatedAt"])
def test_a_buyer_sends_neither_price_nor_status(name: str) -> None:
    make_goods(1, stock=10)
    lines = [{"GoodsId": 1, "Num": 2, name: 1}]

    plain = buyer().post("/v1/createorder", {"GoodsId": 1, "Num": 2, **ADDRESS})
    tried = buyer().post("/v1/createorder", {"GoodsId": 1, "Num": 2, **ADDRESS, name: 1})
    in_a_line = buyer().post("/v1/createorder", {"Items": lines, **ADDRESS, name: 1})

    of_its_own = {"OrderId": "", "CreatedAt": "", "ExpiresAt": ""}
    assert plain.json() | of_its_own == tried.json() | of_its_own == in_a_line.json() | of_its_own
    assert list(Order.objects.values_list("status", "pay_amount")) == [(Order.Status.UNPAID, 19900)] * 3


def test_a_buyer_orders_for_nobody_else() -> None:
    make_goods(1, stock=10)

    response = buyer(7).post("/v1/createorder", {"GoodsId": 1, "Num": 1, "UserId": 8, **ADDRESS})

    assert refused(response) == (403, 10000006)
    assert not Order.objects.exists()


def test_a_body_over_the_limit_is_refused() -> None:
    response = staff().post("/v1/setstock", {"GoodsId": 1, "Num": 1, "filler": "x" * 70_000})

    assert refused(response) == (400, 10000001)


def test_an_empty_body_is_an_empty_request() -> None:
    assert refused(staff().send("POST", "/v1/getstock", b"")) == (400, 10000001)
    assert "goods_id" in error_of(staff().send("POST", "/v1/getstock", b""))[2]


def test_an_unknown_route_is_not_found() -> None:
    assert refused(staff().post("/v1/stealstock", {})) == (404, 10000003)


def test_no_cookie_and_no_csrf_token_is_asked_for() -> None:
    caller = anybody()
    caller.client.handler.enforce_csrf_checks = True
    caller.authorization = buyer().authorization
    make_stock(1, 10)

    assert caller.post("/v1/getstock", {"GoodsId": 1}).status_code == 200
