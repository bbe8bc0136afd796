"""TCP proxies in front of a server, mostly MariaDB, which do what a cut network does: at one statement, or to all."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from types import TracebackType
from typing import NamedTuple, Self

from django.db import connection

from stock.strategies import get_strategy

COMMIT = b"\x03COMMIT"  # a query packet's body
BUFFER = 65_536


class Fate(Enum):
    """What becomes of something that a client sends."""

    PASSED = "passed on"
    LOST = "swallowed, and both connections are cut"
    UNHEARD = "carried out, its reply swallowed, and both connections are cut"


class Proxy:
    """Listens on a free port of its own and passes everything on, both ways, until it is cut."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._is_cut = False
        self._open: set[socket.socket] = set()
        self._mutex = threading.Lock()
        self.port: int = self._listener.getsockname()[1]

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
        self.cut()

    def cut(self) -> None:
        """Cuts every connection, and each new one as soon as it is made."""
        with self._mutex:
            self._is_cut = True
            for one_end in self._open:
                with contextlib.suppress(OSError):
                    one_end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """From now on connections are passed on again."""
        self._is_cut = False

    def move_to(self, target: tuple[str, int]) -> None:
        """Cuts every connection; from now on new ones lead to another server."""
        self._target = target
        self.cut()
        self.mend()

    def watch(self) -> Callable[[bytes], Fate]:
        """Returns what decides about each thing that one client sends; called once per connection."""
        return lambda data: Fate.PASSED

    def fell(self, fate: Fate) -> None:
        """Called when something was lost or went unheard, before the client can notice."""

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(self._target) as server:
            with self._mutex:
                if self._is_cut:
                    return
                self._open |= {client, server}
            try:
                self._pass_on(client, server)
            finally:
                with self._mutex:
                    self._open -= {client, server}

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        decide = self.watch()
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(BUFFER)
                if not data:
                    return
                if source is server:
                    client.sendall(data)
                    continue
                fate = decide(data)
                if fate is not Fate.LOST:
                    server.sendall(data)
                if fate is Fate.UNHEARD:
                    server.recv(BUFFER)
                if fate is not Fate.PASSED:
                    self.fell(fate)
                    return


class LossyProxy(Proxy):
    """Loses the reply to one COMMIT: the first one after a statement that contains `after` is passed on without its
    reply (`carried_out`) or swallowed. With `away` everything is cut from then on, as if the database were gone."""

    def __init__(self, target: tuple[str, int], *, after: bytes, carried_out: bool, away: bool = False) -> None:
        super().__init__(target)
        self._after, self._carried_out, self._away = after, carried_out, away
        self.lost = 0

    def watch(self) -> Callable[[bytes], Fate]:
        is_near = False

        def decide(data: bytes) -> Fate:
            nonlocal is_near
            is_near = is_near or self._after in plain(data)
            if not is_near or COMMIT not in data.upper() or self.lost:
                return Fate.PASSED
            self.lost += 1
            return Fate.UNHEARD if self._carried_out else Fate.LOST

        return decide

    def fell(self, fate: Fate) -> None:
        if self._away:
            self.cut()


@contextlib.contextmanager
def lossy_database(*, after: str, carried_out: bool, away: bool = False) -> Iterator[LossyProxy]:
    """This process behind a `LossyProxy`."""
    with (
        LossyProxy(database_address(), after=after.encode(), carried_out=carried_out, away=away) as proxy,
        database_behind(proxy),
    ):
        yield proxy


@contextlib.contextmanager
def database_behind(proxy: Proxy) -> Iterator[None]:
    """Every connection to MariaDB that this process opens in the block goes through a proxy; one that is open already,
    as the test's own, does not. So what is to meet the fault runs in a thread of its own."""
    address = connection.settings_dict
    direct = {"HOST": address["HOST"], "PORT": address["PORT"]}
    get_strategy.cache_clear()  # its committer keeps a connection
    address |= {"HOST": "127.0.0.1", "PORT": str(proxy.port)}
    try:
        yield
    finally:
        address |= direct


def database_address() -> tuple[str, int]:
    return connection.settings_dict["HOST"], int(connection.settings_dict["PORT"])


class Point(NamedTuple):
    """A moment in a conversation with the database: at a statement that contains `at`, in a connection that has sent
    one with `after` before."""

    at: bytes
    after: bytes = b""


class ArmedProxy(Proxy):
    """Told a point, it calls a function there, once: before the database has seen the statement, or after it was
    carried out; the client never hears of it."""

    def __init__(self, target: tuple[str, int]) -> None:
        super().__init__(target)
        self.fired = threading.Event()
        self._armed: tuple[Point, Fate, Callable[[], None]] | None = None
        self._then: Callable[[], None] | None = None

    def arm(self, point: Point, fate: Fate, then: Callable[[], None]) -> None:
        self.fired.clear()
        self._armed = (point, fate, then)

    def disarm(self) -> bool:
        """Forgets the point; False when somebody has just come to it."""
        with self._mutex:
            armed, self._armed = self._armed, None
            return armed is not None

    def watch(self) -> Callable[[bytes], Fate]:
        seen = b""

        def decide(data: bytes) -> Fate:
            nonlocal seen
            if not (armed := self._armed):
                seen = b""
                return Fate.PASSED
            point, fate, then = armed
            sent = plain(data)
            if point.at in sent and (not point.after or seen):
                with self._mutex:
                    if self._armed is not armed:  # another connection was faster
                        return Fate.PASSED
                    self._armed, self._then = None, then
                return fate
            seen = seen or (point.after if point.after in sent else b"")
            return Fate.PASSED

        return decide

    def fell(self, fate: Fate) -> None:
        if self._then:
            self._then()
        self.fired.set()


def plain(data: bytes) -> bytes:
    """Statements without the quotes of names."""
    return data.replace(b"`", b"")
