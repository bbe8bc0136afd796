"""Loopback ports for private servers: chosen side by side they differ, in one process and between them."""

import fcntl
import os
import random
import socket
import threading
from pathlib import Path

LOOPBACK = "127.0.0.1"
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
# One file for all programs of a user: who holds the lock on byte N has been given port N.
GIVEN = Path(f"/tmp/charites-ports-{os.getuid()}")


def ports_for_servers(ephemeral: range) -> range:
    """Returns ports outside the range from which the system takes some for outgoing connections, so that a server
    which was taken away finds its port free when it comes back. Without enough of them, ports of that range."""
    outside = [range(10_000, min(ephemeral.start, 32_768)), range(max(ephemeral.stop, 10_000), 65_536)]
    largest = max(outside, key=len)
    return largest if len(largest) >= 1_000 else range(20_000, 32_000)


def ephemeral_ports() -> range:
    """Returns the system's range; where it does not say, the one that IANA recommends."""
    try:
        first, last = map(int, EPHEMERAL.read_text().split())
    except (OSError, ValueError):
        return range(49_152, 65_536)
    return range(first, last + 1)


class GivenPorts:
    """The ports that this process has been given and nobody else gets: no other call, in no other process.

    Programs of ours choose ports side by side and listen seconds later. A lock ends with its process, however it ends.
    """

    def __init__(self, file: Path) -> None:
        self._mutex = threading.Lock()
        self._ports: set[int] = set()
        self._file = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)  # never closed: that would end all locks

    def claim(self, port: int) -> bool:
        """Whether the port is ours now, and was nobody's before."""
        with self._mutex:
            if port in self._ports:  # the system would give a process its own lock again
                return False
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except OSError:
                return False
            self._ports.add(port)
            return True

    def give_back(self, port: int) -> None:
        with self._mutex:
            if port in self._ports:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, port)
                self._ports.remove(port)


PORTS = ports_for_servers(ephemeral_ports())
given_ports = GivenPorts(GIVEN)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Returns a loopback port that nobody listens on, and that no other call gets while this process lives.

    Who is no program of ours may still take it: look again before a server is told its port (`still_free`), or be
    ready to start on another one.
    """
    return next(port for port in random.sample(PORTS, len(PORTS)) if given_ports.claim(port) and is_free(port))


def still_free(port: int) -> int:
    """Returns the port, or another one if somebody listens there by now. For a port that nobody was told yet."""
    return port if is_free(port) else free_port()
