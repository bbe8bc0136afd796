"""What every REST endpoint has in common: error bodies, request ids, sizes, languages."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import override_settings
from rest_framework.exceptions import ValidationError

from charites.common.auth import Role
from charites.common.errors import MOST_FAULTS
from charites.common.rest import StrictSerializer
from lab.kit.factories import BUYER_ID, bearer, counts, make_clerk, make_goods, make_user
from lab.kit.rest_client import RestClient, anybody, buyer, error_of, service, staff

pytestmark = pytest.mark.usefixtures("fresh_throttle")


# request ids, languages


def test_request_id_of_the_caller_is_echoed_also_in_errors() -> None:
    response = anybody().get("/api/rooms", {"X-Request-ID": "trace-1:2.3_4"})

    assert response["X-Request-ID"] == "trace-1:2.3_4"
    assert response.json()["request_id"] == "trace-1:2.3_4"


@pytest.mark.parametrize("given", [None, "", "with space", "x" * 65, "{}", "ü"])
def test_request_id_that_is_missing_or_harmful_is_replaced(given: str | None) -> None:
    response = anybody().get("/api/rooms", {"X-Request-ID": given} if given is not None else None)

    assert re.fullmatch(r"[0-9a-f]{32}", response["X-Request-ID"])
    assert error_of(response)[0] == 401


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/goods/999", "/api/nowhere"])
def test_error_speaks_the_callers_language(path: str) -> None:
    chinese = buyer().get(path, {"Accept-Language": "zh-hans"})
    english = buyer().get(path, {"Accept-Language": "de"})

    assert re.search(r"[\u4e00-\u9fff]", error_of(chinese)[2])
    assert chinese["Content-Language"] == "zh-hans"
    assert error_of(english)[2].isascii()


# what is not a request


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nowhere", "/api/orders/x", "/v1/", "/v1/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_address_that_does_not_exist_is_not_found_in_json(path: str, method: str) -> None:
    assert error_of(buyer().send(method, path)) == (404, 10000003, "There is no such thing here.")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/api/orders"), ("POST", "/api/rooms"), ("PATCH", "/api/stock/1")]
)
def test_method_that_an_address_does_not_take_is_refused(method: str, path: str) -> None:
    response = staff().send(method, path)

    assert error_of(response) == (405, 10000008, f"This address does not take the method {method}.")
    assert response["Allow"]


@pytest.mark.parametrize("path", ["/api/rooms", "/v1/goods"])
def test_host_that_is_not_ours_is_refused(path: str) -> None:
    response = buyer().get(path, {"Host": "evil.example"})

    assert error_of(response) == (400, 10000001, "Host: is not a name of this server")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_content_that_is_not_json_is_refused(content_type: str) -> None:
    response = buyer().send("POST", "/api/orders", b"items=1", {"Content-Type": content_type})

    assert error_of(response) == (415, 10000001, "Content-Type: must be application/json")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accept", "status"), [("*/*", 200), ("application/json", 200), ("text/html", 406), ("application/xml", 406)]
)
def test_answer_is_json_or_refused(accept: str, status: int) -> None:
    response = buyer().get("/api/rooms", {"Accept": accept})

    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    if status == 406:
        assert error_of(response) == (406, 10000001, "Accept: must be application/json")


@pytest.mark.parametrize("body", [b"", b"{", b"[1,", b"\xff\xfe", b'{"items": NaN}', b"'", b'{"a":1}{"b":2}'])
def test_body_that_is_not_json_is_invalid(body: bytes) -> None:
    response = buyer().send("POST", "/api/orders", body)

    assert error_of(response)[:2] == (400, 10000001)


@pytest.mark.django_db
def test_body_with_a_name_twice_is_invalid_and_does_nothing() -> None:
    make_goods(1, stock=5)
    body = b'{"items": [{"goods_id": "1", "quantity": 1, "quantity": 5}], "address": "a", "name": "n", "phone": "p"}'

    assert error_of(buyer().send("POST", "/api/orders", body)) == (400, 10000001, "quantity: comes twice")
    assert counts(1) == (5, 0, 0)


@pytest.mark.parametrize("body", [b"[" * 30_000, b'{"items":' * 6_000 + b"1" + b"}" * 6_000])
def test_body_that_is_nested_too_deeply_is_invalid(body: bytes) -> None:
    expected = (400, 10000001, "body: is nested deeper than 20 levels")

    assert error_of(buyer().send("POST", "/api/orders", body)) == expected


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "bz2", "utf-8-sig"])
def test_body_in_another_encoding_is_refused(charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}

    answer = buyer().send("POST", "/api/orders", b"{}", headers)

    assert error_of(answer) == (400, 10000001, "Content-Type: must be JSON in UTF-8")


@pytest.mark.parametrize("body", [b'{"\\ud800": 1}', b'{"items": [{"goods_id": "\\ud800"}]}', b'{"name": "\\ud800"}'])
def test_body_with_half_a_character_is_invalid(body: bytes) -> None:
    assert error_of(buyer().send("POST", "/api/orders", body))[:2] == (400, 10000001)


def test_every_field_that_is_wrong_is_named() -> None:
    body = {"price": 1, "items": [{"goods_id": 1, "quantity": 1}, {"goods_id": "x"}], "address": 5, "phone": "\x07"}

    answer = buyer().post("/api/orders", body)

    wrong = "price, items.1.goods_id, items.1.quantity, address, name, phone"
    assert error_of(answer)[2] == (
        "price: is not a field of this request; items.1.goods_id: A valid integer is required.; items.1.quantity: "
        "This field is required.; address: must be a text; name: is missing; "
        "phone: holds U+0007, which cannot be printed"
    )
    assert answer.json()["details"] == {"field": "price", "fields": wrong}


def test_of_many_fields_that_are_wrong_the_first_are_named() -> None:
    answer = buyer().post("/api/orders", {f"field-{number}": 1 for number in range(1_000)})

    assert answer.json()["details"]["fields"].count(", ") == 19


def test_no_more_fields_are_looked_at_than_are_named() -> None:
    with pytest.raises(ValidationError) as refused:
        StrictSerializer().run_validation({f"field-{number}": 1 for number in range(1_000)})

    assert len(refused.value.detail) == MOST_FAULTS


@pytest.mark.parametrize("path", ["/api/rooms", "/api/orders", "/api/auth/token"])
def test_query_of_too_many_fields_is_invalid(path: str) -> None:
    answer = buyer().get(f"{path}?{'a=1&' * 1_001}")

    assert error_of(answer) == (400, 10000001, "query: has more than 1000 fields")


@pytest.mark.parametrize(("path", "authorized"), [("/api/orders", True), ("/api/auth/token", False)])
def test_body_over_the_limit_is_too_large(path: str, authorized: bool) -> None:
    caller = buyer() if authorized else anybody()
    filling = settings.REQUEST_MAX_BYTES - len(b'{"name":""}')

    fits = caller.send("POST", path, b'{"name":"' + b"x" * filling + b'"}')
    over = caller.send("POST", path, b'{"name":"' + b"x" * (filling + 1) + b'"}')

    assert fits.status_code == 400
    assert error_of(over) == (413, 10000001, "body: is over the limit of 65536 bytes")


@pytest.mark.parametrize("length", ["-1", "x", "1e3"])
def test_length_that_is_no_number_is_refused(length: str) -> None:
    response = buyer().send("POST", "/api/orders", b"{}", {"Content-Length": length})

    assert error_of(response)[0] in (400, 413)


# what breaks


def gone(execute, sql, params, many, context):
    raise OperationalError(2002, "Can't connect to server on '10.0.0.7'")


def broken(execute, sql, params, many, context):
    raise RuntimeError("a defect with an inner secret")


@pytest.mark.django_db
def test_database_that_is_gone_makes_the_shop_busy() -> None:
    with connection.execute_wrapper(gone):
        response = buyer().get("/api/rooms")

    assert error_of(response) == (503, 10000004, "The shop is busy. Nothing was done; try again in a moment.")
    assert 1 <= int(response["Retry-After"]) <= 3


@pytest.mark.django_db
def test_defect_is_hidden_from_the_caller_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with connection.execute_wrapper(broken):
        response = buyer().get("/api/rooms")

    assert error_of(response) == (500, 10000000, "Something went wrong on our side. Try again later.")
    assert "secret" not in response.text
    assert "a defect with an inner secret" in caplog.text


@pytest.mark.django_db
def test_cache_that_is_gone_does_not_keep_anybody_from_signing_in() -> None:
    make_user("mei")
    nobody_listens = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}

    with override_settings(CACHES=nobody_listens):
        response = anybody().post("/api/auth/token", {"username": "mei", "password": "charites"})

    assert response.status_code == 200


@pytest.mark.django_db
def test_client_that_is_the_original_user_is_the_one_of_the_token() -> None:
    """A user id in the body is not an identity."""
    make_goods(1, stock=5)
    body = {
        "items": [{"goods_id": "1", "quantity": 1}],
        "address": "a",
        "name": "n",
        "phone": "p",
        "user_id": str(BUYER_ID + 1),
    }

    assert error_of(buyer().post("/api/orders", body)) == (400, 10000001, "user_id: is not a field of this request")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (buyer, {"user_id": "7", "role": "customer", "name": "", "permissions": []}),
        (service, {"user_id": "0", "role": "service", "name": "", "permissions": []}),
    ],
)
def test_caller_is_told_who_it_is(caller: Callable[[], RestClient], expected: dict[str, Any]) -> None:
    assert caller().get("/api/me").json() == expected


@pytest.mark.django_db
def test_staff_are_told_what_they_may_do() -> None:
    clerk = make_clerk("goods.change_room")

    told = RestClient(bearer(clerk.pk, Role.STAFF)).get("/api/me").json()

    assert told == {"user_id": str(clerk.pk), "role": "staff", "name": "clerk", "permissions": ["goods.change_room"]}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "location"),
    [("/api/orders/", "/api/orders"), ("/api/rooms/?status=all", "/api/rooms?status=all"), ("/api/nothing/", None)],
)
def test_address_with_a_slash_too_many_leads_to_the_right_one(path: str, location: str | None) -> None:
    for method in ("GET", "POST"):
        answer = buyer().send(method, path)

        assert (answer.status_code, answer.get("Location")) == ((308, location) if location else (404, None))
