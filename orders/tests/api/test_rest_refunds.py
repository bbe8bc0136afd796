"""Refunds asked for over REST."""

from typing import Any

import pytest
from django.http import HttpResponse

from charites.common.auth import Permission, Role
from lab.kit.factories import bearer, make_clerk, make_closed_order, make_goods, make_order, make_paid_order
from lab.kit.rest_client import RestClient, buyer, error_of, service, staff
from orders.models import Order, Refund

pytestmark = pytest.mark.django_db(transaction=True)

BODY = {"amount": 9950, "reason": "one mug arrived broken", "items": [{"goods_id": "1", "quantity": 1}]}


def paid_order() -> Order:
    make_goods(1, stock=10)
    return make_paid_order({1: 2})


def ask(
    order: Order, body: dict[str, Any] = BODY, *, key: str | None = "k1", caller: RestClient | None = None
) -> HttpResponse:
    headers = {"Idempotency-Key": key} if key else {}
    return (caller or staff()).post(f"/api/orders/{order.order_id}/refunds", body, headers)


def test_refund_is_answered_with_what_is_on_its_way() -> None:
    order = paid_order()

    answer = ask(order)

    made = Refund.objects.get()
    assert answer.status_code == 201
    found = answer.json()
    assert {name: found[name] for name in ("refund_id", "amount", "status", "reason", "note", "done_at")} == {
        "refund_id": str(made.refund_id),
        "amount": 9950,
        "status": "requested",
        "reason": "staff",
        "note": "one mug arrived broken",
        "done_at": None,
    }
    assert ask(order).status_code == 200
    assert Refund.objects.count() == 1


def test_order_says_how_much_of_it_was_refunded_wherever_it_is_answered(django_assert_num_queries: Any) -> None:
    orders = [paid_order(), make_paid_order({1: 1}), make_order({1: 1})]
    numbers = [str(order.order_id) for order in orders]
    for key, amount in (("k1", 100), ("k2", 23), ("k3", 7)):
        ask(orders[0], {"amount": amount, "reason": "a scratch"}, key=key)
    Refund.objects.filter(amount=7).update(status=Refund.Status.REFUSED)  # it stays here
    besides = {"reason": Refund.Reason.DOUBLE, "payment_id": 1}  # money that came twice
    Refund.objects.create(order_id=orders[1].order_id, amount=9950, currency="CNY", **besides)
    reader = staff()
    reader.get("/api/me")  # whoever calls is known from now on

    shown = {number: reader.get(f"/api/orders/{number}").json()["refunded"] for number in numbers}
    with django_assert_num_queries(3):  # a page of orders, their lines, their refunds
        listed = reader.get("/api/orders").json()["orders"]
    completed = staff().post(f"/api/orders/{numbers[0]}/complete").json()

    assert shown == dict(zip(numbers, (123, 0, 0), strict=True))
    assert {order["order_id"]: order["refunded"] for order in listed} == shown
    assert completed["refunded"] == 123
    assert buyer().get(f"/api/orders/{numbers[0]}").json()["refunded"] == 123


def test_buyer_sees_the_refund_and_not_what_staff_wrote() -> None:
    order = paid_order()
    ask(order)

    (refund,) = buyer().get(f"/api/orders/{order.order_id}/money").json()["refunds"]

    assert (refund["amount"], refund["status"]) == (9950, "requested")
    assert not {"note", "actor", "last_error"} & refund.keys()


def test_refunds_of_one_payment_are_listed_in_pages() -> None:
    order = paid_order()
    numbers = [ask(order, {"amount": 1, "reason": "a cent"}, key=f"k{n}").json()["refund_id"] for n in range(3)]

    first = staff().get("/api/refunds?limit=2&status=requested").json()
    second = staff().get(first["next"]).json()

    found = [[refund["refund_id"] for refund in page["refunds"]] for page in (first, second)]
    assert found == [numbers[:0:-1], numbers[:1]]


@pytest.mark.parametrize(
    "caller",
    [
        buyer,
        service,
        lambda: RestClient(bearer(make_clerk(Permission.CHANGE_ORDER).pk, Role.STAFF)),
        lambda: RestClient(bearer(make_clerk(Permission.ADD_REFUND).pk, Role.STAFF)),
    ],
)
def test_who_may_not_refund_is_refused(caller: Any) -> None:
    order = paid_order()

    assert error_of(ask(order, caller=caller()))[:2] == (403, 10000006)
    assert not Refund.objects.exists()


@pytest.mark.parametrize(
    ("caller", "details", "words"),
    [
        (buyer, {}, "Your role may not do this."),
        (service, {}, "Your role may not do this."),
        (
            lambda: RestClient(bearer(make_clerk(Permission.CHANGE_ORDER).pk, Role.STAFF)),
            {"permission": "orders.add_refund"},
            "You may not do this: it takes the permission orders.add_refund.",
        ),
        (
            lambda: RestClient(bearer(make_clerk(Permission.ADD_REFUND).pk, Role.STAFF)),
            {"permission": "orders.view_order"},
            "You may not do this: it takes the permission orders.view_order.",
        ),
    ],
)
def test_staff_are_told_which_permission_is_missing_and_others_nothing(
    caller: Any, details: dict[str, str], words: str
) -> None:
    answer = ask(paid_order(), caller=caller()).json()

    assert (answer["details"], answer["message"]) == (details, words)


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"amount": 19_901}, 50010016),
        ({"items": [{"goods_id": "1", "quantity": 3}]}, 50010017),
        ({"items": [{"goods_id": "2", "quantity": 1}]}, 50010017),
    ],
)
def test_what_is_not_left_is_a_conflict(changes: dict[str, Any], number: int) -> None:
    order = paid_order()

    assert error_of(ask(order, BODY | changes))[:2] == (409, number)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": ""}, "amount"),
        ({"reason": ""}, "reason"),
        ({"reason": "a\u202eb"}, "reason"),
        ({"currency": "EUR"}, "currency"),
        ({"return_stock": "yes"}, "return_stock"),
        ({"return_stock": True}, "return_stock"),
        ({"items": "1"}, "items"),
        ({"price": 1}, "price"),
        ({"idempotency_key": "another"}, "idempotency_key"),
    ],
)
def test_wrong_field_is_named(changes: dict[str, Any], words: str) -> None:
    order = paid_order()

    status, number, message = error_of(ask(order, BODY | changes))

    assert (status, number) == (400, 10000001)
    assert words in message
    assert not Refund.objects.exists()


def test_key_is_required() -> None:
    order = paid_order()

    assert "idempotency_key" in error_of(ask(order, key=None))[2]
    assert not Refund.objects.exists()


@pytest.mark.parametrize("make", [make_order, make_closed_order])
def test_order_that_is_not_paid_is_a_conflict(make: Any) -> None:
    make_goods(1, stock=10)

    assert error_of(ask(make({1: 1})))[:2] == (409, 50010006)


def test_order_that_is_not_there_is_not_found() -> None:
    assert error_of(staff().post("/api/orders/1/refunds", BODY, {"Idempotency-Key": "k"}))[:2] == (404, 50010003)


def test_pieces_that_came_back_stand_in_every_answer() -> None:
    order = paid_order()

    answers = [ask(order).json(), ask(order).json()]
    ask(order, {"amount": 1, "reason": "a cent"}, key="k2")
    listed = staff().get("/api/refunds").json()["refunds"]
    seen = buyer().get(f"/api/orders/{order.order_id}/money").json()["refunds"]

    back = [{"goods_id": "1", "quantity": 1}]
    assert [found["items"] for found in answers] == [back, back]
    assert [found["items"] for found in listed] == [[], back]
    assert [found["items"] for found in seen] == [back, []]


def test_amount_that_is_left_out_is_all_that_is_left() -> None:
    order = paid_order()
    ask(order, {"amount": 1000, "reason": "a scratch"}, key="k0")
    body = {"reason": "broken"}

    first, again = ask(order, body), ask(order, body)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["amount"] == again.json()["amount"] == 18_900
    assert first.json()["refund_id"] == again.json()["refund_id"]
    assert error_of(ask(order, {**body, "amount": 18_900}))[:2] == (422, 10000009)  # not what was asked before
    assert error_of(ask(order, body, key="k2"))[:2] == (409, 50010006)
    assert Refund.objects.count() == 2


def test_list_of_many_refunds_reads_their_pieces_in_one_statement(django_assert_num_queries: Any) -> None:
    order, caller = paid_order(), staff()
    for number in range(2):
        ask(order, {"amount": 1, "reason": "a cent", "items": BODY["items"]}, key=f"k{number}")
        caller.get("/api/refunds")  # whoever calls is known from now on

        with django_assert_num_queries(3):  # the keys of the page, its refunds, their pieces
            caller.get("/api/refunds")
