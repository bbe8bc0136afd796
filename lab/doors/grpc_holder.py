"""A connection of gRPC that opens calls and leaves them open."""

import socket
import time
from types import TracebackType
from typing import Self

from google.protobuf.message import Message
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event, RemoteSettingsChanged, StreamEnded, StreamReset
from h2.exceptions import TooManyStreamsError


class Holder:
    """Opens calls whose request never comes (no `request`), or whose answer has no end. Leaving the block hangs up."""

    def __init__(self, address: str, seconds: float = 60) -> None:
        host, _, port = address.rpartition(":")
        self._address, self._seconds = address, seconds
        self._socket = socket.create_connection((host, int(port)), timeout=seconds)
        self._connection = H2Connection(H2Configuration(client_side=True))
        self._connection.initiate_connection()
        self._socket.sendall(self._connection.data_to_send())
        self.open: set[int] = set()
        self.is_hung_up = False
        self._await(RemoteSettingsChanged)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def hold(self, path: str, count: int, request: Message | None = None, *, ends: bool = False) -> int:
        """Opens as many calls as the server lets one connection have, `count` at most; returns how many. `ends`: each
        says that no request follows."""
        opened = 0
        for _ in range(count):
            stream = self._connection.get_next_available_stream_id()
            try:
                self._connection.send_headers(stream, self._headers(path), end_stream=ends)
            except TooManyStreamsError:
                break
            if request is not None:
                data = request.SerializeToString()
                self._connection.send_data(stream, b"\0" + len(data).to_bytes(4, "big") + data, end_stream=True)
            self.open.add(stream)
            opened += 1
        self._socket.sendall(self._connection.data_to_send())
        return opened

    def _headers(self, path: str) -> list[tuple[str, str]]:
        named = {":method": "POST", ":path": path, ":scheme": "http", ":authority": self._address}
        return [*named.items(), ("content-type", "application/grpc"), ("te", "trailers")]

    def listen(self, seconds: float) -> None:
        """Takes what the server says for so long, or until it hangs up."""
        deadline = time.monotonic() + seconds
        while not self.is_hung_up and (left := deadline - time.monotonic()) > 0:
            self._receive(left)

    def await_end_of_calls(self, left_open: int = 0) -> None:
        """Waits until the server has ended all but so many. Raises AssertionError."""
        deadline = time.monotonic() + self._seconds
        while len(self.open) > left_open and not self.is_hung_up:
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(self.open)} calls are still open")
            self._receive(1)
        if self.is_hung_up:
            raise AssertionError("the server has hung up")

    def _await(self, kind: type[Event]) -> None:
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline:
            if any(isinstance(event, kind) for event in self._receive(1)):
                return
        raise AssertionError(f"no {kind.__name__}")

    def _receive(self, seconds: float) -> list[Event]:
        self._socket.settimeout(max(seconds, 0.01))
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return []
        except OSError:
            data = b""
        self.is_hung_up = self.is_hung_up or not data
        events = self._connection.receive_data(data) if data else []
        for event in events:
            if isinstance(event, StreamEnded | StreamReset):
                self.open.discard(event.stream_id or 0)
            elif isinstance(event, ConnectionTerminated):
                self.is_hung_up = True
        if not self.is_hung_up:
            self._socket.sendall(self._connection.data_to_send())
        return events
