"""Traces by OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT says where they go. Without it nothing of it is imported,
and a span costs a look at a variable.

A trace goes along with `traceparent` (https://www.w3.org/TR/trace-context/): in headers of HTTP, metadata of gRPC,
headers of messages and arguments of Celery's tasks. Spans hold ids and numbers, and nothing that people or databases
say.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from django.core.exceptions import ImproperlyConfigured

FLUSH_MS = 2_000  # how long the end of a process waits for whoever takes the spans
NOTHING: AbstractContextManager[None] = nullcontext()
PARENT = "traceparent"


class Tracing:
    """What is on in this process; None: nothing."""

    traces: "Traces | None" = None


class Traces:
    """Spans of this process, which go to an exporter in the background."""

    def __init__(self, processor: Any) -> None:
        from opentelemetry import trace  # noqa: PLC0415 (only who wants it has it)
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._trace, self._propagator = trace, TraceContextTextMapPropagator()
        self.provider = TracerProvider(
            resource=Resource.create(
                {"service.name": os.environ.get("OTEL_SERVICE_NAME", "charites"), "process.pid": os.getpid()}
            )
        )
        self.provider.add_span_processor(processor)
        self._tracer = self.provider.get_tracer("charites")

    @contextmanager
    def span(
        self, name: str, kind: str, carrier: Mapping[str, Any] | None, links: Iterable[Any], attributes: dict[str, Any]
    ) -> Iterator[None]:
        """See `span` below. What is raised marks it as failed, without its words."""
        worked_for = [link for link in links if link is not None]
        begun = self._tracer.start_as_current_span(
            name,
            context=self._within(worked_for) if carrier is None else self._propagator.extract(carrier),
            kind=self._trace.SpanKind[kind],
            attributes=attributes,
            links=[self._trace.Link(link) for link in worked_for],
            record_exception=False,
            set_status_on_exception=False,
        )
        with begun as current:
            try:
                yield
            except BaseException as error:
                current.set_status(self._trace.StatusCode.ERROR)
                current.set_attribute("error.type", type(error).__name__)
                raise

    def _within(self, worked_for: list[Any]) -> Any:
        """The context of what works for spans: that of the first one that is kept, or where there are none the one
        around."""
        if not worked_for:
            return None
        chosen = next((each for each in worked_for if each.trace_flags.sampled), worked_for[0])
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(chosen))

    def here(self) -> Any:
        found = self._trace.get_current_span().get_span_context()
        return found if found.is_valid else None

    def carried(self) -> dict[str, str]:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return {PARENT: carrier[PARENT]} if PARENT in carrier else {}

    def note(self, name: str, attributes: dict[str, Any]) -> None:
        current = self._trace.get_current_span()
        current.update_name(name)
        current.set_attributes(attributes)


def configure(endpoint: str) -> None:
    """Sends traces to an endpoint of OTLP over HTTP; empty: none are made. Raises ImproperlyConfigured without the
    packages."""
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise ImproperlyConfigured(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not there: pip install -r requirements-otel.txt, "
            "or leave the setting out."
        ) from error
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    Tracing.traces = Traces(BatchSpanProcessor(exporter))


def span(
    name: str,
    *,
    kind: str = "INTERNAL",
    carrier: Mapping[str, Any] | None = None,
    links: Iterable[Any] = (),
    **attributes: Any,
) -> AbstractContextManager[None]:
    """A span around the block. `carrier`: what came with whatever began it, where it may name its parent; without one
    the parent is the span around. `links`: spans (as `here` gives them) that it works for, of which the first one that
    is kept is its parent."""
    if Tracing.traces is None:
        return NOTHING
    return Tracing.traces.span(name, kind, carrier, links, attributes)


def here() -> Any:
    """The span that is open here, to be linked to; None where there is none."""
    return Tracing.traces.here() if Tracing.traces else None


def carried() -> dict[str, str]:
    """What has to go along, so that whoever takes it goes on with this trace."""
    return Tracing.traces.carried() if Tracing.traces else {}


def note(name: str, **attributes: Any) -> None:
    """Names the span that is open here, once more is known."""
    if Tracing.traces:
        Tracing.traces.note(name, attributes)


def flush() -> None:
    """Sends the spans that are still here: for servers that are about to end."""
    if Tracing.traces:
        Tracing.traces.provider.force_flush(FLUSH_MS)
