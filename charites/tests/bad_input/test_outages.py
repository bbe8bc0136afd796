"""Database or Redis gone while the shop runs: busy in words and numbers, nothing written, and well again by itself."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from charites.common.rpc import read_error
from charites.tests.bad_input.test_matrix import INTERNALS
from lab.kit.factories import bearer
from lab.kit.processes.shop import Shop, wait_until
from lab.kit.rest_client import error_in
from lab.servers import MariaDB, Redis
from orders.rpc.orders_pb2 import CreateOrderRequest
from orders.rpc.orders_pb2_grpc import OrderStub

pytestmark = pytest.mark.servers
BUYER, STAFF = bearer(), "Bearer staff"
ORDER = {"items": [{"goods_id": "1", "quantity": 1}], "address": "a", "name": "n", "phone": "p"}
ORDER_OF_OLD = {"GoodsId": "1", "Num": "1", "Address": "a", "Name": "n", "Phone": "p"}
BUSY_NUMBERS = {10000004, 40010001}
SECONDS = 120  # a bound for busy machines, no measurement


@dataclass
class Site:
    """A shop on servers of its own, which a test may take away."""

    shop: Shop
    database: MariaDB
    redis: Redis
    channel: grpc.Channel

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.shop.url + path, headers={"Authorization": BUYER}, timeout=SECONDS)

    def post(self, path: str, body: Any) -> httpx.Response:
        return httpx.post(self.shop.url + path, json=body, headers={"Authorization": BUYER}, timeout=SECONDS)

    def place_over_grpc(self) -> grpc.RpcError | None:
        request = CreateOrderRequest(goods_id=1, num=1, address="a", name="n", phone="p")
        try:
            OrderStub(self.channel).CreateOrder(request, timeout=SECONDS, metadata=[("authorization", BUYER)])
        except grpc.RpcError as error:
            return error
        return None

    def failing(self) -> list[str]:
        """What /statusz says is not well."""
        checks = httpx.get(f"{self.shop.url}/statusz", timeout=SECONDS).json()["checks"]
        return [name for name, check in checks.items() if not check["ok"]]

    def available(self) -> int:
        return int(self.get("/api/stock/1").json()["available"])

    def is_well(self) -> bool:
        """Everything answers, and an order can be placed over each protocol."""
        if self.failing() or self.place_over_grpc():
            return False
        placed = self.post("/api/orders", ORDER), self.post("/v1/createorder", ORDER_OF_OLD)
        return [answer.status_code for answer in placed] == [201, 200]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with MariaDB() as database, Redis() as redis:
        folder: Path = tmp_path_factory.mktemp("shop")
        environment = {
            **os.environ,
            "DATABASE_URL": database.url,
            "REDIS_URL": redis.url,
            "CELERY_BROKER_URL": redis.broker_url,
            "DEMO": "true",  # the sandbox, and users to sign in
            "METRICS_DIR": str(folder / "metrics"),
            "DATABASE_TIMEOUT_SECONDS": "2",
            "GRPC_DEADLINE_SECONDS": "30",
        }
        with Shop(folder, environment) as shop:
            shop.prepare()
            shop.start("web", "grpc", "worker", "sweep")
            shop.await_ready()
            shop.await_grpc(SECONDS)
            httpx.put(f"{shop.url}/api/stock/1", json={"available": 1000}, headers={"Authorization": STAFF}, timeout=30)
            with grpc.insecure_channel(shop.grpc_address) as channel:
                yield Site(shop, database, redis, channel)


def expect_busy(site: Site) -> None:
    """Every protocol answers busy while the database is away, in words, and without internals."""
    for answer in (
        site.get("/api/rooms"),
        site.post("/api/orders", ORDER),
        site.post("/v1/createorder", ORDER_OF_OLD),
    ):
        body = answer.json()
        assert (answer.status_code, answer.headers["Retry-After"] in "123") == (503, True), body
        assert error_in(body)["code"] in BUSY_NUMBERS
        assert not INTERNALS.search(answer.text)
    error = site.place_over_grpc()
    assert error is not None
    ours = read_error(error)
    assert ours, error
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert ours.code in BUSY_NUMBERS
    assert not INTERNALS.search(f"{error.details()} {error.trailing_metadata()}")


def expect_recovery(site: Site) -> None:
    wait_until(lambda: not site.failing(), seconds=SECONDS, what=f"all checks are green: {site.shop.folder}")
    assert site.is_well()
    for name in ("web", "grpc"):
        assert "internal_error" not in site.shop.log(name)
    audit = site.shop.manage("audit")
    assert audit.returncode == 0, audit.stdout


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_database_that_is_gone_makes_the_shop_busy_until_it_is_back(site: Site, how: str) -> None:
    assert site.is_well()
    before = site.available()

    getattr(site.database, how)()
    expect_busy(site)
    assert "database" in site.failing()
    assert httpx.get(f"{site.shop.url}/livez", timeout=SECONDS).status_code == 200
    assert httpx.get(f"{site.shop.url}/metrics", timeout=SECONDS).status_code == 200
    site.database.start()

    wait_until(lambda: site.get("/api/stock/1").status_code == 200, seconds=SECONDS, what="stock is read")
    assert site.available() == before
    expect_recovery(site)


@pytest.mark.long
def test_database_that_hangs_makes_the_shop_busy_until_it_goes_on(site: Site) -> None:
    """Its connections stay open and nothing comes: only a time limit of our own tells."""
    assert site.is_well()
    before = site.available()

    site.database.pause()
    try:
        with ThreadPoolExecutor() as pool:
            asked = [pool.submit(site.get, path) for path in ("/readyz", "/statusz", "/metrics", "/readyz")]
            while not all(future.done() for future in asked):
                assert site.get("/livez").status_code == 200  # or whoever watches would start it again
            assert [future.result().status_code for future in asked][:2] == [503, 503]
        expect_busy(site)
    finally:
        site.database.resume()

    wait_until(lambda: site.get("/api/stock/1").status_code == 200, seconds=SECONDS, what="stock is read")
    assert site.available() == before
    expect_recovery(site)


@pytest.mark.long
@pytest.mark.parametrize("how", ["kill", "pause"])
def test_redis_that_is_gone_keeps_nobody_from_buying(site: Site, how: str) -> None:
    assert site.is_well()
    before = site.available()

    getattr(site.redis, how)()
    try:
        assert site.post("/api/orders", ORDER).status_code == 201
        assert site.post("/v1/createorder", ORDER_OF_OLD).status_code == 200
        assert site.place_over_grpc() is None
        assert site.available() == before - 3
        token = site.post("/api/auth/token", {"username": "buyer", "password": "charites"})
        assert token.status_code == 200
        failing = site.failing()
        assert {"redis", "broker"} <= set(failing)
        assert "database" not in failing
    finally:
        site.redis.resume() if how == "pause" else site.redis.start()

    expect_recovery(site)
