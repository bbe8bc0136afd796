"""A shop of real processes for tests: web, gRPC, worker and sweep on free ports and one database, or three services."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import httpx

from lab.servers import LOOPBACK, free_port, still_free

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS, STOP_SECONDS = 180, 60  # bounds for busy machines, no measurements


def wait_until(happened: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """Returns the first true answer; raises AssertionError, naming what did not happen, when time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := happened():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"Not within {seconds} s: {what}")


class Shop:
    """Starts processes by name: `web`, `web2`, `grpc`, `worker`, `sweep`, `sweep2`... Stops all of them at the end.

    `environment`: what names database and Redis; see the fixture `process_environment`. Two processes whose names
    differ in the number only share a port. `others`: service -> the shop that serves it, whose gRPC server is started
    before this one's processes. `host`: the address that it listens on. `code`: where the code is that the next process
    runs; another checkout has a `.venv` of its own.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        others: Mapping[str, "Shop"] = MappingProxyType({}),
        *,
        host: str = LOOPBACK,
    ) -> None:
        self.folder, self.host, self.code = folder, host, ROOT
        self.http_port, self.grpc_port = free_port(), free_port()
        self.given = dict(environment)
        self.others = others
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._are_ports_fixed = False

    @property
    def environment(self) -> dict[str, str]:
        return {
            **self.given,
            "HTTP_PORT": str(self.http_port),
            "GRPC_PORT": str(self.grpc_port),
            "PAYMENT_NOTIFY_URL": f"{self.url}/api/payments/notify",
            "PUBLIC_URL": self.url,
            "PYTHONUNBUFFERED": "1",
            **{f"{name.upper()}_ENDPOINT": shop.grpc_address for name, shop in self.others.items()},
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self.processes.values():
            process.terminate()
        for name in list(self.processes):
            self._await_end(self.processes.pop(name))

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.http_port}"

    @property
    def grpc_address(self) -> str:
        return f"{self.host}:{self.grpc_port}"

    def command(self, name: str) -> list[str]:
        """The production command of a process; `Procfile` has the same ones."""
        python = sys.executable if self.code == ROOT else str(self.code / ".venv" / "bin" / "python")
        manage = [python, str(self.code / "manage.py")]
        match name.rstrip("0123456789"):
            case "web":
                port = ["--host", self.host, "--port", str(self.http_port)]
                size = ["--workers", self.given.get("WEB_PROCESSES", "1"), "--workers-kill-timeout", "10"]
                options = ["--interface", "asgi", "--log-level", "warning", "--respawn-failed-workers"]
                return [python, "-m", "granian", *options, *size, *port, "charites.asgi:application"]
            case "grpc":
                return [*manage, "grpcserver", "--host", self.host, "--port", str(self.grpc_port)]
            case "worker":
                options = ["--pool", "threads", "--concurrency", "2", "--without-mingle", "--without-gossip"]
                return [python, "-m", "celery", "--app", "charites", "worker", *options]
            case "sweep":
                return [*manage, "sweep"]
        raise ValueError(name)

    def start(self, *names: str) -> None:
        """Starts processes; does not wait for them."""
        self.fix_ports()
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    self.command(name),
                    cwd=self.code,
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def fix_ports(self) -> None:
        """Changes ports that somebody has taken meanwhile, for the last time: from here on others may be told them."""
        if not self._are_ports_fixed:
            self.http_port, self.grpc_port = still_free(self.http_port), still_free(self.grpc_port)
        self._are_ports_fixed = True

    def kill(self, name: str) -> None:
        """Ends a process and its children at once, as a power cut would."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)

    def end(self, name: str) -> int:
        """Asks a process to end; kills what is left of it. Returns its exit code."""
        process = self.processes.pop(name)
        process.terminate()
        return self._await_end(process)

    @staticmethod
    def _await_end(process: subprocess.Popen[bytes]) -> int:
        """Waits for a process that was asked to end. It is asked once: Granian hangs where a second signal comes while
        it handles the first."""
        try:
            return process.wait(STOP_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def await_web(self) -> None:
        """Waits until the web server answers."""
        wait_until(lambda: self._status("/livez") == 200, seconds=START_SECONDS, what="web answers")

    def await_grpc(self, seconds: float = START_SECONDS) -> None:
        """Waits until the gRPC server listens."""
        wait_until(lambda: "gRPC on" in self.log("grpc"), seconds=seconds, what="gRPC answers")

    def prepare(self) -> None:
        """Makes the tables and the demo's rows of an empty database."""
        for command in ("migrate", "seed"):
            done = self.manage(command)
            assert done.returncode == 0, done.stderr

    def await_ready(self) -> None:
        """Waits until database, Redis, broker, worker and sweep are there."""
        wait_until(lambda: self._status("/statusz") == 200, seconds=START_SECONDS, what="/statusz is green")

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a manage.py command to its end."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)

    def _status(self, path: str) -> int:
        try:
            return httpx.get(self.url + path, timeout=5).status_code
        except httpx.HTTPError:
            return 0


class SplitShop:
    """Goods, stock and orders as three services; each is a `Shop` of its own, by name.

    `databases`: service -> the address of its database, which is empty at first.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], databases: Mapping[str, str]) -> None:
        self.databases = databases
        self.services: dict[str, Shop] = {}
        for name in ("goods", "stock", "orders"):
            (folder / name).mkdir()
            own = {"APPS": name, "DATABASE_URL": databases[name], "CELERY_QUEUE": f"charites-{name}"}
            others = dict(self.services) if name == "orders" else {}
            self.services[name] = Shop(folder / name, {**environment, **own}, others)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for shop in self.services.values():
            shop.__exit__(kind, error, traceback)

    def __getitem__(self, service: str) -> Shop:
        return self.services[service]

    def prepare(self) -> None:
        """Makes the tables and the demo's rows of every service, all services at once."""
        with ThreadPoolExecutor() as pool:
            for words in (["migrate", "--verbosity", "0"], ["seed"]):
                running = [pool.submit(shop.manage, *words) for shop in self.services.values()]
                for done in (future.result() for future in running):
                    assert done.returncode == 0, done.stderr

    def audit(self) -> subprocess.CompletedProcess[str]:
        """Audits the three databases and compares orders with stock."""
        others = [f"--with={name}={url}" for name, url in self.databases.items() if name != "orders"]
        return self["orders"].manage("audit", *others)
