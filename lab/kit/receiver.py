"""Another system that is told of events: a server on this machine, which notes what it gets."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from standardwebhooks import Webhook


class Received(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """Answers with `answer(received) -> status`, 204 unless told otherwise; a status of 3xx leads to `location`."""

    def __init__(self, answer: Callable[[Received], int] = lambda received: 204) -> None:
        self.answer = answer
        self.location = ""
        self.received: list[Received] = []
        self._mutex = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                received = Received(self.path, {name.lower(): text for name, text in self.headers.items()}, body)
                with receiver._mutex:
                    receiver.received.append(received)
                status = receiver.answer(received)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", receiver.location)
                self.send_header("content-length", "0")
                self.end_headers()

            do_PUT = do_POST

            def log_message(self, *args: Any) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hooks"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def events(self) -> list[tuple[str, str]]:
        """Returns (event, order, product or room) of everything that came, in that order."""
        found = [received.event for received in self.received]
        ids = ("order_id", "goods_id", "room_id")
        return [
            (event["type"], next(str(event["data"][name]) for name in ids if name in event["data"])) for event in found
        ]

    def verify(self, secret: str) -> None:
        """Raises WebhookVerificationError unless all of it is signed with this secret, by the library of receivers."""
        for received in self.received:
            Webhook(secret).verify(received.body, received.headers)
