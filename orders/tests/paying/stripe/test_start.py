"""A shop that cannot use Stripe says so at the start; what a call may cost; whose key it is."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
import stripe
from django.core.exceptions import ImproperlyConfigured

from lab.kit.stripe_api import KEY, SECRET, STRIPE, StripeApi
from lab.servers import free_port
from orders.apps import useless_provider
from orders.errors import PaymentsUnavailable
from orders.models import Order, Payment
from orders.payments import port
from orders.payments.stripe import Stripe
from orders.payments.stripe.connection import LONGEST_ANSWER_BYTES, Bounded, reached
from orders.tests.paying.stripe.steps import begin


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"STRIPE_API_KEY": ""}, "Stripe wants STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET."),
        ({"STRIPE_WEBHOOK_SECRET": ""}, "Stripe wants STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET."),
        ({"STRIPE_API_URL": "http://stripe.example"}, "must be https://, or everybody on the way reads the key."),
        ({"ORDER_PAY_TIMEOUT_SECONDS": 82_801}, "ORDER_PAY_TIMEOUT_SECONDS is 82800 at most."),
        ({"CURRENCY": "KWD"}, "Stripe counts KWD in other units than this shop: choose CURRENCY anew."),
        ({"CURRENCY": "ISK"}, "Stripe counts ISK in other units than this shop: choose CURRENCY anew."),
    ],
)
def test_settings_that_stripe_cannot_be_used_with_are_told(settings: Any, changes: dict[str, Any], words: str) -> None:
    settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET = KEY, SECRET
    for name, value in changes.items():
        setattr(settings, name, value)

    with pytest.raises(ImproperlyConfigured) as refused:
        Stripe()

    assert str(refused.value).endswith(words)


@pytest.mark.parametrize("currency", ["CNY", "EUR", "JPY"])
def test_shop_with_all_it_wants_has_a_provider(settings: Any, currency: str) -> None:
    settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET = KEY, SECRET
    settings.ORDER_PAY_TIMEOUT_SECONDS, settings.CURRENCY = 82_800, currency

    assert port.faults_of(Stripe()) == []


def test_start_without_the_library_says_what_to_install(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("orders.payments.stripe")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "stripe", None)
    monkeypatch.setattr(port, "_provider", port._provider.__wrapped__)  # which keeps what it has loaded
    settings.PAYMENT_PROVIDER = STRIPE

    (sentence,) = useless_provider()

    assert sentence == (
        f"PAYMENT_PROVIDER={STRIPE} cannot be used: "
        "Stripe's library is not there: pip install -r requirements-stripe.txt."
    )


# Calls


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The address of a server that does something odd with a request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *args: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_call_that_is_not_answered_ends_in_its_time(settings: Any) -> None:
    settings.STRIPE_API_KEY, is_over = KEY, threading.Event()
    with server(lambda request: is_over.wait() and None) as settings.STRIPE_API_URL:
        with pytest.raises(httpx.TimeoutException), reached(0.2) as api:
            api.refunds.list()
        is_over.set()


def test_no_step_of_a_call_may_take_longer_than_is_left_for_all_of_them() -> None:
    told: list[float] = []

    def look(request: httpx.Request) -> httpx.Response:
        told.extend(request.extensions["timeout"].get(step) for step in ("connect", "read"))
        return httpx.Response(200, content=b"{}")

    with httpx.Client(transport=httpx.MockTransport(look)) as client:
        calls = Bounded(client, 1_000.0)
        calls.request("get", "http://stripe", {})
        calls.request("get", "http://stripe", {})
        with pytest.raises(TimeoutError):
            Bounded(client, -1.0).request("get", "http://stripe", {})

    assert len(told) == 6
    assert 1_000.0 > told[0] > told[1] > told[2] > told[3] > 0
    assert told[4:] == [0.001, 0.001]


def test_answer_without_an_end_is_not_read_to_it(settings: Any) -> None:
    def send_much(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        sent = 0
        while sent < 8 * LONGEST_ANSWER_BYTES:
            try:
                sent += request.wfile.write(b" " * 65_536)
            except OSError:
                return
        raise AssertionError("all of it was read")

    settings.STRIPE_API_KEY = KEY
    with server(send_much) as settings.STRIPE_API_URL:
        with pytest.raises(TimeoutError, match="without an end"), reached(60) as api:
            api.refunds.list()


def test_call_that_fails_is_made_once(settings: Any) -> None:
    made: list[str] = []

    def fail(request: BaseHTTPRequestHandler) -> None:
        made.append(request.path)
        request.send_response(500)
        request.send_header("Stripe-Should-Retry", "true")
        request.end_headers()
        request.wfile.write(b'{"error": {"type": "api_error"}}')

    settings.STRIPE_API_KEY = KEY
    with server(fail) as settings.STRIPE_API_URL:
        with pytest.raises(stripe.APIError), reached(60) as api:
            api.refunds.list()

    assert made == ["/v1/refunds"]


@pytest.mark.django_db(transaction=True)
def test_calls_say_who_asks_and_nothing_of_this_machine_alone(api: StripeApi, order: Order) -> None:
    begin(order)

    number = Payment.objects.get().payment_id
    assert api.headers["Idempotency-Key"] == f"charites-begin-{number}"
    told = json.loads(api.headers["X-Stripe-Client-User-Agent"])
    assert (told["httplib"], "telemetry_id" in told, "platform" in told) == ("httpx", False, False)


@pytest.mark.django_db(transaction=True)
def test_nobody_who_listens_was_asked_nothing(api: StripeApi, order: Order, settings: Any) -> None:
    settings.STRIPE_API_URL = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(PaymentsUnavailable) as refused:
        begin(order)

    assert type(refused.value) is PaymentsUnavailable
    assert Payment.objects.get().status == "begun"


@pytest.mark.django_db(transaction=True)
def test_key_that_stripe_does_not_know_is_not_repeated(
    api: StripeApi, order: Order, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.STRIPE_API_KEY = "sk_test_of_nobody"

    with pytest.raises(PaymentsUnavailable) as refused:
        begin(order)

    assert type(refused.value) is PaymentsUnavailable
    assert "Invalid API Key" in caplog.text
    assert "of_nobody" not in caplog.text
    assert api.sessions == {}
