"""The private split shop of the demo: three services, a sweep and a broker, on free ports and databases of its own."""

import os
import secrets
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from django.test import override_settings
from django.utils import timezone

from charites.common.auth import DEMO_SERVICE_HEADER, Role, issue_token
from charites.common.rpc import Client
from lab.race.database import own_database
from lab.race.processes import Child
from lab.servers import LOOPBACK, EmbeddedRedis, RabbitMQ, Server, free_port, still_free

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("goods", "stock", "orders")
STOCK_SWEEP = "stock-sweep"
LAST_LINES = 15
SETTINGS = {
    "ENV_FILE": "",
    "DEBUG": "true",
    "DEMO": "true",
    "LOG_LEVEL": "WARNING",
    "METRICS_DIR": "",
    "GRPC_MAX_WORKERS": "4",
    "ORDER_PAY_TIMEOUT_SECONDS": "3600",
    # Everything that waits, waits shortly.
    "MESSAGE_FIRST_CHECK_SECONDS": "1.7",
    "MESSAGE_CHECK_SECONDS": "2",
    "REMOTE_TIMEOUT_SECONDS": "0.8",
}


class ShopFailed(Exception):
    """The private shop could not be started."""


class PrivateShop:
    """Runs while its block does. Everything in it can be killed and started again by name: `goods`, `stock`,
    `orders`, `sweep`, `broker`. Logs go to `folder`. Raises ShopFailed, RaceFailed, ServerFailed.

    `over_rabbitmq`: messages for the stock service go over a RabbitMQ, which is a broker, too; the stock service has a
    sweep then, which takes them. `rocketmq_url`: over a RocketMQ that runs elsewhere, and is never killed.
    """

    def __init__(self, folder: Path, *, over_rabbitmq: bool = False, rocketmq_url: str = "") -> None:
        self.folder = folder
        self.urls: dict[str, str] = {}
        self._ports = {name: free_port() for name in SERVICES}
        self._secret = secrets.token_hex(32)
        self._stack = ExitStack()
        self._children: dict[str, Child] = {}
        self._redis = EmbeddedRedis()
        self._rabbitmq = RabbitMQ() if over_rabbitmq else None
        self._rocketmq_url = rocketmq_url

    def __enter__(self) -> Self:
        with self._stack:
            for name in SERVICES:
                self.urls[name] = self._stack.enter_context(own_database())
            for server in self._brokers():
                self._stack.enter_context(server)
            self._stack.callback(self._end_all)
            self._in_parallel("migrate", "--verbosity", "0")
            self._in_parallel("seed")
            self._ports = {name: still_free(port) for name, port in self._ports.items()}
            for name in ("goods", "stock", "sweep"):
                self.start(name)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def start(self, name: str, flow: str = "half_message") -> None:
        """Starts a process; a server answers when this returns. `flow`: how the order service places orders."""
        match name:
            case "broker":
                for server in self._brokers():
                    server.start()
            case "sweep":
                self._children[name] = self._child("orders", flow, "sweep")
            case _:
                port = str(self._ports[name])
                self._children[name] = self._child(name, flow, "grpcserver", "--host", LOOPBACK, "--port", port)
                self._children[name].hear()
        if name == "stock" and self._broker_url:
            self._children[STOCK_SWEEP] = self._child("stock", flow, "sweep")

    def _child(self, service: str, flow: str, *words: str) -> Child:
        environment = self._environment(service, flow)
        return Child("lab.faults.process", *words, environment=environment, folder=self.folder)

    def kill(self, name: str) -> None:
        """Ends a process at once, with SIGKILL, whatever it is doing."""
        if name == "broker":
            for server in self._brokers():
                server.kill()
        elif name == "stock" and STOCK_SWEEP in self._children:
            self.kill(STOCK_SWEEP)
            self.kill(name)
        elif child := self._children.pop(name, None):
            child.__exit__()

    def arm(self, step: str) -> None:
        """Has the order service park the next order at a step."""
        self._children["orders"].ask(park=step)

    def await_parked(self) -> None:
        """Waits until an order is at the armed step."""
        self._children["orders"].hear()

    def client(self, service: str, name: str = "") -> Client:
        """A connection to a service, as the service role, or as the service of this name; nothing is tried again."""
        token = self._token(name) if name else DEMO_SERVICE_HEADER
        return Client(f"{LOOPBACK}:{self._ports[service]}", token=token, timeout_seconds=10, tries=1)

    def _token(self, name: str) -> str:
        """A header that this shop believes."""
        with override_settings(SECRET_KEY=self._secret):
            return f"Bearer {issue_token(user_id=0, role=Role.SERVICE, now=timezone.now(), name=name)}"

    def _environment(self, service: str, flow: str) -> dict[str, str]:
        """Returns what a process of a service needs; nothing of the configured shop is in it."""
        redis = f"redis://{LOOPBACK}:{self._redis.port}"
        return {
            **os.environ,
            **SETTINGS,
            "APPS": service,
            "ORDER_FLOW": "local" if service == "stock" else flow,
            "DATABASE_URL": self.urls[service],
            "REDIS_URL": f"{redis}/0",
            "CELERY_BROKER_URL": f"{redis}/1",
            "GOODS_ENDPOINT": f"{LOOPBACK}:{self._ports['goods']}",
            "STOCK_ENDPOINT": f"{LOOPBACK}:{self._ports['stock']}",
            "REMOTE_BROKER_URL": self._broker_url,
            "HTTP_HOST": LOOPBACK,
            "GRPC_HOST": LOOPBACK,
            "SECRET_KEY": self._secret,
        }

    @property
    def _broker_url(self) -> str:
        """Of the broker between the services; a RabbitMQ's changes with its port."""
        return self._rabbitmq.url if self._rabbitmq else self._rocketmq_url

    def _brokers(self) -> list[Server]:
        return [self._redis, *([self._rabbitmq] if self._rabbitmq else [])]

    def _in_parallel(self, *words: str) -> None:
        """Runs a command for every service at once. Raises ShopFailed with the last lines of one that fails."""
        started = {name: self._run(name, *words) for name in SERVICES}
        codes = {name: process.wait() for name, process in started.items()}
        for name, code in codes.items():
            if code:
                lines = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()
                raise ShopFailed("\n".join([f"manage.py {words[0]} failed for {name}:", *lines[-LAST_LINES:]]))

    def _run(self, service: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{service}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), *words],
                cwd=ROOT,
                env=self._environment(service, "half_message"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _end_all(self) -> None:
        for name in list(self._children):
            self.kill(name)
