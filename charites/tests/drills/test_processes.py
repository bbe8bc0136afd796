"""Two web and two gRPC servers behind HAProxy, or known by a name: one comes, one goes, one dies, and all are replaced
one by one."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from django.db import connection

from charites.tests.drills.load import (
    GOODS,
    await_orders,
    await_yes,
    buyers_at,
    pause,
    turned_away,
    what_they_saw,
)
from charites.tests.drills.site import (
    KINDS,
    NAMES,
    PLACED,
    REST_SECONDS,
    STOCK,
    Site,
    crowd,
    open_site,
    replace,
    start,
)
from lab.kit.factories import bearer, make_goods
from lab.kit.history import contradictions, read_truth
from lab.kit.processes.customers import Crowd, RpcDoor
from lab.kit.processes.shop import ROOT, START_SECONDS, Shop, wait_until
from lab.kit.trials import Trials
from lab.servers import DNS
from orders.rpc.orders_pb2_grpc import OrderStub

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SERVICE_CONFIG = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}}
PLAIN_OPTIONS = [
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
]


@pytest.fixture
def site(tmp_path: Path, process_environment: dict[str, str]) -> Iterator[Site]:
    with open_site(tmp_path, process_environment) as site:
        yield site


@pytest.mark.long
def test_second_instance_gets_calls_within_seconds_and_one_that_is_stopped_loses_none(
    site: Site, trials: Trials
) -> None:
    start(site, "one")
    with crowd(site, trials) as history:
        pause(trials)
        for kind in KINDS:
            began = time.monotonic()
            site.start("two", kind)
            site.await_up("two", kind)
            up = time.monotonic()
            wait_until(lambda kind=kind: site.placed("two", kind) > 0, seconds=START_SECONDS, what=f"{kind} gets calls")
            trials.tell(f"{kind}: started in {up - began:.1f} s, first call {time.monotonic() - up:.1f} s later")
        for kind in KINDS:
            pause(trials)
            asked = time.monotonic()
            assert site.shops["two"].end(kind) == 0
            ended = time.monotonic()
            await_orders(history, ended)
            failed = turned_away(history.calls, asked)
            trials.tell(f"{kind}: stopped in {ended - asked:.1f} s, {len(failed)} calls turned away")
            assert failed == []
    trials.tell(history.summary())


def test_instance_that_dies_loses_no_order_that_was_acknowledged(site: Site, trials: Trials) -> None:
    start(site, *NAMES)
    deaths = trials.count(sample=1, full=10)
    with crowd(site, trials) as history:
        for number in range(deaths):
            name, kind = trials.random.choice(NAMES), KINDS[number % 2]
            pause(trials)
            died = time.monotonic()
            site.kill(name, kind)
            healed = await_orders(history, died)
            site.start(name, kind)
            site.await_up(name, kind)
            trials.row(
                {"died": f"one of two {kind} servers, -9", **what_they_saw(history.calls, died=died, healed=healed)}
            )
    trials.tell(f"{deaths} deaths: {history.summary()}; every order that was acknowledged is there")


@pytest.mark.long
def test_all_instances_are_replaced_one_after_the_other_and_no_call_fails(site: Site, trials: Trials) -> None:
    """A rolling restart."""
    start(site, *NAMES)
    with crowd(site, trials) as history:
        pause(trials)
        began = time.monotonic()
        for name, kind in product(NAMES * trials.count(sample=1, full=2), KINDS):
            replace(site, name, kind, ROOT)
        ended = time.monotonic()
        await_orders(history, ended)
        failed = turned_away(history.calls, began)
        assert failed == []
    trials.tell(f"all replaced in {ended - began:.1f} s, {len(failed)} calls failed; {history.summary()}")


class PlainDoor(RpcDoor):
    """A client of gRPC without anything of ours, which a service of somebody else may be."""

    def __init__(self, address: str, user_id: int) -> None:
        self._client = grpc.insecure_channel(address, PLAIN_OPTIONS)  # type: ignore[assignment]
        metadata = [("authorization", bearer(user_id))]
        calls = OrderStub(self._client)
        create, cancel = (partial(call, metadata=metadata) for call in (calls.CreateOrder, calls.CancelOrder))
        self._stub = SimpleNamespace(CreateOrder=create, CancelOrder=cancel)


@pytest.mark.long
@pytest.mark.parametrize("door", [RpcDoor, PlainDoor])
def test_servers_of_a_name_come_and_go_and_callers_that_balance_notice(
    door: type[RpcDoor], tmp_path: Path, process_environment: dict[str, str], trials: Trials
) -> None:
    for goods_id in GOODS:
        make_goods(goods_id, stock=STOCK)
    settings = {"DRAIN_DELAY_SECONDS": "3", "GRPC_CONNECTION_SECONDS": "5"}
    with ExitStack() as stack:
        shops = []
        for number in (2, 3):
            folder, host = tmp_path / str(number), f"127.0.0.{number}"
            folder.mkdir()
            shops.append(stack.enter_context(Shop(folder, {**process_environment, **settings}, host=host)))
        one, two = shops
        one.fix_ports()
        two.fix_ports()
        two.grpc_port = one.grpc_port
        dns = stack.enter_context(DNS([one.host]))
        start_grpc(one)
        target = dns.target(one.grpc_port)
        buyers = stack.enter_context(buyers_at(partial(door, target), trials, rest_seconds=REST_SECONDS))
        history = buyers[0].history
        with Crowd(buyers):
            start_grpc(two)
            before = placed(two)
            dns.point([one.host, two.host])
            named = time.monotonic()
            wait_until(lambda: placed(two) > before, seconds=START_SECONDS, what="the second one gets calls")
            found = time.monotonic()
            pause(trials)
            dns.point([one.host])
            assert two.end("grpc") == 0
            ended = time.monotonic()
            await_yes(history, ended)
    failed = turned_away(history.calls, 0)

    trials.tell(
        f"{door.__name__}: first call {found - named:.1f} s after it was named, stopped in {ended - found:.1f} s, "
        f"{len(failed)} calls failed; {history.summary()}"
    )
    assert failed == []
    assert contradictions(history.calls, read_truth(connection).effects) == []


def start_grpc(shop: Shop) -> None:
    shop.start("grpc")
    shop.await_grpc()


def placed(shop: Shop) -> int:
    return shop.log("grpc").count(PLACED["grpc"])
