"""Metrics: what they count, and that several processes are counted together."""

import re
from pathlib import Path

import httpx
import pytest
from django.core.cache import cache
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from charites import metrics
from lab.kit.factories import later, make_command, make_goods, make_order, make_paid_order
from lab.kit.processes.customers import RpcDoor, Wish
from lab.kit.processes.shop import START_SECONDS, Shop, wait_until
from lab.kit.rest_client import anybody, buyer
from lab.servers import LOOPBACK, free_port
from orders import services

REQUESTS = 30


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


@pytest.fixture(autouse=True)
def _nobody_has_read_before() -> None:
    metrics.READER.forget()
    cache.delete_many([metrics.READING, metrics.READ, metrics.AUDIT])


def read(name: str, **labels: str) -> float:
    response = anybody().get("/metrics")
    assert response.status_code == 200
    return samples(response.text).get((name, frozenset(labels.items())), 0.0)


@pytest.mark.django_db
def test_requests_are_counted_by_route_and_status_not_by_address() -> None:
    labels = {"protocol": "http", "route": "GET api/goods/<id:goods_id>", "status": "404"}
    before = read("charites_requests_total", **labels)

    buyer().get("/api/goods/4711")
    buyer().get("/api/goods/4712")

    assert read("charites_requests_total", **labels) == before + 2
    told = samples(anybody().get("/metrics").text)
    assert not [labels for _name, labels in told if any("4711" in value for _label, value in labels)]


@pytest.mark.long
@pytest.mark.django_db
def test_made_up_methods_and_paths_make_no_new_series() -> None:
    def series() -> set[tuple[str, frozenset[tuple[str, str]]]]:
        return set(samples(anybody().get("/metrics").text))

    def call(number: int) -> None:
        for path in ("/api/goods/1", f"/api/{number}", f"/{number}", f"/v1/{number}"):
            anybody().send(f"BREW{number}", path)

    call(0)
    series()  # counts the reading of metrics itself
    known = series()
    for number in range(1, 501):
        call(number)

    assert series() == known
    labels = {"protocol": "http", "route": "other api/goods/<id:goods_id>", "status": "401"}
    assert read("charites_requests_total", **labels) >= 501


@pytest.mark.django_db
def test_orders_are_counted_by_outcome() -> None:
    make_goods(1, stock=2)
    names = ("placed", "paid", "NotEnoughStock", "closed_by_timeout")
    before = {name: read("charites_orders_total", outcome=name) for name in names}

    make_paid_order()
    make_order(now=later(-86_400))
    services.place_orders(commands=[make_command({1: 5})], now=timezone.now())
    services.close_due(now=timezone.now())

    after = {name: read("charites_orders_total", outcome=name) for name in names}
    expected = {"placed": 2, "paid": 1, "NotEnoughStock": 1, "closed_by_timeout": 1}
    assert {name: after[name] - before[name] for name in names} == expected


def test_metrics_of_several_processes_are_one_number(process_environment: dict[str, str], tmp_path: Path) -> None:
    """Each address answers with the sum of both processes."""
    environment = {**process_environment, "METRICS_DIR": str(tmp_path / "metrics")}
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with Shop(tmp_path / "one", environment) as one, Shop(tmp_path / "two", environment) as two:
        one.start("web")
        two.start("web")
        one.await_web()
        two.await_web()

        for shop in (one, two) * (REQUESTS // 2):
            assert httpx.get(f"{shop.url}/api/rooms").status_code == 401

        labels = {"protocol": "http", "route": "GET api/rooms", "status": "401"}
        key = ("charites_requests_total", frozenset(labels.items()))
        for shop in (one, two):
            wait_until(
                lambda shop=shop: samples(httpx.get(f"{shop.url}/metrics").text).get(key) == REQUESTS,
                seconds=START_SECONDS,
                what="both processes are counted",
            )
        assert not re.search(r"pid=\"", httpx.get(f"{one.url}/metrics").text)


@pytest.mark.long
@pytest.mark.parametrize("process", ["grpc", "worker", "sweep"])
def test_process_without_http_shows_what_it_counts_where_it_is_told_to(
    process_environment: dict[str, str], tmp_path: Path, process: str
) -> None:
    address = f"{LOOPBACK}:{free_port()}"
    own = {"METRICS_ADDRESS": address, "METRICS_DIR": str(tmp_path / "metrics")}
    with Shop(tmp_path, {**process_environment, **own}) as shop:
        shop.start(process)
        wait_until(lambda: counters_at(address) is not None, seconds=START_SECONDS, what=f"{process} answers")
        if process == "grpc":
            shop.await_grpc()
            RpcDoor(shop.grpc_address, 1).ask(Wish("place", "1/first", {"1": 1}))
            assert 'charites_requests_total{protocol="grpc",route="Order.CreateOrder"' in str(counters_at(address))

        shop.processes["first"] = shop.processes.pop(process)
        shop.start(process)
        assert shop.processes[process].wait(START_SECONDS) == 1

    assert f"METRICS_ADDRESS={address} cannot be listened on (" in shop.log(process)


def counters_at(address: str) -> str | None:
    try:
        return httpx.get(f"http://{address}/metrics", timeout=5).text
    except httpx.HTTPError:
        return None
