"""A TCP proxy in front of MariaDB that loses the reply to one COMMIT, as a cut network does."""

import contextlib
import select
import socket
import threading
from types import TracebackType
from typing import Self

COMMIT = b"\x03COMMIT"  # a query packet's body
BUFFER = 65_536


class LossyProxy:
    """Listens on a free port of its own. The first COMMIT after a statement that contains `after` is passed on
    without its reply (`carried_out`) or swallowed, and both connections are cut. Everything else passes."""

    def __init__(self, target: tuple[str, int], *, after: bytes, carried_out: bool) -> None:
        self._target, self._after, self._carried_out = target, after, carried_out
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.lost = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # close() alone would leave the accepting thread asleep on the port.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(self._target) as server:
            is_near = False
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(BUFFER)
                    if not data:
                        return
                    if source is server:
                        client.sendall(data)
                        continue
                    is_near = is_near or self._after in data.replace(b"`", b"")
                    if is_near and COMMIT in data.upper() and not self.lost:
                        self.lost += 1
                        if self._carried_out:
                            server.sendall(data)
                            server.recv(BUFFER)
                        return
                    server.sendall(data)
