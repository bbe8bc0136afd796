"""Events reach an endpoint signed, in order for each key, at least once; one that fails is tried less and less."""

import socket
import threading
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import WebhookVerificationError

from charites.common.errors import Invalid
from lab.kit.log_lines import json_lines
from lab.kit.receiver import Receiver
from messaging.errors import DeliveryHeldUp, TooManyEndpoints
from messaging.models import WebhookDelivery, WebhookEndpoint
from messaging.tests.webhooks.told import STATE, add, happen, reread, states, tell
from messaging.webhooks import endpoints, reading, senders, sending
from messaging.webhooks.outbox import spread
from messaging.webhooks.senders import PATIENT_THREADS, Senders, purge

pytestmark = pytest.mark.django_db(transaction=True)

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


def refusing(*keys: str) -> object:
    """Answers 500 to events of these keys."""
    return lambda received: 500 if received.event["data"]["order_id"] in keys else 204


def test_event_arrives_signed_in_the_standard_form(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    happen("order.paid", "7")

    assert tell(endpoint) == 1

    (received,) = receiver.received
    assert received.event["type"] == "order.paid"
    assert received.event["data"] == {"order_id": "7"}
    assert received.event["timestamp"].endswith("Z")
    receiver.verify(endpoint.secret)
    with pytest.raises(WebhookVerificationError):
        receiver.verify(endpoints.new_secret())
    assert states(endpoint) == ["done"]


def test_events_of_one_order_arrive_in_their_order(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    for kind in ("order.placed", "order.paid", "order.completed"):
        for key in ("1", "2", "3"):
            happen(kind, key)

    assert tell(endpoint) == 9

    for key in ("1", "2", "3"):
        told = [kind for kind, number in receiver.events() if number == key]
        assert told == ["order.placed", "order.paid", "order.completed"]


def test_event_that_is_refused_holds_up_its_own_order_alone(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    receiver.answer = refusing("1")
    for kind in ("order.placed", "order.paid"):
        for key in ("1", "2"):
            happen(kind, key)
    now = timezone.now()

    assert tell(endpoint, now=now) == 2
    assert tell(endpoint, now=now + SECOND) == 0

    assert receiver.events().count(("order.placed", "1")) == 1
    assert ("order.paid", "1") not in receiver.events()
    assert reread(endpoint).failing_since is None
    receiver.answer = lambda received: 204
    assert tell(endpoint, now=now + MINUTE) == 2
    assert [kind for kind, key in receiver.events() if key == "1"] == ["order.placed", "order.placed", "order.paid"]


def test_tries_of_one_event_have_one_id(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    receiver.answer = lambda received: 500
    happen("order.placed", "1")
    now = timezone.now()

    for minutes in range(3):
        tell(endpoint, now=now + minutes * 10 * MINUTE)

    assert len(receiver.received) == 3
    assert len({received.event_id for received in receiver.received}) == 1


def test_event_that_one_endpoint_never_takes_is_dead_and_the_next_of_its_order_goes_on(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    receiver.answer = refusing("1")
    happen("order.placed", "1")
    now = timezone.now()

    for step, wait in enumerate((timedelta(0), *sending.LADDER)):
        now += wait + SECOND
        happen("order.placed", f"fine {step}")  # the endpoint takes others
        tell(endpoint, now=now)

    dead = WebhookDelivery.objects.get(key="1")
    assert (dead.state, dead.attempts, dead.last_error) == (STATE.DEAD, len(sending.LADDER) + 1, "answered 500")
    receiver.answer = lambda received: 204
    happen("order.paid", "1")
    assert tell(endpoint, now=now) == 1
    assert receiver.events()[-1] == ("order.paid", "1")


@pytest.mark.long
def test_events_that_are_never_taken_do_not_pass_for_an_endpoint_that_is_down(receiver: Receiver) -> None:
    """Even where orders are so few that it is often sent alone."""
    endpoint = add(receiver.url)
    bad_keys = [f"bad {number}" for number in range(40)]
    receiver.answer = refusing(*bad_keys)
    for key in bad_keys:
        happen("order.placed", key)
    now = timezone.now()
    waited = []

    for number in range(8):
        for _ in range(20):  # rounds of a quiet minute or two
            tell(endpoint, now=now)
            now += 5 * SECOND
        happen("order.placed", str(number))
        placed_at = now
        while ("order.placed", str(number)) not in receiver.events():
            tell(endpoint, now=now)
            now += SECOND
            assert now < placed_at + MINUTE
        waited.append(now - placed_at)

    assert max(waited) <= 5 * SECOND
    for bad in WebhookDelivery.objects.filter(key__in=bad_keys):
        assert (bad.state, bad.attempts > 2) == ("ready", True)
        assert receiver.events().count(("order.placed", bad.key)) < 20
    assert reread(endpoint).is_enabled


def test_endpoint_that_takes_nothing_is_tried_less_and_less_with_one_event(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    receiver.answer = lambda received: 503
    for key in range(10):
        happen("order.placed", str(key))
    now = timezone.now()

    tell(endpoint, now=now)
    first = len(receiver.received)
    for _ in range(20):
        now = reread(endpoint).paused_until
        assert sending.serve(endpoint.pk, now=now - SECOND) == 0
        tell(endpoint, now=now + 2 * DAY / 20)

    assert (first, len(receiver.received)) == (10, 30)
    failing = reread(endpoint)
    assert failing.is_enabled
    assert failing.paused_until - now <= sending.LONGEST_PAUSE + 2 * DAY / 20
    assert set(states(endpoint)) == {"ready"}  # none is given up while the endpoint as a whole is away
    receiver.answer = lambda received: 204
    tell(endpoint, now=now + DAY)
    assert reread(endpoint).failing_since is None
    assert tell(endpoint, now=now + DAY + SECOND) == 9
    assert set(states(endpoint)) == {"done"}


def test_endpoint_that_fails_for_days_is_switched_off_and_says_why(receiver: Receiver, settings) -> None:
    settings.WEBHOOK_DISABLE_DAYS = 3
    endpoint = add(receiver.url)
    receiver.answer = lambda received: 500
    happen("order.placed", "1")
    now = timezone.now()

    tell(endpoint, now=now)
    tell(endpoint, now=now + 3 * DAY - SECOND)
    assert reread(endpoint).is_enabled
    tell(endpoint, now=now + 4 * DAY)

    off = reread(endpoint)
    assert not off.is_enabled
    assert off.switched_off_because.startswith("it has taken nothing since")
    assert off.switched_off_because.endswith("answered 500")
    assert sending.list_due(now=now + 5 * DAY, is_held_up=True, limit=5) == []
    receiver.answer = lambda received: 204
    endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": True}, now=now)
    assert tell(endpoint, now=now + 5 * DAY) == 1


def test_endpoint_that_is_gone_is_switched_off_at_once(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    receiver.answer = lambda received: 410
    happen("order.placed", "1")

    tell(endpoint)

    assert reread(endpoint).switched_off_because == "it answered 410: gone"


def test_endpoint_that_says_it_is_gone_is_switched_off_whatever_else_it_takes(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    receiver.answer = lambda received: 410 if received.event["data"]["order_id"] == "2" else 204
    happen("order.placed", "1")
    happen("order.placed", "2")

    tell(endpoint)

    assert (states(endpoint), reread(endpoint).is_enabled) == (["done", "ready"], False)


def test_endpoint_that_staff_switch_off_in_between_is_no_alert(receiver: Receiver) -> None:
    endpoint = add(receiver.url)

    def switch_off(_received: object) -> int:
        endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": False}, now=timezone.now())
        return 500

    receiver.answer = switch_off
    happen("order.placed", "1")

    with json_lines() as lines:
        tell(endpoint)

        assert [line["event"] for line in lines() if line["event"].startswith("webhook")] == ["webhook_failed"]
    assert reread(endpoint).failing_since is None


def test_events_of_one_order_keep_their_order_while_the_endpoint_fails(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    receiver.answer = lambda received: 500
    happen("order.placed", "1")
    now = timezone.now()
    tell(endpoint, now=now)
    happen("order.paid", "1")
    receiver.answer = lambda received: 204

    tell(endpoint, now=now + MINUTE)
    tell(endpoint, now=now + MINUTE)

    assert receiver.events() == [("order.placed", "1"), ("order.placed", "1"), ("order.paid", "1")]


def test_redirect_is_not_followed(receiver: Receiver, settings) -> None:
    endpoint = add(receiver.url)
    with Receiver() as elsewhere:
        receiver.answer, receiver.location = (lambda received: 302), elsewhere.url
        happen("order.placed", "1")

        assert tell(endpoint) == 0

        assert elsewhere.received == []
    assert WebhookDelivery.objects.get().last_error == "answered 302"


def test_endpoint_that_never_answers_costs_its_own_time_alone(receiver: Receiver, monkeypatch) -> None:
    monkeypatch.setattr(sending, "CALL_SECONDS", 3)  # more than the other one needs
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = add(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        fine = add(receiver.url)
        for key in range(20):
            happen("order.placed", str(key))

        some = Senders()
        now = timezone.now()
        for _ in range(200):  # each of half a second at most
            if states(fine).count("done") == 20:
                break
            some.round(now=now)
        else:
            raise AssertionError(states(fine))

        assert set(states(hanging)) == {"ready"}
        some.finish(clock=lambda: now)
    assert reread(hanging).failing_since == now
    assert "no answer" in WebhookDelivery.objects.filter(endpoint_id=hanging.pk).exclude(last_error="")[0].last_error


def test_nothing_more_is_begun_once_there_was_no_answer(receiver: Receiver, monkeypatch) -> None:
    monkeypatch.setattr(sending, "CALL_SECONDS", 0.3)
    over = threading.Event()
    receiver.answer = lambda received: 204 if over.wait(60) else 500
    endpoint = add(receiver.url)
    for key in range(2 * sending.AT_ONCE):
        happen("order.placed", str(key))

    tell(endpoint)
    over.set()

    assert WebhookDelivery.objects.exclude(last_error="").count() == sending.AT_ONCE


def test_thousand_endpoints_of_which_one_answers(receiver: Receiver, monkeypatch) -> None:
    monkeypatch.setattr(sending, "CALL_SECONDS", 600)  # they hang until the test is over
    over = threading.Event()
    with Receiver(lambda received: 204 if over.wait(600) else 500) as silent:
        columns = {"url": silent.url, "kinds": ["order.placed"], "secret": endpoints.new_secret()}
        long_ago = timezone.now() - DAY
        hanging = [WebhookEndpoint(**columns, failing_since=long_ago, failures=1) for _ in range(999)]
        WebhookEndpoint.objects.bulk_create(hanging)
        fine = add(receiver.url)
        with pytest.raises(TooManyEndpoints):
            add(receiver.url)
        happen("order.placed", "1")

        some = Senders()
        while states(fine) != ["done"]:
            some.round(now=timezone.now())

        assert WebhookDelivery.objects.filter(state=STATE.READY).count() == 999
        _quick, patient = some._crews
        assert len(patient.running) == PATIENT_THREADS
        WebhookEndpoint.objects.update(is_enabled=False)
        over.set()
        some.finish(clock=lambda: long_ago)


def test_answer_without_end_is_not_read(receiver: Receiver, monkeypatch) -> None:
    """A status is an answer, whatever follows it."""
    closed_early = []

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n" + b"x" * 12_288)
            with suppress(TimeoutError):
                while connection.recv(65536):  # the rest of the request
                    pass
                closed_early.append(True)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        endpoint = add(f"http://127.0.0.1:{server.getsockname()[1]}/")
        happen("order.placed", "1")
        assert tell(endpoint) == 1
        thread.join(30)
    assert closed_early == [True]


def test_answer_that_stops_after_its_status_is_one(receiver: Receiver, monkeypatch) -> None:
    monkeypatch.setattr(sending, "CALL_SECONDS", 1)

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx")
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        endpoint = add(f"http://127.0.0.1:{server.getsockname()[1]}/")
        happen("order.placed", "1")
        assert tell(endpoint) == 1


def test_secret_that_is_changed_while_deliveries_wait_signs_beside_the_former_one(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    happen("order.placed", "1")
    now = timezone.now()
    changed = endpoints.rotate_secret(endpoint_id=endpoint.pk, now=now)

    tell(endpoint, now=now)

    receiver.verify(endpoint.secret)
    receiver.verify(changed.secret)
    receiver.received.clear()
    happen("order.paid", "1")
    WebhookEndpoint.objects.update(former_secret_until=now)
    tell(endpoint, now=now + SECOND)
    receiver.verify(changed.secret)
    with pytest.raises(WebhookVerificationError):
        receiver.verify(endpoint.secret)


def test_endpoint_is_worked_for_by_one_sweep_at_a_time(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    happen("order.placed", "1")
    now = timezone.now()
    WebhookEndpoint.objects.update(lease="somebody", leased_until=now + MINUTE)

    assert tell(endpoint, now=now) == 0
    assert tell(endpoint, now=now + 2 * MINUTE) == 1

    assert len(receiver.received) == 1


def test_sweep_that_lost_its_lease_writes_nothing_down(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    happen("order.placed", "1")

    def take_over(received: object) -> int:
        WebhookEndpoint.objects.update(lease="somebody else")
        return 204

    receiver.answer = take_over
    tell(endpoint)

    assert states(endpoint) == ["ready"]
    assert reread(endpoint).lease == "somebody else"


def test_endpoint_that_is_well_is_sent_nothing_twice_when_it_is_switched_on_meanwhile(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    happen("order.placed", "1")
    happen("order.paid", "1")
    others = []

    def switch_on(_received: object) -> int:
        endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": True}, now=timezone.now())
        others.append(sending.serve(endpoint.pk, now=timezone.now()))  # another sweep
        return 204

    receiver.answer = switch_on

    assert tell(endpoint) == 2
    assert others == [0, 0]
    assert receiver.events() == [("order.placed", "1"), ("order.paid", "1")]
    assert states(endpoint) == ["done", "done"]


@pytest.mark.parametrize("status", [204, 410])
def test_answer_of_a_former_address_is_nothing_of_the_new_one(receiver: Receiver, status: int) -> None:
    endpoint = add(receiver.url)
    with Receiver() as elsewhere:

        def move(_received: object) -> int:
            endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"url": elsewhere.url}, now=timezone.now())
            return status

        receiver.answer = move
        happen("order.placed", "1")
        tell(endpoint)

        assert (states(endpoint), reread(endpoint).is_enabled) == (["ready"], True)
        assert tell(endpoint) == 1
        assert elsewhere.events() == [("order.placed", "1")]


def test_endpoint_whose_address_is_no_longer_allowed_can_be_switched_off(receiver: Receiver, settings) -> None:
    endpoint = add(receiver.url)
    settings.WEBHOOK_PRIVATE_NETWORKS = []

    changed = endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": False}, now=timezone.now())

    assert not changed.is_enabled
    with pytest.raises(Invalid):
        endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": True}, now=timezone.now())


def test_address_is_called_as_it_was_typed(receiver: Receiver) -> None:
    endpoint = add(f"{receiver.url};token=a?x=1;y")
    happen("order.placed", "1")

    tell(endpoint)

    assert receiver.received[0].path == "/hooks;token=a?x=1;y"
    assert receiver.received[0].headers["host"] == receiver.url.split("/")[2]


def test_endpoint_that_is_slow_is_left_to_those_who_have_time(receiver: Receiver, monkeypatch) -> None:
    monkeypatch.setattr(senders, "SLOW_SECONDS", -1)
    endpoint = add(receiver.url)
    happen("order.placed", "1")
    some = Senders()
    now = timezone.now()
    some.finish(clock=lambda: now)
    happen("order.placed", "2")
    spread()

    assert [sending.list_due(now=now, is_held_up=held, slow=some.slow, limit=5) for held in (False, True)] == [
        [],
        [endpoint.pk],
    ]
    some.finish(clock=lambda: now)
    assert states(endpoint) == ["done", "done"]


def test_delivery_that_has_ended_is_sent_again_under_its_id(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    happen("order.placed", "1")
    tell(endpoint)

    endpoints.replay(delivery_ids=[WebhookDelivery.objects.get().pk], now=timezone.now())

    assert tell(endpoint) == 1
    assert len({received.event_id for received in receiver.received}) == 1


def refused(endpoint: WebhookEndpoint, receiver: Receiver, *events: tuple[str, str], now: datetime) -> list[int]:
    """Events that an endpoint has refused while it takes nothing, oldest first; from now on it would take them."""
    receiver.answer = lambda received: 500
    for event in events:
        happen(*event)
        spread()
    for step in range(2 * len(events)):
        tell(endpoint, now=now + step * MINUTE)
    receiver.answer, receiver.received = lambda received: 204, []
    return list(WebhookDelivery.objects.order_by("pk").values_list("pk", flat=True))


def test_what_waits_is_sent_again_at_once_and_keeps_its_tries(receiver: Receiver) -> None:
    endpoint, now = add(receiver.url), timezone.now()
    (delivery_id,) = refused(endpoint, receiver, ("order.placed", "1"), now=now)
    later = now + MINUTE + SECOND
    assert tell(endpoint, now=later) == 0
    tries = WebhookDelivery.objects.get().attempts

    replayed = endpoints.replay(delivery_ids=[delivery_id], now=later)

    assert (set(replayed.again), replayed.held_up) == ({delivery_id}, {})
    assert WebhookDelivery.objects.get().attempts == tries == 2
    assert tell(endpoint, now=later) == 1


def test_what_waits_behind_another_one_of_its_key_is_not_sent_before_it(receiver: Receiver) -> None:
    endpoint, now = add(receiver.url), timezone.now()
    first, second = refused(endpoint, receiver, ("order.placed", "1"), ("order.paid", "1"), now=now)
    later = now + 3 * MINUTE + SECOND

    with pytest.raises(DeliveryHeldUp) as held_up:
        endpoints.replay_one(delivery_id=second, now=later)

    assert held_up.value.details == {"delivery_id": second, "first_id": first}
    assert tell(endpoint, now=later) == 0
    assert endpoints.replay(delivery_ids=[second, first], now=later).held_up == {}
    tell(endpoint, now=later)
    tell(endpoint, now=later)
    assert receiver.events() == [("order.placed", "1"), ("order.paid", "1")]


@pytest.mark.parametrize("is_off", [False, True])
def test_endpoint_that_is_switched_on_gets_at_once_what_waits(receiver: Receiver, is_off: bool) -> None:
    endpoint, now = add(receiver.url), timezone.now()
    events = ("order.placed", "1"), ("order.paid", "1"), ("order.placed", "2")
    refused(endpoint, receiver, *events, now=now)
    later = now + 5 * MINUTE + SECOND
    if is_off:
        endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": False}, now=later)
    assert tell(endpoint, now=later) == 0

    endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": True}, now=later)

    assert tell(endpoint, now=later) == 3
    assert [event for event in receiver.events() if event[1] == "1"] == [*events[:2]]


def test_what_happens_while_an_endpoint_is_off_is_not_kept_for_it(receiver: Receiver) -> None:
    endpoint, now = add(receiver.url), timezone.now()
    happen("order.placed", "before")
    spread()
    endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": False}, now=now)
    happen("order.placed", "meanwhile")
    spread()

    endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": True}, now=now)

    tell(endpoint, now=now)
    assert receiver.events() == [("order.placed", "before")]


def test_delivery_of_an_endpoint_that_is_off_is_sent_again_once_that_is_on(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    happen("order.placed", "1")
    now = timezone.now()
    tell(endpoint, now=now)
    endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": False}, now=now)

    replayed = endpoints.replay(delivery_ids=[WebhookDelivery.objects.get().pk], now=now)

    assert (len(replayed.off), len(replayed.again)) == (1, 0)
    endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": True}, now=now)
    assert tell(endpoint, now=now) == 1


def test_what_ended_long_ago_is_deleted(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    happen("order.placed", "1")
    now = timezone.now()
    tell(endpoint, now=now)
    happen("order.paid", "1")
    tell(endpoint, now=now + 5 * DAY)

    assert purge(now=now + 7 * DAY + SECOND) == 1
    assert purge(now=now + 7 * DAY + SECOND) == 0

    assert states(endpoint) == ["done"]


def test_what_waits_for_an_endpoint_that_is_off_for_long_is_deleted(receiver: Receiver) -> None:
    endpoint = add(receiver.url)
    happen("order.placed", "1")
    now = timezone.now()
    spread()
    assert reading.oldest_waiting_at() <= now
    endpoints.change_endpoint(endpoint_id=endpoint.pk, values={"is_enabled": False}, now=now)

    assert reading.oldest_waiting_at() is None
    assert purge(now=now + 29 * DAY) == 0
    assert purge(now=now + 31 * DAY) == 1


def test_endpoint_that_is_removed_takes_its_deliveries_with_it(receiver: Receiver) -> None:
    endpoint, other = add(receiver.url), add(receiver.url)
    happen("order.placed", "1")
    now = timezone.now()
    tell(endpoint, now=now)
    happen("order.paid", "1")
    spread()

    endpoints.remove_endpoint(endpoint_id=endpoint.pk)

    assert purge(now=now) == 2
    assert (states(endpoint), states(other)) == ([], ["ready", "ready"])
