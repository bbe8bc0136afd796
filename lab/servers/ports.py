"""Free loopback ports for private servers."""

import random
import socket

LOOPBACK = "127.0.0.1"
# Below the range from which the system takes ports for outgoing connections, so that a server which was taken
# away finds its port free when it comes back.
PORTS = range(20_000, 32_000)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Returns a loopback port that nobody listens on now."""
    return next(port for port in random.sample(PORTS, 1000) if is_free(port))
