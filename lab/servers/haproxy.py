"""A private HAProxy with a configuration of production: in front of two databases, or of the shop's servers."""

import socket
from collections.abc import Sequence

from lab.servers.ports import LOOPBACK, free_port
from lab.servers.private_server import DEPLOY, Server, ServerFailed, find_program

BY_PRODUCT = "# use_backend grpc-by-product"  # the line that is left out unless it is wanted
NAMES = ("one", "two", "three", "four")


class AnyHAProxy(Server):
    """`file`: what it reads in production, of which `changes` are ours, old text to new."""

    name = "haproxy"
    file = DEPLOY / "haproxy.cfg"
    admin = "/run/haproxy/admin.sock"

    def changes(self) -> dict[str, str]:
        raise NotImplementedError

    def configuration(self) -> str:
        """The file of production with this server's addresses. Raises ServerFailed where the file has others by now."""
        text = self.file.read_text()
        for old, new in {f"{self.admin} mode": f"{self.folder / 'admin'} mode", **self.changes()}.items():
            if old not in text:
                raise ServerFailed(f"{self.file.name} has no {old!r}")
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

    def states(self) -> dict[tuple[str, str], str]:
        """What it holds of its servers: (backend, server) -> `UP` and the like."""
        rows = [line.split(",") for line in self.tell("show stat").splitlines() if line and not line.startswith("#")]
        return {(row[0], row[1]): row[17] for row in rows}


class HAProxy(AnyHAProxy):
    """deploy/haproxy.cfg on ports of its own: `port` leads to the writer, `reader_port` to the other one."""

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

    def changes(self) -> dict[str, str]:
        return {
            "127.0.0.1:3306\n    server": f"{LOOPBACK}:{self.port}\n    server",
            "127.0.0.1:3307\n    server": f"{LOOPBACK}:{self.reader_port}\n    server",
            "10.0.0.1:3306": f"{LOOPBACK}:{self.databases[0]}",
            "10.0.0.2:3306": f"{LOOPBACK}:{self.databases[1]}",
        }


class ShopHAProxy(AnyHAProxy):
    """deploy/haproxy-shop.cfg on ports of its own and in clear text: `port` speaks HTTP, `grpc_port` gRPC."""

    file = DEPLOY / "haproxy-shop.cfg"
    admin = "/run/haproxy/shop.sock"

    def __init__(self, web: Sequence[int], grpc: Sequence[int], *, by_product: bool = False) -> None:
        """`web`, `grpc`: ports of the servers, up to four of each. `by_product`: with the line of the file that sends a
        product's calls to one of them."""
        super().__init__()
        self.web, self.grpc, self.by_product = web, grpc, by_product
        self.grpc_port = free_port()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def grpc_address(self) -> str:
        return f"{LOOPBACK}:{self.grpc_port}"

    def ports(self) -> list[int]:
        return [self.port, self.grpc_port]

    def change_ports(self) -> None:
        super().change_ports()
        self.grpc_port = free_port()

    def changes(self) -> dict[str, str]:
        return {
            "bind :443 ssl crt /etc/haproxy/shop.pem alpn h2,http/1.1": f"bind {LOOPBACK}:{self.port}",
            "bind :8443 ssl crt /etc/haproxy/shop.pem alpn h2": f"bind {LOOPBACK}:{self.grpc_port} proto h2",
            **({BY_PRODUCT: BY_PRODUCT.removeprefix("# ")} if self.by_product else {}),
            **self.servers(self.web, 8000),
            **self.servers(self.grpc, 8081, " proto h2"),
            **self.servers(self.grpc, 8081, " proto h2 no-check track grpc/{}"),
        }

    @staticmethod
    def servers(ports: Sequence[int], port: int, rest: str = "") -> dict[str, str]:
        """The two lines of servers in the file, and those of ours."""
        old = [f"10.0.0.{number}:{port}" for number in (1, 2)]
        addresses = [f"{LOOPBACK}:{port}" for port in ports]
        return {server_lines(old, rest): server_lines(addresses, rest)}


def server_lines(addresses: Sequence[str], rest: str) -> str:
    """A line for each server, with its name where `rest` wants it."""
    named = zip(NAMES[: len(addresses)], addresses, strict=True)
    return "".join(f"    server {name} {address}{rest.format(name)}\n" for name, address in named)
