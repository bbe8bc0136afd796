"""Whoever takes the traces: a server on this machine that speaks OTLP over HTTP, and remembers the spans."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent


class Span(NamedTuple):
    trace_id: str
    span_id: str
    parent_id: str  # empty: it has none
    name: str
    kind: str
    process: int


class TraceCollector:
    """Takes the spans of all who send them to `url`."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector._take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *words: Any) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            (process,) = (each.value.int_value for each in resource.resource.attributes if each.key == "process.pid")
            for scope in resource.scope_spans:
                self.spans += [as_span(sent, process) for sent in scope.spans]

    def find(self, trace_id: str, name: str, kind: str) -> Span | None:
        named = (span for span in self.spans if (span.trace_id, span.name, span.kind) == (trace_id, name, kind))
        return next(named, None)

    def path_to(self, span: Span) -> list[Span]:
        """The span and those around it, the outermost first."""
        by_id = {other.span_id: other for other in self.spans if other.trace_id == span.trace_id}
        path = [span]
        while parent := by_id.get(path[0].parent_id):
            path.insert(0, parent)
        return path


def as_span(sent: Sent, process: int) -> Span:
    trace_id, span_id, parent_id = (each.hex() for each in (sent.trace_id, sent.span_id, sent.parent_span_id))
    return Span(trace_id, span_id, parent_id, sent.name, Sent.SpanKind.Name(sent.kind)[len("SPAN_KIND_") :], process)
