"""Stock over REST."""

import pytest

from lab.kit.factories import STAFF_ID, counts, make_goods, make_order, make_stock
from lab.kit.rest_client import buyer, error_of, service, staff
from lab.kit.stock_steps import reserve_stock
from stock.models import StockAdjustment

pytestmark = pytest.mark.django_db
BIGGEST = 2**63 - 1


def adjustments() -> list[tuple[int, int, str, str]]:
    rows = StockAdjustment.objects.order_by("id")
    return list(rows.values_list("goods_id", "delta", "reason", "actor"))


def test_stock_is_answered_with_its_three_counts() -> None:
    make_goods(1, stock=10)
    make_order({1: 3})

    response = buyer().get("/api/stock/1")

    assert response.status_code == 200
    assert response.json() == {"goods_id": "1", "available": 7, "reserved": 3, "sold": 0, "version": 2}


def test_stock_of_unknown_goods_is_not_found() -> None:
    assert error_of(buyer().get("/api/stock/1")) == (404, 40010002, "There is no stock of product 1.")


def test_set_writes_the_difference_as_an_adjustment() -> None:
    make_stock(1, 10)

    response = staff().put("/api/stock/1", {"available": 4, "version": 1})

    assert response.status_code == 200
    assert response.json() == {"goods_id": "1", "available": 4, "reserved": 0, "sold": 0, "version": 2}
    assert adjustments() == [(1, 10, "delivery", "staff"), (1, -6, "set", f"staff:{STAFF_ID}")]


def test_set_makes_the_first_stock_of_a_product() -> None:
    response = staff().put("/api/stock/1", {"available": 0, "reason": "new"})

    assert response.status_code == 200
    assert response.json()["available"] == 0
    assert adjustments() == [(1, 0, "new", f"staff:{STAFF_ID}")]


def test_set_with_a_version_that_moved_is_refused() -> None:
    make_stock(1, 10)

    response = staff().put("/api/stock/1", {"available": 4, "version": 0})

    assert error_of(response) == (
        409,
        40010004,
        "The stock of product 1 changed in the meantime. Read it again and retry.",
    )
    assert counts(1) == (10, 0, 0)


def test_adjustment_is_added() -> None:
    make_stock(1, 10)

    body = {"delta": -3, "reason": "broken", "idempotency_key": "mugs"}

    response = staff().post("/api/stock/1/adjustments", body)

    assert response.status_code == 201
    assert response.json() == {"goods_id": "1", "available": 7, "reserved": 0, "sold": 0, "version": 2}
    assert adjustments()[-1] == (1, -3, "broken", f"staff:{STAFF_ID}")


def test_adjustment_with_a_key_is_applied_once() -> None:
    make_stock(1, 10)
    body = {"delta": 5, "reason": "delivery", "idempotency_key": "lorry-7"}

    first = staff().post("/api/stock/1/adjustments", body)
    again = staff().post("/api/stock/1/adjustments", body)
    other = staff().post("/api/stock/1/adjustments", {**body, "delta": 6})

    assert (first.status_code, again.status_code) == (201, 201)
    assert error_of(other) == (
        422,
        10000009,
        "The idempotency key lorry-7 was used for another request before. Use a new key.",
    )
    assert counts(1) == (15, 0, 0)


def test_key_of_an_adjustment_may_stand_in_the_header_and_nothing_else_in_the_body() -> None:
    make_stock(1, 10)
    body = {"delta": 5, "reason": "delivery"}

    for _ in range(2):
        assert staff().post("/api/stock/1/adjustments", body, headers={"Idempotency-Key": "lorry-8"}).status_code == 201
    other = staff().post(
        "/api/stock/1/adjustments", {**body, "idempotency_key": "lorry-9"}, headers={"Idempotency-Key": "lorry-8"}
    )

    assert error_of(other) == (400, 10000001, "idempotency_key: is not the same everywhere in the request")
    assert counts(1) == (15, 0, 0)


def test_set_with_a_key_is_carried_out_once_whatever_was_sold_since() -> None:
    make_stock(1, 10)
    header = {"Idempotency-Key": "count-7"}

    staff().put("/api/stock/1", {"available": 50}, headers=header)
    reserve_stock(order_id=10, quantities={1: 3})
    again = staff().put("/api/stock/1", {"available": 50}, headers=header)
    other = staff().put("/api/stock/1", {"available": 60}, headers=header)

    assert (again.status_code, again.json()["available"]) == (200, 47)
    assert error_of(other)[:2] == (422, 10000009)
    assert counts(1) == (47, 3, 0)


def test_set_to_what_is_there_with_a_key_changes_nothing_when_it_comes_again() -> None:
    make_stock(1, 10)
    header = {"Idempotency-Key": "count-8"}

    staff().put("/api/stock/1", {"available": 10}, headers=header)
    reserve_stock(order_id=10, quantities={1: 3})
    staff().put("/api/stock/1", {"available": 10}, headers=header)

    assert counts(1) == (7, 3, 0)


@pytest.mark.parametrize("caller", [buyer, service])
def test_changes_are_for_staff_alone(caller) -> None:
    make_stock(1, 10)

    put = caller().put("/api/stock/1", {"available": 99})
    post = caller().post("/api/stock/1/adjustments", {"delta": 1, "reason": "mine"})

    assert error_of(put) == (403, 10000006, "Your role may not do this.")
    assert error_of(post) == (403, 10000006, "Your role may not do this.")
    assert counts(1) == (10, 0, 0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "available: This field is required."),
        ({"available": -1}, "available: Ensure this value is greater than or equal to 0."),
        ({"available": BIGGEST + 1}, f"available: Ensure this value is less than or equal to {BIGGEST}."),
        ({"available": True}, "available: A valid integer is required."),
        ({"available": 1.0}, "available: A valid integer is required."),
        ({"available": "many"}, "available: A valid integer is required."),
        ({"available": 1, "version": True}, "version: A valid integer is required."),
        ({"available": 1, "reason": "r" * 256}, "reason: is longer than 255 characters"),
        ({"available": 1, "sold": 0}, "sold: is not a field of this request"),
        ([], "body: Invalid data. Expected a dictionary, but got list."),
    ],
)
def test_set_with_a_wrong_body_is_invalid(body: object, message: str) -> None:
    make_stock(1, 10)

    assert error_of(staff().put("/api/stock/1", body)) == (400, 10000001, message)
    assert counts(1) == (10, 0, 0)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            {"delta": -11, "reason": "r", "idempotency_key": "k"},
            (409, 40010003, "Not enough stock of product 1: 11 asked for, 10 left."),
        ),
        (
            {"delta": 1, "reason": "r"},
            (400, 10000001, "idempotency_key: is missing: send the header Idempotency-Key, or the field"),
        ),
        (
            {"delta": BIGGEST, "reason": "r", "idempotency_key": "k"},
            (400, 10000001, f"delta: makes the stock larger than {BIGGEST}"),
        ),
        ({"delta": 1}, (400, 10000001, "reason: is missing")),
        ({"delta": 1, "reason": " "}, (400, 10000001, "reason: is missing")),
        ({"delta": True, "reason": "r"}, (400, 10000001, "delta: A valid integer is required.")),
        ({"delta": 1.0, "reason": "r"}, (400, 10000001, "delta: A valid integer is required.")),
        (
            {"delta": 1, "reason": "r", "idempotency_key": "k" * 65},
            (400, 10000001, "idempotency_key: must be 1 to 64 printable ASCII characters"),
        ),
    ],
)
def test_adjustment_that_cannot_be_is_refused(body: object, error: tuple[int, int, str]) -> None:
    make_stock(1, 10)

    assert error_of(staff().post("/api/stock/1/adjustments", body)) == error
    assert counts(1) == (10, 0, 0)


def test_stock_is_listed_by_goods_id_in_pages() -> None:
    for goods_id in (3, 1, 2):
        make_stock(goods_id, goods_id * 10)

    first = buyer().get("/api/stock?limit=2").json()
    second = buyer().get(first["next"]).json()

    assert [[row["available"] for row in page["stock"]] for page in (first, second)] == [[10, 20], [30]]
    assert second["next"] is None
    assert buyer().get(second["previous"]).json()["stock"] == first["stock"]
    assert [row["goods_id"] for row in buyer().get("/api/stock?goods_id=2").json()["stock"]] == ["2"]
