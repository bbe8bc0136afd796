"""The API's page, filled in as it is, does what it says in the demo's shop."""

from typing import Any

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from lab.kit.factories import SANDBOX
from lab.kit.rest_client import RestClient, anybody

pytestmark = pytest.mark.django_db(transaction=True)

REFUSED = {
    "renew_token": 401,  # whose token it is nobody can say beforehand
    "receive_payment_notice": 401,  # nor sign for a provider
}
NOT_TRIED = {
    "complete_order",  # of an order that is paid
    "refund_order",
    "replay_webhook_delivery",  # of an event that was sent
}
OF_BUYERS = {"place_order", "pay_order", "cancel_order"}


@pytest.fixture
def shop(settings: Any) -> None:
    settings.DEMO = True
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    call_command("seed", verbosity=0)


def signed_in(name: str) -> RestClient:
    answer = anybody().post("/api/auth/token", {"username": name, "password": "charites"})
    return RestClient(f"Bearer {answer.json()['access']}")


def find_operations() -> list[tuple[str, str, dict[str, Any]]]:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return [(method.upper(), path, operation) for path, found in paths.items() for method, operation in found.items()]


@pytest.mark.usefixtures("shop")
def test_every_operation_can_be_tried_as_it_is_filled_in() -> None:
    buyer, staff = signed_in("buyer"), signed_in("staff")
    body = find_body("place_order")
    orders = [buyer.post("/api/orders", body).json()["order_id"] for _ in range(3)]
    hooks = [staff.post("/api/webhooks", find_body("add_webhook")).json()["endpoint_id"] for _ in range(2)]
    answers = {}
    for method, path, operation in find_operations():
        name = operation["operationId"]
        filled = path.format(
            order_id=orders.pop() if name in {"pay_order", "cancel_order"} else orders[0],
            endpoint_id=hooks.pop() if name == "remove_webhook" else hooks[0],
            delivery_id=0,
            **examples(operation),
        )
        caller = buyer if name in OF_BUYERS else staff
        if name not in NOT_TRIED:
            answers[name] = caller.send(method, filled, find_body(name)).status_code

    assert {name: status for name, status in answers.items() if status >= 300} == REFUSED
    assert len(answers) > 20


def find_body(name: str) -> Any:
    (operation,) = [operation for _, _, operation in find_operations() if operation["operationId"] == name]
    if "requestBody" not in operation:
        return None
    (example,) = operation["requestBody"]["content"]["application/json"]["examples"].values()
    return example["value"]


def examples(operation: dict[str, Any]) -> dict[str, Any]:
    return {
        each["name"]: each["example"]
        for each in operation["parameters"]
        if each.get("in") == "path" and "example" in each
    }
