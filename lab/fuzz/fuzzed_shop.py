"""The shop that is fuzzed: the processes and settings of `make run`, on free ports, in a temporary folder."""

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from lab.kit.processes.shop import Shop
from lab.kit.receiver import Received, Receiver
from lab.servers import LOOPBACK, EmbeddedRedis

# Who calls, by the demo's well-known tokens.
ROLES = {"buyer": "Bearer buyer", "staff": "Bearer staff", "service": "Bearer token", "nobody": ""}
TROUBLE = re.compile(
    r"Traceback \(most recent call last\)|internal_error|message_dead|Task exception was never retrieved"
)
EVENT_TYPES = ["order.placed", "order.paid", "order.closed", "order.refunded", "stock.sold_out", "stock.back"]
SHOWN = 12  # lines around a trouble


class FuzzedShop:
    """The running shop. `grpc`: the address of each transport of gRPC; `receiver`: where webhooks may be sent."""

    def __init__(self, shops: Mapping[str, Shop], payment_secret: str, receiver: str) -> None:
        self._shops, self.payment_secret, self.receiver = shops, payment_secret, receiver
        self.grpc = {transport: shop.grpc_address for transport, shop in shops.items()}

    @property
    def main(self) -> Shop:
        return next(iter(self._shops.values()))

    @property
    def url(self) -> str:
        return self.main.url

    def findings(self) -> list[str]:
        """What is wrong with the shop afterwards: processes that ended, troubles in the logs, what the audit finds."""
        found = []
        for transport, shop in self._shops.items():
            for name, process in shop.processes.items():
                if process.poll() is not None:
                    found.append(f"{name} ({transport}) ended with code {process.returncode}")
                found += [f"log of {name} ({transport}):\n{part}" for part in troubles(shop.log(name))]
        audit = self.main.manage("audit")
        return found + ([f"audit:\n{audit.stdout}{audit.stderr}"] if audit.returncode else [])


def troubles(log: str) -> list[str]:
    """The first lines of a log that speak of a defect, with what stands around them."""
    lines = log.splitlines()
    numbers = [number for number, line in enumerate(lines) if TROUBLE.search(line)]
    return ["\n".join(lines[max(0, number - SHOWN) : number + SHOWN]) for number in numbers[:3]]


@contextmanager
def fuzzed_shop(transports: list[str]) -> Iterator[FuzzedShop]:
    """Starts the shop, and a gRPC server for each transport. Raises ServerFailed."""
    with ExitStack() as ends:
        folder = Path(ends.enter_context(TemporaryDirectory(prefix="charites-fuzz-")))
        redis, receiver = ends.enter_context(EmbeddedRedis()), ends.enter_context(Receiver(moody()))
        environment = demo_settings(folder, redis)
        shops = {}
        for transport in transports:
            own = folder / transport
            own.mkdir()
            shops[transport] = ends.enter_context(Shop(own, {**environment, "GRPC_SERVER": transport}))
        main, *others = shops.values()
        for words in (["migrate", "--verbosity", "0"], ["seed"]):
            done = main.manage(*words)
            if done.returncode:
                raise RuntimeError(done.stderr)
        main.start("web", "grpc", "worker", "sweep")
        for other in others:
            other.start("grpc")
        main.await_ready()
        shop = FuzzedShop(shops, environment["PAYMENT_SECRET"], receiver.url)
        subscribe(shop)
        yield shop


def moody() -> Callable[[Received], int]:
    """What a receiver of events answers: as a rule it takes them."""
    moods = cycle((204, 204, 500, 204, 429, 204, 302, 204))
    return lambda _received: next(moods)


def subscribe(shop: FuzzedShop) -> None:
    """Has the receiver told of much of what happens."""
    body = {"url": shop.receiver, "event_types": EVENT_TYPES}
    answer = httpx.post(f"{shop.url}/api/webhooks", json=body, headers={"Authorization": ROLES["staff"]}, timeout=60)
    answer.raise_for_status()


def demo_settings(folder: Path, redis: EmbeddedRedis) -> dict[str, str]:
    """What `make run` sets, but that a buyer may do more in a while."""
    return {
        **os.environ,
        **{"ENV_FILE": "", "DEBUG": "true", "DEMO": "true", "HTTP_HOST": LOOPBACK, "GRPC_HOST": LOOPBACK},
        **{"DATABASE_URL": f"sqlite:///{folder / 'shop.sqlite3'}", "METRICS_DIR": str(folder / "metrics")},
        **{"REDIS_URL": redis.url, "CELERY_BROKER_URL": redis.broker_url, "ORDER_PAY_TIMEOUT_SECONDS": "60"},
        **{"PLACE_RATE": "600/min", "CANCEL_RATE": "600/min", "MAX_UNPAID_ORDERS": "100"},
        **{"SECRET_KEY": secrets.token_urlsafe(48), "PAYMENT_SECRET": secrets.token_urlsafe(48)},
    }


def installed_transports() -> list[str]:
    """The transports of gRPC that this machine has."""
    return ["grpcio", *(["pyvoy"] if find_spec("pyvoy") else [])]
