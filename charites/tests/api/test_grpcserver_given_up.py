"""`manage.py grpcserver` as a process, and callers who give up."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from charites.tests.api.processes import WAIT_SECONDS, locked_stock, start
from lab.kit.factories import make_goods
from lab.kit.grpc_server import Callers
from lab.kit.processes.shop import Shop
from lab.servers import LOOPBACK
from orders.models import Order
from orders.tests.api.rpc_orders import wanted
from stock.rpc.stock_pb2 import StockLevel

MANY, CONNECTIONS = 1_000, 50
GROWTH_BYTES = 64 * 2**20  # three times what it is, and less than half of what it was
FEW = 80  # fewer than CALLS_A_CONNECTION; five times as many are more than Envoy would bear by itself


def test_callers_who_give_up_cost_others_on_their_connection_nothing(shop: Shop, callers: Callers) -> None:
    make_goods(1, stock=1000)
    shop.given["GRPC_DEADLINE_SECONDS"] = str(WAIT_SECONDS)
    start(shop, "grpc")
    buyer = callers.buyer()
    request = wanted()

    with locked_stock():
        placing = buyer.order.CreateOrder.future(request)
        for _ in range(5):
            others = [buyer.order.CreateOrder.future(request) for _ in range(FEW)]
            buyer.stock.GetStock(StockLevel(goods_id=1))  # on the same connection, so all have arrived before it
            for other in others:
                other.cancel()
            buyer.stock.GetStock(StockLevel(goods_id=1))
    reply = placing.result(WAIT_SECONDS)

    assert Order.objects.filter(order_id=reply.order_id).exists()


def calls_given_up_at_once(count: int) -> bytes:
    """What a caller sends who has no token, and resets each call in the frame after its request."""
    connection = H2Connection(H2Configuration(client_side=True))
    connection.initiate_connection()
    headers = {":method": "POST", ":scheme": "http", ":path": "/Stock/GetStock", ":authority": "shop"}
    headers |= {"content-type": "application/grpc", "te": "trailers"}
    for _ in range(count):
        stream = connection.get_next_available_stream_id()
        connection.send_headers(stream, list(headers.items()))
        connection.send_data(stream, bytes(5), end_stream=True)
        connection.reset_stream(stream)
    return bytes(connection.data_to_send())


def memory_of(pid: int) -> int:
    """Bytes that a process and its children have."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(memory_of(int(child)) for child in children)


@pytest.mark.once
@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
@pytest.mark.parametrize("shop", ["pyvoy"], indirect=True)
def test_calls_that_are_given_up_at_once_fill_no_memory(shop: Shop, callers: Callers) -> None:
    make_goods(1, stock=7)
    start(shop, "grpc")
    pid, flood = shop.processes["grpc"].pid, calls_given_up_at_once(MANY)
    before = memory_of(pid)

    for _ in range(CONNECTIONS):
        with socket.create_connection((LOOPBACK, shop.grpc_port), timeout=WAIT_SECONDS) as caller:
            with suppress(ConnectionError):
                caller.sendall(flood)
                caller.shutdown(socket.SHUT_WR)
                while caller.recv(65_536):
                    pass  # until it is closed

    assert callers.buyer().stock.GetStock(StockLevel(goods_id=1)).num == 7
    assert memory_of(pid) - before < GROWTH_BYTES


@pytest.mark.long
@pytest.mark.once
@pytest.mark.parametrize("shop", ["pyvoy"], indirect=True)
def test_requests_that_never_come_leave_no_traceback(shop: Shop, callers: Callers) -> None:
    shop.given["GRPC_DEADLINE_SECONDS"] = "0.1"
    start(shop, "grpc")
    over = threading.Event()

    def nothing() -> Iterator[bytes]:
        over.wait(WAIT_SECONDS)
        yield from ()

    channel = callers.buyer().client.channel
    calls = [channel.stream_unary("/Stock/GetStock").future(nothing(), timeout=WAIT_SECONDS) for _ in range(3)]
    outcomes = [call.code() for call in calls]
    over.set()

    assert outcomes == [grpc.StatusCode.DEADLINE_EXCEEDED] * 3
    assert shop.end("grpc") == 0
    assert "Traceback" not in shop.log("grpc")
    assert "Exception in callback" not in shop.log("grpc")
