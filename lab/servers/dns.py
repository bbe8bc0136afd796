"""A private name server: one name, and the addresses that it has now."""

import getpass
import signal
import socket
from collections.abc import Sequence

from lab.servers.ports import LOOPBACK
from lab.servers.private_server import Server, find_program


class DNS(Server):
    """dnsmasq for the name `shop.test`, asked by nobody who does not name its port. Answers are not to be kept."""

    name = "dns"
    host = "shop.test"

    def __init__(self, addresses: Sequence[str] = ()) -> None:
        super().__init__()
        self.addresses = list(addresses)

    def target(self, port: int) -> str:
        """The servers on this port, as callers of gRPC name them."""
        return f"dns://{LOOPBACK}:{self.port}/{self.host}:{port}"

    def prepare(self) -> None:
        self._write()

    def point(self, addresses: Sequence[str]) -> None:
        """From now on the name has these addresses."""
        self.addresses = list(addresses)
        self._write()
        self._signal(signal.SIGHUP)

    def _write(self) -> None:
        (self.folder / "hosts").write_text("".join(f"{address} {self.host}\n" for address in self.addresses))

    def command(self) -> list[str]:
        options = {
            "port": self.port,
            "listen-address": LOOPBACK,
            "conf-file": "/dev/null",
            "addn-hosts": self.folder / "hosts",
            "local": "/test/",  # it asks nobody else
            "local-ttl": 0,
            "user": getpass.getuser(),  # or the folder would be closed to it
            "pid-file": self.folder / "pid",
        }
        words = ["--keep-in-foreground", "--bind-interfaces", "--no-resolv", "--no-hosts", "--log-facility=-"]
        return [find_program("dnsmasq"), *words, *(f"--{name}={value}" for name, value in options.items())]

    def answers(self, connection: socket.socket) -> bool:
        return True
