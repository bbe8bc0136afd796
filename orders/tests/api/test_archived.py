"""An archived order at the doors: its key stays used, and it is its buyer's affair alone."""

from pathlib import Path

import pytest

from lab.kit.factories import make_goods
from lab.kit.grpc_server import Callers, refusal
from lab.kit.old_orders import archive, make_completed_order
from lab.kit.rest_client import buyer, error_of, staff
from orders.models import Order
from orders.rpc.orders_pb2 import OrderRequest
from orders.tests.api.rest_orders import SOMEBODY_ELSE, place
from orders.tests.api.rpc_orders import wanted

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox")]

ARCHIVED, UNKNOWN = 50010018, 50010003


@pytest.fixture
def archived(tmp_path: Path) -> Order:
    """A buyer's order that has left."""
    make_goods(1, stock=10)
    order = make_completed_order(idempotency_key="k1")
    assert archive(tmp_path).orders == 1
    return order


def test_key_of_an_archived_order_places_no_second_one_over_rest(archived: Order) -> None:
    assert error_of(place(key="k1"))[:2] == (404, ARCHIVED)
    assert Order.objects.count() == 0

    assert place(key="k1", user_id=SOMEBODY_ELSE).status_code == 201
    assert place(key="k2").status_code == 201


def test_key_of_an_archived_order_places_no_second_one_over_grpc(archived: Order, callers: Callers) -> None:
    create = callers.buyer(7).order.CreateOrder

    assert refusal(create, wanted(idempotency_key="k1")) == ("NOT_FOUND", ARCHIVED)
    assert Order.objects.count() == 0

    create(wanted(idempotency_key="k2"))


def test_archived_order_is_shown_to_nobody_and_only_its_buyer_and_staff_learn_why_over_rest(archived: Order) -> None:
    path = f"/api/orders/{archived.order_id}"

    status, number, message = error_of(buyer().get(path))

    assert (status, number) == (404, ARCHIVED)
    assert message == f"Order {archived.order_id} has been archived: it can be neither shown nor changed here any more."
    assert error_of(staff().get(path))[:2] == (404, ARCHIVED)
    assert error_of(buyer(SOMEBODY_ELSE).get(path))[:2] == (404, UNKNOWN)
    assert error_of(buyer(SOMEBODY_ELSE).post(f"{path}/cancel"))[:2] == (404, UNKNOWN)
    assert buyer().get("/api/orders").json()["orders"] == []


def test_archived_order_is_shown_to_nobody_and_only_its_buyer_learns_why_over_grpc(
    archived: Order, callers: Callers
) -> None:
    request = OrderRequest(order_id=archived.order_id)

    assert refusal(callers.buyer(7).order.GetOrder, request) == ("NOT_FOUND", ARCHIVED)
    assert refusal(callers.buyer(SOMEBODY_ELSE).order.GetOrder, request) == ("NOT_FOUND", UNKNOWN)
