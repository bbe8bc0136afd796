"""A TCP proxy in front of MariaDB that loses the reply to one COMMIT, as a cut network does."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from django.db import connection

from stock.strategies import get_strategy

COMMIT = b"\x03COMMIT"  # a query packet's body
BUFFER = 65_536


class LossyProxy:
    """Listens on a free port of its own. The first COMMIT after a statement that contains `after` is passed on
    without its reply (`carried_out`) or swallowed, and both connections are cut. Everything else passes; or nothing
    does from then on (`away`), as if the database were gone."""

    def __init__(self, target: tuple[str, int], *, after: bytes, carried_out: bool, away: bool = False) -> None:
        self._target, self._after, self._carried_out, self._away = target, after, carried_out, away
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.lost = 0
        self._clients: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_listening()

    def _stop_listening(self) -> None:
        # close() alone would leave the accepting thread asleep on the port.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
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
                        self._lose(server, data)
                        return
                    server.sendall(data)

    def _lose(self, server: socket.socket, data: bytes) -> None:
        self.lost += 1
        if self._away:
            self._stop_listening()
        if self._carried_out:
            server.sendall(data)
            server.recv(BUFFER)
        if self._away:
            for client in self._clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def lossy_database(*, after: str, carried_out: bool, away: bool = False) -> Iterator[LossyProxy]:
    """Every connection to MariaDB that this process opens in the block goes through a `LossyProxy`; one that is open
    already, as the test's own, does not. So what is to meet the fault runs in a thread of its own."""
    address = connection.settings_dict
    direct = {"HOST": address["HOST"], "PORT": address["PORT"]}
    target = (direct["HOST"], int(direct["PORT"]))
    with LossyProxy(target, after=after.encode(), carried_out=carried_out, away=away) as proxy:
        get_strategy.cache_clear()  # its committer keeps a connection
        address |= {"HOST": "127.0.0.1", "PORT": str(proxy.port)}
        try:
            yield proxy
        finally:
            address |= direct
