"""What happens is kept with its cause, and becomes a delivery for each endpoint that wants it."""

import pytest
from django.utils import timezone

from charites.common.announcements import KINDS, Announcement, Kind, announce
from charites.common.transactions import run
from lab.kit.interleaving import Parked
from lab.kit.log_lines import json_lines
from messaging.models import Announced, WebhookDelivery, WebhookEndpoint
from messaging.tests.webhooks.told import add, happen
from messaging.webhooks import endpoints, outbox
from messaging.webhooks.outbox import spread

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://shop.example/hooks"


def deliveries() -> list[tuple[int, str, str]]:
    rows = WebhookDelivery.objects.order_by("pk")
    return list(rows.values_list("endpoint_id", "kind", "key"))


def test_nothing_is_kept_of_what_nobody_wants() -> None:
    add(URL, ["order.paid"])

    happen("order.placed", "1")

    assert not Announced.objects.exists()


def test_event_becomes_a_delivery_for_each_endpoint_that_wants_it() -> None:
    one, two = add(URL, ["order.placed", "order.paid"]), add(URL, ["order.paid"])
    happen("order.placed", "1")
    happen("order.paid", "1")

    assert spread() == 2

    assert deliveries() == [(one.pk, "order.placed", "1"), (one.pk, "order.paid", "1"), (two.pk, "order.paid", "1")]
    assert WebhookDelivery.objects.values("event_id").distinct().count() == 2
    assert spread() == 0


def test_event_of_a_transaction_that_is_undone_never_happened() -> None:
    add(URL)

    def fail() -> None:
        announce([Announcement(KINDS["order.placed"], "1")])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail, name="test")

    assert not Announced.objects.exists()


def test_events_of_one_transaction_are_one_row() -> None:
    add(URL)

    run(lambda: announce(Announcement(KINDS["order.placed"], str(n), {}) for n in range(256)), name="test")

    assert Announced.objects.count() == 1
    assert spread() == 256
    assert [key for _endpoint, _kind, key in deliveries()] == [str(n) for n in range(256)]


def test_transaction_that_spreads_is_short_however_many_endpoints_there_are(monkeypatch) -> None:
    monkeypatch.setattr(outbox, "MOST_DELIVERIES", 20)
    for _ in range(3):
        add(URL)
    keys = [str(n) for n in range(16)]
    for some in (keys[:10], keys[10:]):
        run(lambda: announce(Announcement(KINDS["order.placed"], key, {}) for key in some), name="test")  # noqa: B023

    steps = [spread() for _ in range(4)]

    assert steps == [6, 6, 4, 0]
    found = WebhookDelivery.objects.order_by("pk").values_list("endpoint_id", "key", "event_id")
    for endpoint in WebhookEndpoint.objects.all():
        assert [key for endpoint_id, key, _ in found if endpoint_id == endpoint.pk] == keys
    assert len({(key, event_id) for _, key, event_id in found}) == len({event_id for _, _, event_id in found}) == 16
    assert not Announced.objects.exists()


def test_endpoint_that_was_switched_off_gets_nothing_new() -> None:
    endpoint = add(URL)
    endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": False}, now=timezone.now())

    happen("order.placed", "1")

    assert not Announced.objects.exists()


def test_subscription_of_another_process_is_seen_when_its_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    add(URL, ["order.paid"])
    outbox.assume(frozenset())  # as a process that has looked before

    assert outbox.wanted() == frozenset()
    monkeypatch.setattr(outbox, "SUBSCRIBED_SECONDS", -1.0)

    assert outbox.wanted() == {"order.paid"}


def test_subscription_that_changes_while_it_is_read_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    add(URL, ["order.paid"])
    outbox.wanted()
    monkeypatch.setattr(outbox, "SUBSCRIBED_SECONDS", -1.0)
    read = outbox.Subscriptions._read

    def read_late(subscriptions: outbox.Subscriptions) -> frozenset[str]:
        outbox.assume(frozenset())  # somebody has changed an endpoint
        return read(subscriptions)

    monkeypatch.setattr(outbox.Subscriptions, "_read", read_late)

    assert [outbox.wanted() for _ in range(2)] == [{"order.paid"}] * 2


@pytest.mark.servers
def test_two_sweeps_spread_an_event_once() -> None:
    add(URL)
    happen("order.placed", "1")

    with Parked(lambda: spread(), at="^INSERT INTO messaging_webhook_delivery") as first:
        with Parked(lambda: spread(), at="^SELECT .* messaging_announced.* FOR UPDATE") as second:
            first.go()
            assert second.go() == 0

    assert len(deliveries()) == 1


def test_key_without_a_row_is_logged_and_stops_nothing() -> None:
    add(URL)
    run(lambda: announce([Announcement(KINDS["order.placed"], "404")]), name="test")
    happen("order.placed", "1")

    with json_lines() as lines:
        assert spread() == 2

        assert [line["key"] for line in lines() if line["event"] == "webhook_event_without_its_row"] == ["404"]
    assert [key for _endpoint, _kind, key in deliveries()] == ["1"]


def test_unknown_kind_is_told_to_nobody() -> None:
    add(URL)

    run(lambda: announce([Announcement(Kind("order.eaten", ""), "1", {})]), name="test")

    assert not Announced.objects.exists()
