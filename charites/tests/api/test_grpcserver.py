"""`manage.py grpcserver` as a process: address, shared ports, draining, what it refuses to start with."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest as Request

from charites.common.rpc import Client
from charites.tests.api.processes import WAIT_SECONDS, locked_stock, start
from lab.kit.factories import counts, make_goods, make_stock
from lab.kit.grpc_server import REFLECTIONS, SERVICES, Callers, listed, reflect, refusal
from lab.kit.processes.draining import MOST_DELAY_SECONDS, while_it_drains
from lab.kit.processes.shop import Shop, wait_until
from orders.models import Order
from orders.rpc.orders_pb2 import CreateOrderRequest
from orders.tests.api.rpc_orders import wanted
from stock.rpc.stock_pb2 import StockLevel
from stock.rpc.stock_pb2_grpc import StockStub


def test_the_server_says_where_it_listens_and_ends_when_asked(shop: Shop, callers: Callers) -> None:
    make_stock(1, 10)
    start(shop, "grpc")

    answer = callers.buyer().stock.GetStock(StockLevel(goods_id=1))

    assert answer == StockLevel(goods_id=1, num=10)
    assert f"gRPC on 127.0.0.1:{shop.grpc_port}\n" in shop.log("grpc")
    assert shop.end("grpc") == 0
    assert "Traceback" not in shop.log("grpc")


def is_down(shop: Shop) -> bool:
    """Whether a new connection is refused."""
    try:
        socket.create_connection(("127.0.0.1", shop.grpc_port), timeout=WAIT_SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_call_under_way_is_finished_before_the_server_ends(shop: Shop, callers: Callers) -> None:
    make_goods(1, stock=10)
    start(shop, "grpc")
    buyer = callers.buyer()
    request = wanted(num=2)

    with locked_stock():
        placing = buyer.order.CreateOrder.future(request)
        buyer.stock.GetStock(StockLevel(goods_id=1))  # on the same connection, so the order has arrived before it
        process = shop.processes["grpc"]
        process.terminate()
        wait_until(lambda: is_down(shop), seconds=WAIT_SECONDS, what="no new connections")
        assert not placing.done()
        assert process.poll() is None
    reply = placing.result(WAIT_SECONDS)

    assert process.wait(WAIT_SECONDS) == 0
    assert Order.objects.get().order_id == reply.order_id
    assert counts(1) == (8, 2, 0)


def test_two_servers_share_a_port_and_one_may_go(shop: Shop, callers: Callers) -> None:
    make_stock(1, 10)

    start(shop, "grpc", "grpc2")
    ended = shop.end("grpc")
    answer = callers.buyer().stock.GetStock(StockLevel(goods_id=1))

    assert ended == 0
    assert answer.num == 10


@pytest.mark.long
def test_twenty_buyers_of_the_last_five_get_five_orders_from_two_servers(shop: Shop, callers: Callers) -> None:
    make_goods(1, stock=5)
    start(shop, "grpc", "grpc2")
    request = wanted()
    buyers = [callers.buyer(user_id) for user_id in range(1, 21)]

    def buy(buyer: object) -> str:
        try:
            return str(buyer.order.CreateOrder(request).user_id)
        except grpc.RpcError as error:
            return error.code().name

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(buy, buyers))

    assert answers.count("FAILED_PRECONDITION") == 15
    assert Order.objects.count() == 5
    assert counts(1) == (0, 5, 0)


@pytest.mark.long
@pytest.mark.parametrize("how", ["SIGTERM to the server", "Ctrl-C"])
def test_server_that_is_asked_to_end_under_load_answers_whoever_it_took(shop: Shop, callers: Callers, how: str) -> None:
    make_goods(1, stock=10_000)
    start(shop, "grpc", "grpc2")
    over = threading.Event()

    def buy(user_id: int) -> list[str]:
        """Orders of one buyer, one after the other, until the time is up; what became of each."""
        buyer, told = callers.buyer(user_id), []
        while not over.is_set():
            request = CreateOrderRequest(goods_id=1, num=1, address="1 Road", name="Li", phone="138")
            request.idempotency_key = f"{user_id}-{len(told)}"
            try:
                buyer.order.CreateOrder(request, wait_for_ready=True)
            except grpc.RpcError as error:
                told.append(error.code().name)
            else:
                told.append("OK")
        return told

    with ThreadPoolExecutor(8) as pool:
        buyers = [pool.submit(buy, user_id) for user_id in range(1, 9)]
        wait_until(lambda: Order.objects.count() > 50, seconds=WAIT_SECONDS, what="there is load")
        process = shop.processes["grpc"]
        if how == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)  # the whole group, as a terminal does
        else:
            process.terminate()
        code = process.wait(WAIT_SECONDS)
        seen = Order.objects.count()
        wait_until(lambda: Order.objects.count() > seen + 50, seconds=WAIT_SECONDS, what="the other goes on")
        over.set()
        told = [status for buyer in buyers for status in buyer.result(WAIT_SECONDS)]

    assert code == 0
    # A call that came in the moment of the end may be turned away, and then it was not begun.
    assert set(told) <= {"OK", "UNAVAILABLE", "CANCELLED"}
    assert Order.objects.count() == told.count("OK")


@pytest.mark.once
def test_a_taken_port_is_said_in_one_sentence(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", shop.grpc_port)):
        done = shop.manage("grpcserver")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"Cannot listen on 127.0.0.1 port {shop.grpc_port}" in done.stderr


@pytest.mark.once
def test_the_demo_listens_on_loopback_only(shop: Shop) -> None:
    shop.given["DEMO"] = "true"

    with socket.create_server(("127.0.0.1", shop.grpc_port)):  # or one that does listen would never end
        done = shop.manage("grpcserver", "--host", "0.0.0.0")

    assert done.returncode == 1
    assert "loopback only" in done.stderr


def test_the_demos_tokens_are_taken_from_here_and_not_through_a_proxy(shop: Shop, callers: Callers) -> None:
    make_stock(1, 10)
    shop.given["DEMO"] = "true"
    start(shop, "grpc")
    read = callers.with_header("token").stock.GetStock

    answer = read(StockLevel(goods_id=1))
    refused = [
        refusal(read, StockLevel(goods_id=1), metadata=[(name, "127.0.0.1")])
        for name in ("x-forwarded-for", "x-real-ip", "forwarded", "via")
    ]

    assert answer.num == 10
    assert refused == [("UNAUTHENTICATED", 10000002)] * 4


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--tls-cert", "cert.pem"], "TLS takes both"),
        (["--tls-cert", "/nowhere/cert.pem", "--tls-key", "/nowhere/key.pem"], "Cannot read /nowhere/cert.pem"),
        (["--tls-client-ca", __file__], "needs one of its own"),
    ],
)
def test_incomplete_tls_is_said_in_one_sentence(shop: Shop, options: list[str], expected: str) -> None:
    done = shop.manage("grpcserver", *options)

    assert done.returncode == 1
    assert expected in done.stderr


@pytest.mark.long
@pytest.mark.once
@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
def test_tls_is_served(shop: Shop, tmp_path: Path) -> None:
    make_stock(1, 10)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    arguments = ["--tls-cert", str(cert), "--tls-key", str(key)]
    shop.command = lambda name, plain=shop.command: [*plain(name), *arguments]  # type: ignore[method-assign]
    start(shop, "grpc")

    credentials = grpc.ssl_channel_credentials(cert.read_bytes())
    with Client(f"localhost:{shop.grpc_port}", credentials=credentials, timeout_seconds=WAIT_SECONDS) as client:
        refused = refusal(client.stub(StockStub).GetStock, StockLevel(goods_id=1))
    called = shop.manage(
        "call", "Stock.GetStock", "--address", f"localhost:{shop.grpc_port}", "--token", "x", "--tls-ca", str(cert)
    )

    assert refused == ("UNAUTHENTICATED", 10000002)
    assert "UNAUTHENTICATED 10000002" in called.stderr


@pytest.mark.long
@pytest.mark.once
def test_health_and_reflection_are_served_and_health_says_when_the_server_drains(shop: Shop, callers: Callers) -> None:
    start(shop, "grpc")
    with grpc.insecure_channel(shop.grpc_address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        states = health.Watch(health_pb2.HealthCheckRequest(service="Order"))
        first = next(states).status
        with pytest.raises(grpc.RpcError) as unknown:
            health.Check(health_pb2.HealthCheckRequest(service="Nobody"))
        names = [listed(next(reflect(channel, version, [Request(list_services="*")]))) for version in REFLECTIONS]
        process = shop.processes["grpc"]
        process.terminate()
        last, *more = states
        assert process.wait(WAIT_SECONDS) == 0

    assert (first, last.status) == (health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING)
    assert more == []
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    assert names == [SERVICES, SERVICES]


@pytest.mark.long
def test_server_that_is_asked_to_end_says_so_first_and_takes_calls_for_a_while(shop: Shop, callers: Callers) -> None:
    make_stock(1, 10)
    shop.given["DRAIN_DELAY_SECONDS"] = f"{MOST_DELAY_SECONDS}"
    start(shop, "grpc")
    with grpc.insecure_channel(shop.grpc_address) as channel:
        states = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        before = next(states).status
        process, asked_at = shop.processes["grpc"], time.monotonic()
        process.terminate()
        after = next(states).status
        with while_it_drains(asked_at):
            answer = callers.buyer().stock.GetStock(StockLevel(goods_id=1))  # over a connection of its own
        code = process.wait(WAIT_SECONDS)

    assert time.monotonic() - asked_at >= MOST_DELAY_SECONDS
    assert code == 0
    assert (before, after) == (health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING)
    assert answer.num == 10


@pytest.mark.once
def test_parts_of_the_shop_are_served_where_only_they_are_wanted(shop: Shop, callers: Callers) -> None:
    make_stock(1, 10)
    shop.command = lambda name, all_of_it=shop.command: [*all_of_it(name), "--apps", "stock"]  # type: ignore[method-assign]
    start(shop, "grpc")

    assert callers.buyer().stock.GetStock(StockLevel(goods_id=1)).num == 10
    with pytest.raises(grpc.RpcError) as other:
        callers.buyer().order.CreateOrder(CreateOrderRequest())
    assert other.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.once
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
def test_nobody_listens_where_the_server_was_killed(shop: Shop, callers: Callers) -> None:
    start(shop, "grpc")

    server = shop.processes.pop("grpc")
    server.kill()
    server.wait(WAIT_SECONDS)

    wait_until(lambda: is_down(shop), seconds=WAIT_SECONDS, what="nobody listens")
