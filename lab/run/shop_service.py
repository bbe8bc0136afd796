"""A service of the shop: its settings, and what is checked and prepared before its processes start."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.run.environment import address

OTHER_PORTS = {"HTTP_PORT": "8010", "GRPC_PORT": "8091"}


class CannotRun(Exception):
    """Why the shop cannot start, in one sentence that says what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """What runs on one database. `name`: in front of its processes' names; empty when it is the whole shop."""

    name: str
    values: Mapping[str, str]
    file: Path  # where its environment is kept for commands in other terminals

    def process(self, kind: str) -> str:
        """Returns the name of one of its processes: web, or stock-web."""
        return f"{self.name}-{kind}" if self.name else kind

    def setting(self, name: str) -> str:
        """Returns how a setting is chosen for this service: HTTP_PORT, or STOCK_HTTP_PORT."""
        return f"{self.name.upper()}_{name}" if self.name else name

    @property
    def web_address(self) -> str:
        return f"http://{address(self.values, 'HTTP')}/"

    @property
    def login(self) -> str:
        is_demo = self.values["DEMO"].lower() in ("true", "1")
        return "buyer, buyer2 or staff, password charites" if is_demo else "none (no DEMO)"

    def environment(self, sizes: Mapping[str, str]) -> dict[str, str]:
        """Returns what each of its processes gets; the metrics of all of them meet in one emptied folder.

        `sizes`: for what the Procfile reads and nobody chose.
        """
        metrics = Path(self.values["METRICS_DIR"])
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir(parents=True)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        own = {"PATH": path, "PROMETHEUS_MULTIPROC_DIR": str(metrics), "PYTHONUNBUFFERED": "1"}
        return {**sizes, **os.environ, **self.values, **own, "ENV_FILE": str(self.file)}

    def readiness(self) -> str:
        """Returns "ready", or what /statusz says instead."""
        try:
            with urllib.request.urlopen(f"{self.web_address}statusz", timeout=5) as response:
                return "ready" if response.status == 200 else str(response.status)
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read().decode(errors='replace')[:500]}"
        except OSError as error:
            return str(error)


def check_ports(services: Sequence[Service], command: str) -> None:
    """Raises CannotRun when somebody listens where a server of ours should be, or two of ours would."""
    given: set[str] = set()
    for service in services:
        others = " ".join(f"{service.setting(name)}={port}" for name, port in OTHER_PORTS.items())
        for kind in ("HTTP", "GRPC"):
            port = service.values[f"{kind}_PORT"]
            if port in given:
                raise CannotRun(f"{service.setting(f'{kind}_PORT')}={port} is another server's port as well.")
            given.add(port)
            check_port(service, kind, f"{command} {others}")


def check_port(service: Service, kind: str, remedy: str) -> None:
    host, port = service.values[f"{kind}_HOST"], service.values[f"{kind}_PORT"]
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except ValueError:
            raise CannotRun(f"{service.setting(f'{kind}_PORT')}={port} is not a port number.") from None
        except (OSError, OverflowError) as error:
            whose = f"the {kind} port of {service.name}" if service.name else f"the {kind} port"
            raise CannotRun(
                f"Port {port} on {host}, {whose}, cannot be had ({getattr(error, 'strerror', error)}): "
                f"choose others with {remedy}"
            ) from None


def check_database_clients(services: Sequence[Service], command: str) -> None:
    """Raises CannotRun when a database is MySQL and its client, which is built from source, is not installed."""
    on_mysql = [service for service in services if service.values["DATABASE_URL"].startswith("mysql")]
    if on_mysql and subprocess.run([sys.executable, "-c", "import MySQLdb"], capture_output=True).returncode:
        name = on_mysql[0].setting("DATABASE_URL")
        raise CannotRun(
            f"{name} names MySQL, whose client is not installed: .venv/bin/pip install -r requirements.txt "
            f"(needs a C compiler, pkg-config and libmariadb-dev), then {command} again."
        )
