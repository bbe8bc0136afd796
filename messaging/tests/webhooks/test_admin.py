"""The admin's pages of endpoints and deliveries."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from lab.kit.admin_site import ask, confirm, list_url, make_operator, page_url, sign_in, submit
from lab.kit.receiver import Receiver
from messaging.models import WebhookDelivery, WebhookEndpoint
from messaging.tests.webhooks.told import add, happen, reread, tell
from messaging.webhooks import endpoints

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def client() -> Client:
    return sign_in(make_operator())


@pytest.fixture
def endpoint(receiver: Receiver) -> WebhookEndpoint:
    """It takes nothing: of an order two events wait, of another one."""
    endpoint = add(receiver.url)
    receiver.answer = lambda received: 500
    for event in (("order.placed", "1"), ("order.paid", "1"), ("order.placed", "2")):
        happen(*event)
    tell(endpoint)
    in_a_minute = timezone.now() + MINUTE
    WebhookDelivery.objects.exclude(kind="order.paid").update(next_try_at=in_a_minute)
    WebhookEndpoint.objects.update(paused_until=in_a_minute)
    return reread(endpoint)


def deliveries() -> list[WebhookDelivery]:
    return list(WebhookDelivery.objects.order_by("pk"))


def test_deliveries_that_wait_are_sent_again_and_those_behind_them_are_told(
    client: Client, endpoint: WebhookEndpoint
) -> None:
    first, behind, other = deliveries()

    assert confirm(client, "send_again", [behind, other]) == [
        "Done for 1 row.",
        f"1 is not sent: it waits behind another one about the same. Send that one again: {first.pk}.",
    ]

    assert [delivery.next_try_at is None for delivery in deliveries()] == [False, True, True]
    assert reread(endpoint).paused_until is None


def test_delivery_of_an_endpoint_that_is_off_waits_for_it(client: Client, endpoint: WebhookEndpoint) -> None:
    endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": False}, now=timezone.now())

    told = confirm(client, "send_again", deliveries()[:1])

    assert told == ["Done for 1 row.", "1 is sent once its endpoint is switched on."]
    assert b"once its endpoint is switched on" in client.get(list_url(WebhookDelivery)).content


def test_question_names_the_endpoint_of_each_delivery(client: Client, endpoint: WebhookEndpoint) -> None:
    page = ask(client, "send_again", deliveries()[:1]).content.decode()

    assert "<li>order.placed 1, for 127.0.0.1</li>" in page


def test_next_try_is_the_later_one_with_seconds_and_what_is_behind_another_one_says_so(
    client: Client, endpoint: WebhookEndpoint
) -> None:
    moment = timezone.now().replace(microsecond=0) + 2 * MINUTE
    WebhookEndpoint.objects.update(paused_until=moment)

    for page in (client.get(list_url(WebhookDelivery)), client.get(page_url(endpoint))):
        words = page.content.decode()
        assert "waits behind another one of this order" in words
        assert f"{moment:%H:%M:%S}" in words
        assert "Next try" in words
        assert "Tried again" not in words


def test_page_says_what_becomes_of_events_while_an_endpoint_is_off(client: Client, endpoint: WebhookEndpoint) -> None:
    page = client.get(page_url(endpoint)).content.decode()

    assert "What happens while it is off is not sent later; read the orders for that time." in page
    assert "(goods_id is null)" in page
    assert "`" not in page.partition("<form")[2]


def test_what_waits_is_sent_at_once_where_an_endpoint_is_on_and_paused(
    client: Client, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.answer = lambda received: 204

    assert confirm(client, "send_waiting", [endpoint]) == ["Done for 1 row."]

    assert tell(endpoint) == 3


def test_history_says_what_was_done_in_the_words_of_the_action(client: Client, endpoint: WebhookEndpoint) -> None:
    confirm(client, "rotate_secret", [endpoint])

    page = client.get(page_url(endpoint).replace("/change/", "/history/")).content.decode()

    assert "Give the endpoint another secret" in page
    assert "rotate_secret" not in page


def page_of(client: Client, endpoint: WebhookEndpoint) -> dict[str, Any]:
    """What a browser sends from an endpoint's page when nothing was changed there."""
    form = client.get(page_url(endpoint)).context["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    before = {f"initial-{name}": value for name, value in shown.items()}
    return {**shown, **before, "is_enabled": "on", "initial-kinds": shown["kinds"]}


def test_endpoint_whose_address_is_no_longer_allowed_can_be_switched_off_on_its_page(
    client: Client, endpoint: WebhookEndpoint, settings: Settings
) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = []
    page = page_of(client, endpoint)
    del page["is_enabled"]

    told = submit(client, page_url(endpoint), page)

    assert "changed successfully" in told[0]
    assert not reread(endpoint).is_enabled


def test_page_that_was_opened_before_an_endpoint_was_switched_off_does_not_switch_it_on(
    client: Client, endpoint: WebhookEndpoint
) -> None:
    page = page_of(client, endpoint)
    WebhookEndpoint.objects.update(is_enabled=False, switched_off_because="it answered 410: gone")

    submit(client, page_url(endpoint), {**page, "description": "warehouse"})

    found = reread(endpoint)
    assert (found.is_enabled, found.switched_off_because, found.description) == (
        False,
        "it answered 410: gone",
        "warehouse",
    )
