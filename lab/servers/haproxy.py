"""A private HAProxy with the configuration of production, in front of two databases."""

import socket

from lab.servers.ports import LOOPBACK, free_port
from lab.servers.private_server import DEPLOY, Server, ServerFailed, find_program

CONFIGURATION = DEPLOY / "haproxy.cfg"


class HAProxy(Server):
    """deploy/haproxy.cfg on ports of its own: `port` leads to the writer, `reader_port` to the other one."""

    name = "haproxy"

    def __init__(self, one: int, two: int) -> None:
        """`one`, `two`: ports of the databases; the first one writes."""
        super().__init__()
        self.databases = (one, two)
        self.reader_port = free_port()

    def ports(self) -> list[int]:
        return [self.port, self.reader_port]

    def change_ports(self) -> None:
        super().change_ports()
        self.reader_port = free_port()

    def configuration(self) -> str:
        """The file of production with this server's addresses. Raises ServerFailed where the file has others by now."""
        text = CONFIGURATION.read_text()
        for old, new in {
            "/run/haproxy/admin.sock mode": f"{self.folder / 'admin'} mode",
            "127.0.0.1:3306\n    server": f"{LOOPBACK}:{self.port}\n    server",
            "127.0.0.1:3307\n    server": f"{LOOPBACK}:{self.reader_port}\n    server",
            "10.0.0.1:3306": f"{LOOPBACK}:{self.databases[0]}",
            "10.0.0.2:3306": f"{LOOPBACK}:{self.databases[1]}",
        }.items():
            if old not in text:
                raise ServerFailed(f"{CONFIGURATION.name} has no {old!r}")
            text = text.replace(old, new)
        return text

    def command(self) -> list[str]:
        file = self.folder / "haproxy.cfg"
        file.write_text(self.configuration())
        return [find_program("haproxy"), "-db", "-f", str(file)]

    def answers(self, connection: socket.socket) -> bool:
        return True  # it listens when it has read everything

    def tell(self, commands: str) -> str:
        """Carries out commands of its own language, as `socat` would; returns what it says."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.folder / "admin"))
            connection.sendall(f"{commands}\n".encode())
            return b"".join(iter(lambda: connection.recv(4096), b"")).decode()
