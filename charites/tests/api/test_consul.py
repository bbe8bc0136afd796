"""What `manage.py grpcserver` tells Consul: nobody here runs an agent, and a server stands in for its two calls."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from charites.tests.api.processes import WAIT_SECONDS, start
from lab.kit.factories import make_stock
from lab.kit.grpc_server import Callers
from lab.kit.processes.shop import Shop, wait_until
from lab.kit.receiver import Received, Receiver
from stock.rpc.stock_pb2 import StockLevel

pytestmark = pytest.mark.once

REGISTER, DEREGISTER = "/v1/agent/service/register", "/v1/agent/service/deregister/"


def settings(agent: Receiver, **more: str) -> dict[str, str]:
    return {"CONSUL_URL": agent.url.removesuffix("/hooks"), "CONSUL_TOKEN": "a-token", **more}


def test_services_are_registered_while_the_server_serves(shop: Shop) -> None:
    with Receiver() as agent:
        shop.given |= settings(agent, APPS="goods,stock,orders")
        start(shop, "grpc")
        wait_until(lambda: len(agent.received) == 3, seconds=WAIT_SECONDS, what="the agent is told")
        code = shop.end("grpc")

    registered, gone = agent.received[:3], agent.received[3:]
    bodies = [json.loads(received.body) for received in registered]
    port, names = shop.grpc_port, ["goods", "order", "stock"]
    assert code == 0
    assert {received.path for received in registered} == {REGISTER}
    assert [body["Name"] for body in bodies] == names
    assert {(body["Address"], body["Port"]) for body in bodies} == {("127.0.0.1", port)}
    checks = [f"127.0.0.1:{port}/{service}" for service in ("Goods", "Order", "Stock")]
    assert [body["Check"]["GRPC"] for body in bodies] == checks
    assert {body["Check"]["Status"] for body in bodies} == {"passing"}
    assert [received.path for received in gone] == [DEREGISTER + body["ID"] for body in bodies]
    assert all(body["ID"].startswith(f"{name}-127.0.0.1-{port}-") for body, name in zip(bodies, names, strict=True))
    assert {received.headers["x-consul-token"] for received in agent.received} == {"a-token"}


@pytest.mark.long
def test_process_that_ends_takes_away_itself_and_not_the_other_one_on_its_port(shop: Shop) -> None:
    there: set[str] = set()

    def answer(received: Received) -> int:
        if received.path == REGISTER:
            there.add(json.loads(received.body)["ID"])
        else:
            there.discard(received.path.removeprefix(DEREGISTER))
        return HTTPStatus.OK

    with Receiver(answer) as agent:
        shop.given |= settings(agent, APPS="goods,stock,orders")
        start(shop, "grpc", "grpc2")
        wait_until(lambda: len(there) == 6, seconds=WAIT_SECONDS, what="the agent is told by both")
        code, stays = shop.end("grpc2"), shop.processes["grpc"].pid
        left = sorted(there)

    assert code == 0
    assert left == [f"{name}-127.0.0.1-{shop.grpc_port}-{stays}" for name in ("goods", "order", "stock")]


@pytest.mark.long
def test_agent_that_is_away_stops_nobody_and_is_told_when_it_is_back(shop: Shop, callers: Callers) -> None:
    make_stock(1, 10)
    is_back = []

    def answer(received: Received) -> int:
        return HTTPStatus.OK if is_back else HTTPStatus.INTERNAL_SERVER_ERROR

    with Receiver(answer) as agent:
        shop.given |= settings(agent, CONSUL_SERVICE_ADDRESS="10.0.0.7")
        start(shop, "grpc")
        wait_until(lambda: len(agent.received) >= 2, seconds=WAIT_SECONDS, what="the agent is told again")
        served = callers.buyer().stock.GetStock(StockLevel(goods_id=1)).num
        is_back.append(True)
        before = len(agent.received)
        wait_until(lambda: len(agent.received) >= before + 3, seconds=WAIT_SECONDS, what="the agent is told all")
        code = shop.end("grpc")

    assert (served, code) == (10, 0)
    assert json.loads(agent.received[before].body)["Address"] == "10.0.0.7"
    assert shop.log("grpc").count("consul_not_told") == 1
    assert shop.log("grpc").count('"consul_told"') == 1
    assert "Traceback" not in shop.log("grpc")


@contextmanager
def endless_agent() -> Iterator[str]:
    """An agent whose answers go on and on, a byte now and then. Yields its address, with a password in it."""
    over = threading.Event()

    class Endless(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            with suppress(OSError):
                while not over.wait(0.1):
                    self.wfile.write(b"1\r\nx\r\n")

        def log_message(self, *args: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://shop:hidden@127.0.0.1:{server.server_port}"
        finally:
            over.set()
            server.shutdown()


def test_agent_whose_answer_does_not_end_is_told_and_holds_up_no_end(shop: Shop) -> None:
    with endless_agent() as url:
        shop.given |= {"CONSUL_URL": url}
        start(shop, "grpc")
        wait_until(lambda: '"consul_told"' in shop.log("grpc"), seconds=WAIT_SECONDS, what="it counts as told")

        code = shop.end("grpc")

    assert code == 0


def test_password_in_the_agents_address_is_in_no_line(shop: Shop) -> None:
    with Receiver(lambda received: HTTPStatus.FORBIDDEN) as agent:
        shop.given |= settings(agent)
        shop.given["CONSUL_URL"] = shop.given["CONSUL_URL"].replace("//", "//shop:hidden@")
        start(shop, "grpc")
        wait_until(lambda: "consul_not_told" in shop.log("grpc"), seconds=WAIT_SECONDS, what="the log says so")
        code = shop.end("grpc")

    assert code == 0
    assert "it answered 403" in shop.log("grpc")
    assert "hidden" not in shop.log("grpc")
    assert "a-token" not in shop.log("grpc")
