"""B17: one hot product and several processes. What the row costs them, what a second server gets, and what it brings
to have a balancer send all orders for one product to one server.

`lab.bench.hot_product` draws the curves of which these are single points.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from lab.bench.b2_orders_over_grpc import order_request
from lab.bench.committers import Committer, commit
from lab.bench.grpc_load import MOST_PRODUCTS, PRODUCT, GrpcServer, GrpcShop, authorization
from lab.bench.native import Load
from lab.bench.ratio import Contestant, Rates, Ratio
from lab.bench.stage import Stage, await_port
from lab.kit.processes.shop import wait_until
from lab.servers import ShopHAProxy
from lab.servers.haproxy import NAMES
from lab.servers.ports import free_port, still_free

CALLERS, BATCH = 256, 256
PROCESSES = 4  # twice as many as this machine has cores
ONE, MANY = 1, MOST_PRODUCTS  # products that orders are for
START_SECONDS = 60.0
# floor and goal
ROW, SECOND, ROUTED = (0.7, 0.95), (0.9, 1.2), (0.4, 1.0)


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    add_products(stage)
    with committers(PROCESSES) as group:
        one, own = (committing(group, batch=BATCH, is_one=is_one) for is_one in (True, False))
        rates = Rates(stage, [one, own], rounds=rounds, seconds=seconds)
    yield compare(rates, f"B17 {PROCESSES} committers, one row / a row each", one, own, ROW)

    single, double = (ordering(GrpcShop(stage, "grpcio", processes=number), number) for number in (1, 2))
    rates = Rates(stage, [double, single], rounds=rounds, seconds=seconds)
    yield compare(rates, "B17 one product, two servers / one", double, single, SECOND)
    stage.stop()

    with balanced(stage, PROCESSES) as (spread, routed):
        to_all, to_one = ordering(spread, PROCESSES), ordering(routed, PROCESSES)
        rates = Rates(stage, [to_one, to_all], rounds=rounds, seconds=seconds)
    yield compare(rates, f"B17 one product, to one server of {PROCESSES} / to all", to_one, to_all, ROUTED)
    stage.stop()


def compare(rates: Rates, name: str, ours: Contestant, theirs: Contestant, bounds: tuple[float, float]) -> Ratio:
    floor, goal = bounds
    return rates.ratio(name, ours.name, theirs.name, floor=floor, goal=goal)


def add_products(stage: Stage) -> None:
    stage.add_products(range(PRODUCT, PRODUCT + MANY))


# Without any transport


@contextmanager
def committers(number: int) -> Iterator[list[Committer]]:
    """Processes that place orders when they are told."""
    with ExitStack() as stack:
        yield [stack.enter_context(Committer()) for _ in range(number)]


def committing(group: Sequence[Committer], *, batch: int, is_one: bool) -> Contestant:
    """Committers that place batches as fast as they can, for one product or each for a product of its own."""
    goods_ids = [PRODUCT if is_one else PRODUCT + number for number in range(len(group))]
    name = f"{len(group)} committers, batches of {batch}, {'one row' if is_one else 'a row each'}"
    load = partial(commit, group, goods_ids, batch=batch)
    return Contestant(name, lambda seconds: load(seconds=seconds), [committer.pid for committer in group])


# Over gRPC


def ordering(shop: GrpcServer, processes: int, *, callers: int = CALLERS, products: int = ONE) -> Contestant:
    """Orders of distinct buyers for one product, or for several in turn."""
    what = f"{processes} servers, {products} products" if products > 1 else f"{processes} servers, one product"
    return shop.contestant(
        "Order/CreateOrder", order_request(goods_id=PRODUCT), callers=callers, products=products, what=what
    )


class Balanced(NamedTuple):
    """The same servers behind two balancers: one sends a call to whoever has least to do, the other one all calls that
    name one product to one server."""

    spread: GrpcServer
    routed: GrpcServer


@contextmanager
def balanced(stage: Stage, processes: int) -> Iterator[Balanced]:
    """So many gRPC servers behind two balancers, until the servers are stopped."""
    ports = [still_free(free_port()) for _ in range(processes)]
    pids = [stage.start("manage.py", "grpcserver", "--port", str(port), GRPC_SERVER="grpcio") for port in ports]
    for port in ports:
        await_port(port)
    with ExitStack() as stack:
        servers = []
        for by_product in (False, True):
            proxy = stack.enter_context(ShopHAProxy([], ports, by_product=by_product))
            wait_until(partial(are_up, proxy, processes), seconds=START_SECONDS, what="the balancer finds all servers")
            name = "by product" if by_product else "least busy"
            assert proxy.process
            servers.append(GrpcServer(stage, name, proxy.grpc_address, [*pids, proxy.process.pid], authorization()))
        yield Balanced(*servers)


def are_up(proxy: ShopHAProxy, processes: int) -> bool:
    states = proxy.states()
    return all(states["grpc", name] == "UP" for name in NAMES[:processes])


# How large the batches are that a load makes


class Batches(NamedTuple):
    """What has been carried out so far, and in how many batches."""

    orders: float
    batches: float


def batches_so_far(folder: Path) -> Batches:
    """Of all processes that leave their metrics in the folder, living or not."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    labels = {"queue": "placing"}
    found = (registry.get_sample_value(f"charites_batch_size_{kind}", labels) for kind in ("sum", "count"))
    return Batches(*(value or 0.0 for value in found))


class Sizes:
    """The mean size of the batches in each load of a contestant."""

    def __init__(self, stage: Stage) -> None:
        self.of: dict[str, list[float]] = {}
        self._folder = stage.folder / "metrics"

    def noted(self, contestant: Contestant) -> Contestant:
        """The contestant, whose batches are noted from now on."""

        def load(seconds: int) -> Load:
            before = batches_so_far(self._folder)
            done = contestant.load(seconds)
            after = batches_so_far(self._folder)
            batches = max(1.0, after.batches - before.batches)
            self.of.setdefault(contestant.name, []).append((after.orders - before.orders) / batches)
            return done

        return Contestant(contestant.name, load, contestant.pids, contestant.prepare)
