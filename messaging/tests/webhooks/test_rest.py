"""Endpoints and deliveries over REST."""

from datetime import timedelta

import pytest
from django.utils import timezone

from charites.common.announcements import KINDS
from charites.common.auth import Permission, Role
from charites.common.times import as_utc
from lab.kit.factories import bearer, make_clerk
from lab.kit.receiver import Receiver
from lab.kit.rest_client import RestClient, buyer, error_of, service, staff
from messaging.models import WebhookDelivery, WebhookEndpoint
from messaging.tests.webhooks.told import happen, tell
from messaging.webhooks.outbox import spread

pytestmark = pytest.mark.django_db(transaction=True)

BODY = {"url": "https://shop.example/hooks", "event_types": ["order.paid"]}


def clerk(*permissions: Permission) -> RestClient:
    return RestClient(bearer(make_clerk(*permissions, username="+".join(permissions)[:150]).pk, Role.STAFF))


def test_endpoint_is_added_changed_and_removed() -> None:
    added = staff().post("/api/webhooks", BODY)
    assert added.status_code == 201
    assert added.json()["secret"].startswith("whsec_")
    path = f"/api/webhooks/{added.json()['endpoint_id']}"

    changed = staff().patch(path, {"event_types": ["order.paid", "order.placed"], "is_enabled": False}).json()
    assert (changed["event_types"], changed["is_enabled"], changed["url"]) == (
        ["order.paid", "order.placed"],
        False,
        BODY["url"],
    )
    assert "secret" not in staff().get(path).json()
    assert [found["endpoint_id"] for found in staff().get("/api/webhooks").json()["endpoints"]] == [
        changed["endpoint_id"]
    ]

    assert staff().send("DELETE", path).status_code == 204
    assert error_of(staff().get(path))[:2] == (404, 60010003)


def test_secret_is_shown_when_it_is_made_and_never_again() -> None:
    path = f"/api/webhooks/{staff().post('/api/webhooks', BODY).json()['endpoint_id']}"
    secret = WebhookEndpoint.objects.get().secret

    rotated = staff().post(f"{path}/secret").json()["secret"]

    assert rotated == WebhookEndpoint.objects.get().secret != secret
    for answer in (staff().get(path), staff().get("/api/webhooks"), staff().patch(path, {"is_enabled": True})):
        assert rotated not in answer.text
        assert secret not in answer.text


def test_deliveries_are_listed_and_sent_again(receiver: Receiver) -> None:
    added = staff().post("/api/webhooks", {**BODY, "url": receiver.url}).json()
    endpoint = WebhookEndpoint.objects.get()
    happen("order.paid", "7")
    tell(endpoint)
    path = f"/api/webhooks/{added['endpoint_id']}/deliveries"

    (delivery,) = staff().get(path).json()["deliveries"]

    assert (delivery["event_type"], delivery["key"], delivery["state"], delivery["attempts"]) == (
        "order.paid",
        "7",
        "done",
        1,
    )
    assert staff().get(f"{path}?state=dead").json()["deliveries"] == []
    assert len(staff().get(f"{path}?key=7").json()["deliveries"]) == 1
    again = f"/api/webhooks/deliveries/{delivery['delivery_id']}/replay"
    assert staff().post(again).status_code == 202
    assert staff().post(again).status_code == 202  # it waits, and is sent at once
    assert tell(endpoint) == 1
    assert error_of(staff().post("/api/webhooks/deliveries/404/replay"))[:2] == (404, 60010004)


def test_next_try_of_a_delivery_is_not_before_that_of_its_endpoint(receiver: Receiver) -> None:
    path = f"/api/webhooks/{staff().post('/api/webhooks', {**BODY, 'url': receiver.url}).json()['endpoint_id']}"
    endpoint, now = WebhookEndpoint.objects.get(), timezone.now()
    receiver.answer = lambda received: 500
    happen("order.paid", "7")
    tell(endpoint, now=now)
    happen("order.paid", "8")
    spread()

    def next_tries() -> list[str | None]:
        return [delivery["next_try_at"] for delivery in staff().get(f"{path}/deliveries").json()["deliveries"]]

    WebhookEndpoint.objects.update(paused_until=now + timedelta(seconds=3))
    new, tried = next_tries()
    assert new == as_utc(now + timedelta(seconds=3)) == staff().get(path).json()["paused_until"]
    assert tried == as_utc(now + timedelta(seconds=5))
    WebhookEndpoint.objects.update(is_enabled=False)
    assert next_tries() == [None, None]


def test_delivery_behind_another_one_is_refused_and_names_that(receiver: Receiver) -> None:
    staff().post("/api/webhooks", {"url": receiver.url, "event_types": ["order.placed", "order.paid"]})
    endpoint = WebhookEndpoint.objects.get()
    receiver.answer = lambda received: 500
    happen("order.placed", "7")
    happen("order.paid", "7")
    tell(endpoint, now=timezone.now() + timedelta(minutes=5))
    first, second = WebhookDelivery.objects.order_by("pk")

    assert error_of(staff().post(f"/api/webhooks/deliveries/{second.pk}/replay")) == (
        409,
        60010006,
        f"Delivery {second.pk} waits behind delivery {first.pk} about the same: send that one again first.",
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"event_types": ["order.paid"]}, "url"),
        ({"url": BODY["url"]}, "event_types"),
        ({**BODY, "event_types": []}, "event_types"),
        ({**BODY, "event_types": ["order.eaten"]}, "event_types"),
        ({**BODY, "event_types": "order.paid"}, "event_types"),
        ({**BODY, "url": "https://10.0.0.5/"}, "url"),
        ({**BODY, "description": "a\u202eb"}, "description"),
        ({**BODY, "secret": "mine"}, "secret"),
    ],
)
def test_wrong_field_is_named(body: dict[str, object], field: str) -> None:
    status, number, message = error_of(staff().post("/api/webhooks", body))

    assert (status, number) == (400, 10000001)
    assert field in message
    assert not WebhookEndpoint.objects.exists()


def test_wrong_choice_names_the_choices() -> None:
    path = f"/api/webhooks/{staff().post('/api/webhooks', BODY).json()['endpoint_id']}"

    wrong = [
        staff().post("/api/webhooks", {**BODY, "event_types": ["order.eaten"]}),
        staff().get(f"{path}/deliveries?state=eaten"),
        staff().get("/api/messages?state=eaten"),
    ]

    assert [error_of(answer)[2] for answer in wrong] == [
        f"event_types.0: must be one of {', '.join(sorted(KINDS))}",
        "state: must be one of ready, done, dead",
        "state: must be one of half, ready, done, aborted, dead",
    ]


def test_endpoints_are_for_staff_with_the_permission() -> None:
    path = f"/api/webhooks/{staff().post('/api/webhooks', BODY).json()['endpoint_id']}"
    looks = [("GET", "/api/webhooks", None), ("GET", path, None), ("GET", f"{path}/deliveries", None)]
    changes = [
        ("POST", "/api/webhooks", BODY),
        ("PATCH", path, {"is_enabled": False}),
        ("POST", f"{path}/secret", {}),
        ("POST", "/api/webhooks/deliveries/1/replay", {}),
        ("DELETE", path, None),
    ]

    for caller in (buyer(), service(), clerk(Permission.VIEW_MESSAGE)):
        assert {caller.send(*asked).status_code for asked in looks + changes} == {403}
    looker = clerk(Permission.VIEW_WEBHOOKS, Permission.VIEW_DELIVERIES)
    assert [looker.send(*asked).status_code for asked in looks] == [200] * 3
    assert {looker.send(*asked).status_code for asked in changes} == {403}


def test_endpoint_that_is_not_there_is_not_found() -> None:
    asked = [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/secret"), ("GET", "/deliveries")]

    for method, part in asked:
        body = {} if method in ("PATCH", "POST") else None
        assert error_of(staff().send(method, f"/api/webhooks/7{part}", body))[:2] == (404, 60010003)
