"""A private nginx with the configuration of production, in front of a shop."""

import getpass
import os
import socket
import subprocess
from pathlib import Path

from lab.servers.ports import LOOPBACK, free_port
from lab.servers.private_server import DEPLOY, Server, ServerFailed, find_program

CONFIGURATION = DEPLOY / "nginx.conf"
SERVER_NAME = "shop.example"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx(Server):
    """deploy/nginx.conf on ports of its own: `port` speaks HTTPS, `grpc_port` gRPC over TLS, `plain_port` sends to
    HTTPS. Its certificate, for `shop.example`, is `certificate`; whoever asks trusts it and says that name."""

    name = "nginx"

    def __init__(self, *, web: str, grpc: str, changes: dict[str, str] | None = None) -> None:
        """`web`, `grpc`: host and port of the shop; `changes`: what else differs from the file, old text to new."""
        super().__init__()
        self.web, self.grpc, self.changes = web, grpc, changes or {}
        self.grpc_port, self.plain_port = free_port(), free_port()

    @property
    def url(self) -> str:
        return f"https://{SERVER_NAME}:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "shop.pem"

    def ports(self) -> list[int]:
        return [self.port, self.grpc_port, self.plain_port]

    def change_ports(self) -> None:
        super().change_ports()
        self.grpc_port, self.plain_port = free_port(), free_port()

    def prepare(self) -> None:
        command = [find_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", f"/CN={SERVER_NAME}", "-addext", f"subjectAltName=DNS:{SERVER_NAME}"]
        command += ["-keyout", str(self.folder / "shop.key"), "-out", str(self.certificate)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFailed(f"openssl failed:\n{done.stderr}")

    def configuration(self) -> str:
        """The file of production with this server's addresses. Raises ServerFailed where the file has others by now."""
        folders = "".join(f"    {name}_temp_path {self.folder / name};\n" for name in TEMPORARY)
        text = CONFIGURATION.read_text()
        for old, new in {
            "http {\n": f"http {{\n{folders}",
            "server 127.0.0.1:8000;": f"server {self.web};",
            "server 127.0.0.1:8081;": f"server {self.grpc};",
            "listen 80;": f"listen {LOOPBACK}:{self.plain_port};",
            "listen 443 ": f"listen {LOOPBACK}:{self.port} ",
            "listen 8443 ": f"listen {LOOPBACK}:{self.grpc_port} ",
            "/etc/nginx/shop": str(self.folder / "shop"),
            "worker_processes auto;": "worker_processes 1;",
            "worker_rlimit_nofile 16384;\n": "",
            "worker_connections 8000;": "worker_connections 1000;",
            **self.changes,
        }.items():
            if old not in text:
                raise ServerFailed(f"{CONFIGURATION.name} has no {old!r}")
            text = text.replace(old, new)
        return text

    def command(self) -> list[str]:
        file = self.folder / "nginx.conf"
        file.write_text(self.configuration())
        user = f" user {getpass.getuser()};" if os.geteuid() == 0 else ""  # the folder is closed to every other
        options = f"daemon off; pid {self.folder / 'pid'};{user}"
        return [find_program("nginx"), "-p", str(self.folder), "-c", str(file), "-e", "stderr", "-g", options]

    def answers(self, connection: socket.socket) -> bool:
        return True  # it listens when it has read everything
