"""A caller of gRPC that sends what it is told, frame by frame: the libraries' own clients refuse to be rude."""

import base64
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from google.rpc.status_pb2 import Status
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from charites.common.error_pb2 import Error

PART = 16_000
Headers = list[tuple[bytes, bytes]]


@dataclass
class Answer:
    """What came back. `end`: how the call ended; `status`: gRPC's, None where there is none."""

    http: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    end: str = ""

    @property
    def status(self) -> int | None:
        found = self.headers.get("grpc-status", "")
        return int(found) if found.isdigit() else None

    @property
    def message(self) -> str:
        return unquote(self.headers.get("grpc-message", ""))

    @property
    def number(self) -> int:
        """Our number of the error; 0 where it is not ours."""
        details = self.headers.get("grpc-status-details-bin", "")
        return number_in(Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4))))


class Http2Caller:
    """One connection, which is made anew when it has ended."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket: socket.socket | None = None
        self._connection = H2Connection()
        self._deadline = 0.0

    def close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    def call(self, headers: Headers, body: bytes, *, hang_up: bool = False, seconds: float) -> Answer:
        """Sends a request and waits for its end; `hang_up`: resets it instead of waiting."""
        answer = Answer()
        self._deadline = time.monotonic() + seconds
        try:
            connected = self._connect(seconds)
            stream = self._connection.get_next_available_stream_id()
            self._connection.send_headers(stream, headers, end_stream=not body)
            self._send(connected, stream, body, answer)
            if hang_up:
                with suppress(ProtocolError):
                    self._connection.reset_stream(stream, error_code=8)
                connected.sendall(self._connection.data_to_send())
                answer.end = answer.end or "hung up"
            while not answer.end:
                self._receive(connected, stream, answer)
        except TimeoutError:
            answer.end = "hangs"
        except (OSError, ProtocolError) as error:
            answer.end = answer.end or f"connection: {error!r}"
        if answer.end != "ended" and answer.end != "hung up":
            self.close()
        return answer

    def _connect(self, seconds: float) -> socket.socket:
        if self._socket is None:
            host, _, port = self.address.rpartition(":")
            self._socket = socket.create_connection((host, int(port)), timeout=seconds)
            config = H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
            )
            self._connection = H2Connection(config)
            self._connection.initiate_connection()
            self._socket.sendall(self._connection.data_to_send())
        return self._socket

    def _send(self, connected: socket.socket, stream: int, body: bytes, answer: Answer) -> None:
        """Sends a body in parts, as the other side lets us."""
        while body and not answer.end:
            window = min(self._connection.local_flow_control_window(stream), PART)
            part, body = body[:window], body[window:]
            if part:
                self._connection.send_data(stream, part, end_stream=not body)
            connected.sendall(self._connection.data_to_send())
            if not part:
                self._receive(connected, stream, answer)
        connected.sendall(self._connection.data_to_send())

    def _receive(self, connected: socket.socket, stream: int, answer: Answer) -> None:
        connected.settimeout(max(0.001, self._deadline - time.monotonic()))
        data = connected.recv(65_536)
        if not data:
            answer.end = "connection closed"
            return
        for event in self._connection.receive_data(data):
            self._note(event, stream, answer)
        connected.sendall(self._connection.data_to_send())

    def _note(self, event: Event, stream: int, answer: Answer) -> None:
        if isinstance(event, ConnectionTerminated):
            answer.end = f"connection ended with code {event.error_code}"
        if getattr(event, "stream_id", None) != stream:
            return
        match event:
            case ResponseReceived() | TrailersReceived():
                found = as_texts(event.headers)
                answer.http = int(found.pop(":status", answer.http))
                answer.headers |= found
            case DataReceived():
                answer.body += event.data
                self._connection.acknowledge_received_data(event.flow_controlled_length, stream)
            case StreamEnded():
                answer.end = "ended"
            case StreamReset():
                answer.end = answer.end or f"reset with code {event.error_code}"


def number_in(status: Status) -> int:
    """Our number of an error, in the details of a status; 0 where there is none."""
    found = Error()
    return found.code if any(detail.Unpack(found) for detail in status.details) else 0


def as_texts(headers: Sequence[Any] | None) -> dict[str, str]:
    return {bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in headers or ()}
