"""Doors at which everybody is answered "busy", each for a reason of its own, and what of the callers is still alive."""

import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache, partial
from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import OperationalError
from django.test import RequestFactory, override_settings
from google.protobuf.message import Message
from rest_framework.request import Request

from charites.common import clock
from lab.kit.factories import bearer, make_command
from lab.kit.grpc_server import grpc_callers, grpc_server, refusal
from lab.kit.interleaving import TIMEOUT_SECONDS, Background
from lab.kit.processes.shop import wait_until
from lab.kit.wrappers import on_every_connection
from lab.servers import LOOPBACK, free_port
from orders import remote, services
from orders.errors import StockCallFailed
from orders.flows.local import PARTICIPANT
from orders.payloads import PlaceOrder
from orders.rpc.orders_pb2 import CreateOrderRequest
from stock.errors import StockBusy
from stock.moves import BUSY, Move, Outcome, Participant, reserve
from stock.strategies import STRATEGIES, get_strategy
from stock.strategies.group_commit import GroupCommit
from stock.strategies.strategy import Strategy

LONG_SECONDS = 3600.0  # longer than anybody asks
LET_GO_SECONDS = 10.0
Ask = Callable[[], None]
KINDS = (WSGIRequest, Request, Message, PlaceOrder, Move)
OUR_FILES = ("goods/", "stock/", "orders/")  # the options of a .proto file are messages, too
ORDER_OF_OLD = {"GoodsId": "1", "Num": "1", "Address": "a", "Name": "n", "Phone": "p"}
ORDER = {"items": [{"goods_id": "1", "quantity": 1}], "address": "a", "name": "n", "phone": "p"}


def live_requests() -> list[Any]:
    """What callers sent and is still alive: requests of Django, DRF and gRPC, commands, moves."""
    gc.collect()
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), KINDS)]  # some are proxies of what is gone
    return [thing for thing in found if not isinstance(thing, Message) or is_ours(thing)]


def left_behind(before: Sequence[Any]) -> dict[str, int]:
    """What stays alive and was not before, by kind. A thread that has answered lets go a moment later."""
    old = {id(thing) for thing in before}

    def found() -> dict[str, int]:
        return dict(Counter(type(thing).__name__ for thing in live_requests() if id(thing) not in old))

    with suppress(AssertionError):
        wait_until(lambda: not found(), seconds=LET_GO_SECONDS, what="threads let go")
    return found()


def is_ours(message: Message) -> bool:
    return bool(message.DESCRIPTOR.file.name.startswith(OUR_FILES))


def ask_http(path: str, body: Mapping[str, Any]) -> None:
    """Places an order over HTTP, and is told that the shop is busy. As a web server asks: Django's test client leaves
    three small objects of its own a request."""
    statuses: list[str] = []
    headers = {"Authorization": bearer()}
    asked = RequestFactory().post(path, body, content_type="application/json", headers=headers)
    answer = application()(asked.environ, lambda status, headers: statuses.append(status))
    content = b"".join(answer)
    answer.close()
    assert statuses == ["503 Service Unavailable"], content


ask_rest = partial(ask_http, "/api/orders", ORDER)
ask_gateway = partial(ask_http, "/v1/createorder", ORDER_OF_OLD)


@cache
def application() -> WSGIHandler:
    return WSGIHandler()


@contextmanager
def grpc_door() -> Iterator[Ask]:
    """Places an order over gRPC, and is told that the shop is busy."""
    with grpc_callers() as callers:
        create = callers.buyer().order.CreateOrder

        def ask() -> None:
            request = CreateOrderRequest(goods_id=1, num=1, address="a", name="n", phone="p")
            assert refusal(create, request)[0] == "UNAVAILABLE"

        yield ask


def ask_service() -> None:
    """Places an order where stock is another service, which does not answer."""
    placed = services.place_orders(commands=[make_command()], now=clock.now())[0]
    assert isinstance(placed.error, StockBusy | StockCallFailed), placed


class Holding(Strategy):
    """Holds whoever leads until it is told to let go; nothing is taken."""

    name = "holding"

    def __init__(self) -> None:
        self.holds, self.may_go = threading.Event(), threading.Event()

    def move(self, moves: Sequence[Move], participant: Participant) -> list[Outcome]:
        self.holds.set()
        self.may_go.wait(LONG_SECONDS)
        return [BUSY] * len(moves)


@contextmanager
def queue_full() -> Iterator[None]:
    """Somebody commits, somebody waits, and the queue takes no third one."""
    holding = Holding()
    group = GroupCommit(holding)
    STRATEGIES[holding.name] = lambda: group
    full = override_settings(STOCK_STRATEGY=holding.name, STOCK_GROUP_QUEUE=1, STOCK_GROUP_WAIT_SECONDS=LONG_SECONDS)
    with full, Background(lambda: group.move([reserve(1, {1: 1})], PARTICIPANT)):
        holding.holds.wait(TIMEOUT_SECONDS)
        with Background(lambda: group.move([reserve(2, {1: 1})], PARTICIPANT)):
            wait_until(lambda: group.batches._queue, seconds=TIMEOUT_SECONDS, what="the queue is full")
            try:
                yield
            finally:
                holding.may_go.set()
    del STRATEGIES[holding.name]
    get_strategy.cache_clear()


def too_many_connections(*_statement: Any) -> None:
    raise OperationalError(1040, "Too many connections")


@contextmanager
def database_away() -> Iterator[None]:
    """No statement comes through, on this connection and on those that are made meanwhile."""

    with on_every_connection(too_many_connections):
        yield


@contextmanager
def locks_away() -> Iterator[None]:
    """The Redis that holds the locks of goods does not answer."""
    with override_settings(STOCK_STRATEGY="redis_lock", STOCK_LOCK_REDIS_URLS=[f"redis://{LOOPBACK}:{free_port()}/0"]):
        yield


def no_calls() -> AbstractContextManager[None]:
    """As many calls are under way as the gRPC server takes."""
    return override_settings(GRPC_MAX_CONCURRENT=0)


@contextmanager
def stock_service(address: str) -> Iterator[None]:
    """This process is the order service, and stock is at that address."""
    split = {"APPS": ["goods", "orders"], "ORDER_FLOW": "half_message", "STOCK_ENDPOINT": f"ipv4:{address}"}
    try:
        with override_settings(**split):
            yield
    finally:
        remote.client.cache_clear()


@contextmanager
def http_at(reason: Callable[[], AbstractContextManager[None]], ask: Ask) -> Iterator[Ask]:
    with reason():
        yield ask


@contextmanager
def grpc_at(reason: Callable[[], AbstractContextManager[None]]) -> Iterator[Ask]:
    with grpc_door() as ask, reason():
        yield ask


@contextmanager
def stock_gone() -> Iterator[Ask]:
    with stock_service(f"{LOOPBACK}:{free_port()}"):
        yield ask_service


@contextmanager
def stock_busy() -> Iterator[Ask]:
    with grpc_server() as address, stock_service(address), no_calls():
        yield ask_service


# Each is entered with product 1 in stock, outside of any transaction, and gives what asks once.
BUSY_DOORS: dict[str, Callable[[], AbstractContextManager[Ask]]] = {
    "REST, the queue of orders is full": partial(http_at, queue_full, ask_rest),
    "REST, the database is away": partial(http_at, database_away, ask_rest),
    "REST, the locks are away": partial(http_at, locks_away, ask_rest),
    "gateway, the queue of orders is full": partial(http_at, queue_full, ask_gateway),
    "gateway, the database is away": partial(http_at, database_away, ask_gateway),
    "gateway, the locks are away": partial(http_at, locks_away, ask_gateway),
    "gRPC, the queue of orders is full": partial(grpc_at, queue_full),
    "gRPC, the database is away": partial(grpc_at, database_away),
    "gRPC, the locks are away": partial(grpc_at, locks_away),
    "gRPC, too many calls": partial(grpc_at, no_calls),
    "between services, stock is gone": stock_gone,
    "between services, stock is busy": stock_busy,
}
