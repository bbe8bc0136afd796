"""HAProxy in front of the shop, with the configuration of production: what does not get through. What it does when
servers come and go is in charites/tests/drills."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import grpc
import httpx
import pytest

from lab.kit.factories import bearer, make_stock, make_user
from lab.kit.processes.shop import START_SECONDS, Shop, wait_until
from lab.servers import ShopHAProxy
from stock.rpc.stock_pb2 import StockLevel
from stock.rpc.stock_pb2_grpc import StockStub

pytestmark = pytest.mark.once

SHOP = {"TRUST_PROXY": "true", "NUM_PROXIES": "1", "TOKEN_NAME_RATE": "3/h"}


@pytest.fixture
def haproxy(tmp_path: Path, process_environment: dict[str, str]) -> Iterator[ShopHAProxy]:
    make_stock(1, 5)
    make_user("mei")
    with Shop(tmp_path, {**process_environment, **SHOP}) as shop:
        shop.start("web", "grpc")
        shop.await_web()
        shop.await_grpc()
        with ShopHAProxy([shop.http_port] * 2, [shop.grpc_port] * 2) as proxy:
            wait_until(lambda: count_up(proxy) == 4, seconds=START_SECONDS, what="HAProxy finds the servers well")
            yield proxy


def count_up(proxy: ShopHAProxy) -> int:
    states = proxy.states()
    return sum(states[server] == "UP" for server in product(("web", "grpc"), ("one", "two")))


def test_what_is_for_those_inside_is_not_found_however_it_is_spelled(haproxy: ShopHAProxy) -> None:
    inside = ["/metrics", "/%6Detrics", "/readyz", "/ready%7a", "/statusz", "/%73tatusz"]
    told = {path: httpx.get(haproxy.url + path).status_code for path in [*inside, "/livez"]}
    with grpc.insecure_channel(haproxy.grpc_address) as channel:
        level = StockLevel(goods_id=1)
        stock = StockStub(channel).GetStock(level, metadata=[("authorization", bearer())], timeout=60)
        for path in ("/grpc.health.v1.Health/Check", "/%67rpc.health.v1.Health/Check"):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(path)(b"", timeout=60)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED

    assert told == {**dict.fromkeys(inside, 404), "/livez": 200}
    assert stock.num == 5


@pytest.mark.long
def test_callers_words_about_where_they_are_do_not_count(haproxy: ShopHAProxy) -> None:
    words = {"username": "mei", "password": "guess"}

    told = [
        httpx.post(
            f"{haproxy.url}/api/auth/token",
            json=words,
            headers=dict.fromkeys(("X-Forwarded-For", "X_Forwarded_For", "X-Real-IP"), f"10.0.0.{number}"),
            timeout=60,
        ).status_code
        for number in range(4)
    ]

    assert told == [401, 401, 401, 429]
