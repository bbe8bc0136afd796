"""A real Redis becomes a replica, refuses writes, is full, dies, hangs, fails over, under a load of orders: they go on,
nothing ends, and the worker comes back by itself."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
import pytest
from django.db import connection

from lab.faults.lost_redis import FAULTS, Fault, RedisPair
from lab.kit.factories import make_goods
from lab.kit.findings import findings
from lab.kit.history import Call, History, Told, contradictions, miscounts, read_truth
from lab.kit.processes.customers import Crowd, Customer, RestDoor, RpcDoor
from lab.kit.processes.shop import Shop, wait_until
from lab.kit.trials import Trials

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

CUSTOMERS = 4
PROCESSES = ("web", "grpc", "worker", "sweep")
QUEUE = "charites"
BROKER = 1  # the database of the broker
BACK_SECONDS = 120  # a bound for busy machines, no measurement


@dataclass
class Site:
    shop: Shop
    redis: RedisPair

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.shop.url + path, timeout=BACK_SECONDS)

    def missing(self) -> list[str]:
        """What /statusz says is not well."""
        return [name for name, check in self.get("/statusz").json()["checks"].items() if not check["ok"]]

    def worker_takes_wake_ups(self) -> bool:
        """Whether nothing waits in the queue, and the worker holds countdowns that it took from there."""
        broker = self.redis.client(BROKER)
        return broker.llen(QUEUE) == 0 and broker.zcard("unacked_index") > 0

    def ended(self) -> dict[str, int]:
        codes = {name: self.shop.processes[name].poll() for name in PROCESSES}
        return {name: code for name, code in codes.items() if code is not None}


@pytest.fixture
def site(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Site]:
    for goods_id in (1, 2):
        make_goods(goods_id, stock=1_000_000)
    with RedisPair() as redis:
        environment = {**process_environment, "REDIS_URL": redis.url(0), "CELERY_BROKER_URL": redis.url(BROKER)}
        with Shop(tmp_path, environment) as shop:
            shop.start(*PROCESSES)
            shop.await_ready()
            shop.await_grpc(BACK_SECONDS)
            yield Site(shop, redis)


@pytest.fixture
def customers(site: Site, trials: Trials) -> Iterator[list[Customer]]:
    history = History()
    with ExitStack() as stack:
        made = []
        for user_id in range(101, 101 + CUSTOMERS):
            door = RestDoor(site.shop.url, user_id) if user_id % 2 else RpcDoor(site.shop.grpc_address, user_id)
            stack.callback(door.close)
            lots = Random(trials.random.random())
            made.append(Customer(f"user{user_id}", user_id, door, history, lots, (1, 2)))
        yield made


def strike(site: Site, fault: Fault, history: History, *, seconds: float) -> dict[str, str]:
    """Does it for a while; returns what the shop answered meanwhile, and how soon all was well again."""
    began = time.monotonic()
    with fault(site.redis):
        time.sleep(seconds)
        missing, readiness = site.missing(), site.get("/readyz").status_code
    over = time.monotonic()
    wait_until(lambda: not site.missing(), seconds=BACK_SECONDS, what=f"all is well again: {site.shop.folder}")
    wait_until(site.worker_takes_wake_ups, seconds=BACK_SECONDS, what="the worker takes wake-ups again")
    calls = [call for call in history.calls if began <= call.started < over and call.ended < float("inf")]

    assert readiness == 200
    assert site.ended() == {}
    assert Counter(call.told for call in calls)[Told.NEW] > 0
    return {
        "redis": fault.__name__.replace("_", " "),
        "for s": f"{over - began:.1f}",
        **told(calls),
        "slowest ms": f"{max(call.ended - call.started for call in calls) * 1000:.0f}",
        "/statusz names": ", ".join(missing) or "-",
        "all well after s": f"{time.monotonic() - over:.1f}",
    }


def told(calls: list[Call]) -> dict[str, str]:
    counts = Counter(call.told for call in calls)
    yes = sum(count for word, count in counts.items() if word.is_yes)
    answers = {"yes": yes, "no": counts[Told.NO], "busy": counts[Told.BUSY], "no answer": counts[Told.NOTHING]}
    return {name: str(count) for name, count in answers.items()}


@pytest.mark.long
def test_redis_that_is_lost_under_load_ends_nothing_and_keeps_nobody_from_buying(
    site: Site, customers: list[Customer], trials: Trials
) -> None:
    faults = trials.random.sample(FAULTS, trials.count(sample=3, full=len(FAULTS)))
    seconds = trials.count(sample=4, full=20)
    history = customers[0].history

    with Crowd(customers):
        for fault in faults:
            trials.row(strike(site, fault, history, seconds=seconds))

    truth = read_truth(connection)
    assert contradictions(history.calls, truth.effects) == []
    assert miscounts(truth) == []
    assert findings() == []
    assert history.told()[Told.NOTHING] == 0
    for name in PROCESSES:
        assert "internal_error" not in site.shop.log(name)
    for words in ("Unrecoverable error", "Frequent restarts"):
        assert words not in site.shop.log("worker")
