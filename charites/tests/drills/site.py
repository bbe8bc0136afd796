"""Two web and two gRPC servers behind HAProxy, and sixteen buyers at work."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

from django.db import connection

from charites.tests.drills.load import GOODS, buyers_of
from lab.kit.factories import make_goods
from lab.kit.findings import findings
from lab.kit.history import History, contradictions, miscounts, read_truth
from lab.kit.processes.customers import Crowd
from lab.kit.processes.shop import ROOT, START_SECONDS, Shop, wait_until
from lab.kit.trials import Trials
from lab.servers import ShopHAProxy

SETTINGS = {"TRUST_PROXY": "true", "NUM_PROXIES": "1", "DRAIN_DELAY_SECONDS": "3"}
NAMES, KINDS = ("one", "two"), ("web", "grpc")
PLACED = {"web": '"path": "/api/orders"', "grpc": '"method": "Order.CreateOrder"'}  # as the log says it
REST_SECONDS = 0.2  # so that a server that starts has something of the machine, too
STOCK = 1_000_000
# A checkout, with a `.venv`, of the version before this one.
OTHER_CODE = Path(os.environ.get("DRILL_OTHER_CODE", ROOT))


class Site:
    """Servers with ports of their own on one database, behind a proxy. One of them is told by its number and kind."""

    def __init__(self, shops: Mapping[str, Shop], proxy: ShopHAProxy) -> None:
        self.shops, self.proxy = shops, proxy

    def start(self, name: str, kind: str) -> None:
        self.shops[name].start(kind)

    def await_up(self, name: str, kind: str) -> None:
        """Waits until the proxy takes it for well."""
        wait_until(lambda: self.proxy.states()[kind, name] == "UP", seconds=START_SECONDS, what=f"{kind} {name} is up")

    def placed(self, name: str, kind: str) -> int:
        """How many orders it has answered."""
        return self.shops[name].log(kind).count(PLACED[kind])

    def kill(self, name: str, kind: str) -> None:
        self.shops[name].kill(kind)


@contextmanager
def open_site(folder: Path, environment: Mapping[str, str], *, by_product: bool = False) -> Iterator[Site]:
    """All of it, nothing started but the proxy, which may send all calls for a product to one server."""
    for goods_id in GOODS:
        make_goods(goods_id, stock=STOCK)
    with ExitStack() as stack:
        shops = {}
        for name in NAMES:
            (folder / name).mkdir()
            shops[name] = stack.enter_context(Shop(folder / name, {**environment, **SETTINGS}))
            shops[name].fix_ports()
        web, grpc = ([getattr(shop, f"{kind}_port") for shop in shops.values()] for kind in ("http", "grpc"))
        yield Site(shops, stack.enter_context(ShopHAProxy(web, grpc, by_product=by_product)))


def start(site: Site, *names: str) -> None:
    for name, kind in product(names, KINDS):
        site.start(name, kind)
    for name, kind in product(names, KINDS):
        site.await_up(name, kind)


@contextmanager
def crowd(site: Site, trials: Trials) -> Iterator[History]:
    """Buyers at work, and what is true when they have gone."""
    earlier = read_truth(connection).effects
    with buyers_of(site.proxy, trials, rest_seconds=REST_SECONDS) as buyers:
        with Crowd(buyers):
            yield buyers[0].history
        history = buyers[0].history
    truth = read_truth(connection)
    assert contradictions(history.calls, [effect for effect in truth.effects if effect not in earlier]) == []
    assert miscounts(truth) == []
    assert findings() == []


def replace(site: Site, name: str, kind: str, code: Path) -> None:
    """Ends a server, and starts one of a version in its place; waits until that one has calls."""
    before = site.placed(name, kind)
    assert site.shops[name].end(kind) == 0
    site.shops[name].code = code
    site.start(name, kind)
    site.await_up(name, kind)
    wait_until(lambda: site.placed(name, kind) > before, seconds=START_SECONDS, what="it gets calls")
