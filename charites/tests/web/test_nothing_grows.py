"""Nothing that a caller makes up is kept: no series, no object, on REST and on gRPC."""

import gc
from collections.abc import Callable

import grpc
import pytest
from prometheus_client import REGISTRY

from charites.tests.web.asked import Web, as_buyer, order, told
from lab.kit.grpc_server import grpc_callers
from stock.rpc.stock_pb2 import StockLevel

pytestmark = pytest.mark.django_db(transaction=True)

WARM, MANY = 100, 1_500
FEW = 800  # objects: an event loop keeps up to a hundred timers that were cancelled, with six of them each


WAYS = ["method", "path", "path of the gateway", "path of the admin", "query", "token", "host", "key of nothing"]


def series() -> int:
    return sum(len(metric.samples) for metric in REGISTRY.collect())


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def grown(ask: Callable[[int], object]) -> tuple[int, int]:
    """How many series and objects there are more after many requests, each of which differs from all others."""
    for number in range(WARM):
        ask(number)
    before = series(), objects()
    for number in range(WARM, WARM + MANY):
        ask(number)
    return series() - before[0], objects() - before[1]


@pytest.mark.parametrize("what", [*WAYS, "user name"])
def test_web_keeps_nothing_of_what_callers_make_up(web: Web, shop: None, settings, what: str) -> None:
    settings.TOKEN_RATE = "5/d"
    known = as_buyer()  # one token: those that were good are remembered
    asks: dict[str, Callable[[int], object]] = {
        "method": lambda n: web.send(f"M{n}", "/api/orders", headers=known),
        "path": lambda n: web.send("GET", f"/api/x{n}/y{n}", headers=known),
        "path of the gateway": lambda n: web.send("POST", f"/v1/x{n}", b"{}", known),
        "path of the admin": lambda n: web.send("GET", f"/admin/x{n}/", headers=known),
        "query": lambda n: web.send("GET", f"/api/rooms?x{n}=1", headers=known),
        "token": lambda n: web.send("GET", "/api/rooms", headers={**known, "Authorization": f"Bearer x{n}"}),
        "host": lambda n: web.send("GET", "/api/rooms", headers={**known, "Host": f"h{n}.example"}),
        "key of nothing": lambda n: web.send(
            "POST", "/api/orders", order(items=[]), {**known, "Idempotency-Key": f"k{n}"}
        ),
        "user name": lambda n: web.send("POST", "/api/auth/token", b'{"username": "u%d", "password": "x"}' % n, known),
    }

    more_series, more_objects = grown(asks[what])

    assert more_series == 0
    assert more_objects < FEW


def test_user_names_past_the_limit_of_an_address_are_not_counted(web: Web, shop: None, settings) -> None:
    settings.TOKEN_RATE = "1/d"
    for number in range(9):
        answer = web.send("POST", "/api/auth/token", b'{"username": "u%d", "password": "x"}' % number, as_buyer())

    assert told(answer) == (429, 10000007)


@pytest.mark.transport  # Hypercorn keeps streams that were answered before their request had ended
@pytest.mark.parametrize("what", ["method", "token", "metadata"])
def test_grpc_keeps_nothing_of_what_callers_make_up(what: str) -> None:
    with grpc_callers() as callers:
        caller = callers.buyer()
        channel = caller.client.channel

        def ask(number: int) -> None:
            path = f"/X{number}/Y" if what == "method" else "/Stock/GetStock"
            token = f"Bearer x{number}" if what == "token" else "Bearer x"
            metadata = [("authorization", token), ("x-request-id", f"r{number}"), (f"m{number}", "x")]
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(path)(StockLevel(goods_id=1).SerializeToString(), metadata=metadata, timeout=60)

        more_series, more_objects = grown(ask)

    assert more_series == 0
    assert more_objects < FEW
