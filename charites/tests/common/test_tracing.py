"""Traces: one goes along with a request through batches, transactions, messages and other services; none where they are
off."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from celery import current_app
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from charites.common import tracing
from charites.common.tracing import Traces, Tracing
from charites.tests.web.asked import Web, as_buyer, order
from goods.rpc.goods_pb2 import GoodsDetail
from lab.kit.factories import NOW, make_capture, make_goods, make_order, make_payment
from lab.kit.grpc_server import grpc_callers
from lab.kit.rest_client import anybody, buyer
from messaging.models import Message
from messaging.relay import deliver_due
from messaging.wakeups import WakeUps, publish
from orders.services import record_captures
from orders.tasks import close_due

pytest.importorskip("opentelemetry.sdk")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
OTHER_TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER_PARENT = f"00-{OTHER_TRACE}-b7ad6b7169203331-01"
PRIVATE = "Li Lei of 1 Harbour Road"


class Spans:
    """What was traced."""

    def __init__(self) -> None:
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

        self._exporter = InMemorySpanExporter()
        self.traces = Traces(SimpleSpanProcessor(self._exporter))

    def all(self, name: str) -> list[Any]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> Any:
        (found,) = self.all(name)
        return found

    def names(self) -> list[str]:
        return [span.name for span in self._exporter.get_finished_spans()]


@pytest.fixture
def spans() -> Iterator[Spans]:
    spans = Spans()
    Tracing.traces = spans.traces
    yield spans
    Tracing.traces = None


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()


def trace_of(span: Any) -> str:
    return f"{span.context.trace_id:032x}"


def is_child(child: Any, parent: Any) -> bool:
    return bool(child.parent and child.parent.span_id == parent.context.span_id)


# Requests


@pytest.mark.django_db
def test_request_goes_on_with_the_trace_of_its_caller(spans: Spans) -> None:
    buyer().get("/api/goods/4711", {"traceparent": PARENT, "X-Request-ID": "req-1"})
    buyer().get("/api/goods/4711", {"traceparent": "nonsense"})

    first, second = spans.all("GET api/goods/<id:goods_id>")
    assert (trace_of(first), first.kind.name) == (TRACE, "SERVER")
    assert dict(first.attributes) == {"request_id": "req-1", "http.response.status_code": 404}
    assert trace_of(second) != TRACE


@pytest.mark.django_db(transaction=True)
def test_order_in_the_event_loop_goes_on_in_its_batch_which_has_the_transaction(spans: Spans, web: Web) -> None:
    make_goods(1, stock=5)
    web.send("GET", "/api/goods/1", headers=as_buyer())

    assert web.send("POST", "/api/orders", order(), as_buyer(traceparent=PARENT)).status == 201

    request, batch = spans.one("POST api/orders"), spans.one("batch placing")
    assert trace_of(request) == TRACE
    assert [link.context.span_id for link in batch.links] == [request.context.span_id]
    assert is_child(batch, request)
    assert batch.attributes["items"] == 1
    (transaction,) = [
        span for span in spans.all("transaction atomic_update") if span.context.trace_id == batch.context.trace_id
    ]
    assert transaction.attributes["attempt"] == 0


def test_batch_goes_on_in_the_first_trace_that_is_kept_and_links_to_all(spans: Spans) -> None:
    """Where one request in a hundred is kept, what was done for it is kept, too."""
    others = [remembered(PARENT.removesuffix("01") + "00"), remembered(OTHER_PARENT), remembered(PARENT)]

    with tracing.span("around"), tracing.span("batch", links=[None, *others]):
        pass

    batch = spans.one("batch")
    assert trace_of(batch) == OTHER_TRACE
    assert [link.context for link in batch.links] == others


def remembered(parent: str) -> Any:
    """What a call knows of the span that it came from."""
    from opentelemetry.trace import get_current_span  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    return get_current_span(TraceContextTextMapPropagator().extract({"traceparent": parent})).get_span_context()


@pytest.mark.django_db(transaction=True)
def test_call_of_another_service_goes_on_with_the_trace(spans: Spans) -> None:
    make_goods(1)

    with grpc_callers() as callers, tracing.span("outer"):
        callers.buyer().goods.GetGoodsDetail(GoodsDetail(goods_id=1))

    outer = spans.one("outer")
    called, answered = sorted(spans.all("Goods.GetGoodsDetail"), key=lambda span: span.kind.name)
    assert (called.kind.name, answered.kind.name) == ("CLIENT", "SERVER")
    assert is_child(called, outer)
    assert is_child(answered, called)


@pytest.mark.django_db
def test_probes_have_no_spans(spans: Spans) -> None:
    for path in ("/livez", "/metrics"):
        anybody().get(path)

    assert [name for name in spans.names() if name.startswith("GET")] == []


# What comes later


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("provider")
def test_message_goes_on_with_the_trace_of_whoever_published_it(spans: Spans) -> None:
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    with tracing.span("notice"):
        record_captures(captures=[make_capture(payment, amount=5)])
    assert Message.objects.get().headers == {"traceparent": Message.objects.get().headers["traceparent"]}

    assert deliver_due(now=timezone.now()) == 1

    delivery, provider = spans.one("deliver payment_refund"), spans.one("provider refund")
    assert trace_of(delivery) == trace_of(spans.one("notice"))
    assert delivery.kind.name == "CONSUMER"
    assert is_child(provider, delivery)
    assert provider.attributes["payment_id"] == str(payment.payment_id)


@pytest.fixture
def provider(settings) -> None:
    settings.PAYMENT_PROVIDER = "lab.kit.providers.Scripted"


def test_task_carries_the_trace_in_its_arguments(spans: Spans) -> None:
    with current_app.connection_for_write() as connection:
        queue = current_app.conf.task_default_queue
        connection.default_channel.queue_purge(queue)
        with tracing.span("first"):
            publish("task", 1)
        message = connection.SimpleQueue(queue).get(block=True, timeout=60)
        message.ack()

    _args, kwargs, _ = message.payload
    assert kwargs.keys() == {"slot", "traceparent"}
    assert trace_of(spans.one("first")) in kwargs["traceparent"]


@pytest.mark.django_db
def test_wake_up_goes_on_with_the_trace_of_whoever_set_it_first(spans: Spans) -> None:
    carried: list[dict[str, str]] = []
    wakeups = WakeUps(lambda task, slot: carried.append(tracing.carried()))

    with tracing.span("first"):
        wakeups.set("a task of a trace", NOW)
    wakeups._queue.join()
    close_due(slot=1, **carried[0])

    woken = spans.one("shopping_order_pay_timeout")
    assert trace_of(woken) == trace_of(spans.one("first"))
    assert woken.attributes["slot"] == 1


# What is in them


def test_span_that_fails_says_with_what_and_not_why(spans: Spans) -> None:
    with pytest.raises(ValueError, match=PRIVATE), tracing.span("a step"):
        raise ValueError(PRIVATE)

    failed = spans.one("a step")
    assert (failed.status.status_code.name, failed.attributes["error.type"]) == ("ERROR", "ValueError")
    assert PRIVATE not in failed.to_json()


# On and off


@pytest.mark.long
def test_nothing_is_imported_and_nothing_made_where_traces_are_off() -> None:
    code = """
import sys, django
django.setup()
import charites.urls, charites.common.rpc
from charites.common import tracing
with tracing.span("nothing", number=1):
    assert (tracing.here(), tracing.carried()) == (None, {})
tracing.note("nothing")
tracing.flush()
ours = ("opentelemetry.sdk.trace", "opentelemetry.exporter")  # the client of Redis takes others, where they are there
print(sorted(name for name in sys.modules if name.startswith(ours)))
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "charites.settings"}
    environment.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)

    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)

    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_traces_go_to_the_endpoint_of_the_setting() -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: PLC0415

    received: list[tuple[str, bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            tracing.configure(f"http://127.0.0.1:{server.server_port}/")
            with tracing.span("a request", number=5):
                pass
            tracing.flush()
        finally:
            Tracing.traces.provider.shutdown()
            Tracing.traces = None
            server.shutdown()

    ((path, body),) = received
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert path == "/v1/traces"
    assert [span.name for scope in resource.scope_spans for span in scope.spans] == ["a request"]
    assert ("service.name", "charites") in [
        (item.key, item.value.string_value) for item in resource.resource.attributes
    ]


def test_setting_without_the_packages_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with pytest.raises(ImproperlyConfigured, match="requirements-otel.txt"):
        tracing.configure("http://127.0.0.1:4318")
