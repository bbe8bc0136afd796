"""`python -m lab.doors [--nginx] [--seconds N]`: what still answers others while somebody is slow, idle, many or large.

A shop of its own on loopback; for each kind of client a row with the share of answered requests, and the time that 99
of 100 took. gRPC is asked past nginx, whose limits for it are by address, and all of us have the same.
"""

import argparse
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
from rich.console import Console
from rich.table import Table

from goods.rpc.goods_pb2 import RoomGoodsRequest
from lab.doors import clients
from lab.doors.clients import connecting, holding, repeating
from lab.doors.shop import Addresses, running_shop
from lab.servers import Nginx
from lab.servers.nginx import SERVER_NAME

ORDER = {"items": [{"goods_id": "1", "quantity": 1}], "address": "1 Road", "name": "Li Lei", "phone": "138"}
PASSWORD = "charites"  # of all users of the demo
PLENTY = 1_000_000
PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 0.02


@dataclass
class Asked:
    """What one kind of request was told."""

    took: list[float] = field(default_factory=list)
    failed: int = 0

    def shown(self) -> str:
        count = len(self.took) + self.failed
        if not self.took:
            return f"0 of {count}"
        slowest = sorted(self.took)[max(0, int(len(self.took) * 0.99) - 1)]
        return f"{100 * len(self.took) // count} % of {count}, {slowest * 1000:.0f} ms"


def asking(question: Callable[[], object], asked: Asked, over: threading.Event) -> threading.Thread:
    def ask() -> None:
        while not over.is_set():
            started = time.monotonic()
            try:
                question()
                asked.took.append(time.monotonic() - started)
            except (httpx.HTTPError, grpc.RpcError):
                asked.failed += 1
            over.wait(PAUSE_SECONDS)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


def measure(questions: dict[str, Callable[[], object]], seconds: float) -> dict[str, Asked]:
    """Asks everything, again and again, for so long."""
    over, asked = threading.Event(), {name: Asked() for name in questions}
    threads = [asking(question, asked[name], over) for name, question in questions.items()]
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join(2 * PATIENCE_SECONDS)
    return asked


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.doors")
    parser.add_argument("--nginx", action="store_true", help="with deploy/nginx.conf in front")
    parser.add_argument("--seconds", type=float, default=6, help="for each kind of client")
    given = parser.parse_args()
    proxied = {"TRUST_PROXY": "true", "NUM_PROXIES": "1", "ALLOWED_HOSTS": f"{SERVER_NAME},localhost,127.0.0.1"}
    with ExitStack() as ends:
        shop = ends.enter_context(running_shop(**(proxied if given.nginx else {})))
        nginx = ends.enter_context(Nginx(web=shop.web, grpc=shop.grpc)) if given.nginx else None
        Console().print(table(shop, nginx, given.seconds))


def token(shop: Addresses, username: str) -> str:
    """Signs in, past nginx: who comes through a proxy is not near enough for the demo's own tokens."""
    words = {"username": username, "password": PASSWORD}
    answer = httpx.post(f"http://{shop.web}/api/auth/token", json=words, timeout=PATIENCE_SECONDS).raise_for_status()
    return f"Bearer {answer.json()['access']}"


def table(shop: Addresses, nginx: Nginx | None, seconds: float) -> Table:
    context = ssl.create_default_context(cafile=str(nginx.certificate)) if nginx else None
    web = f"127.0.0.1:{nginx.port}" if nginx else shop.web
    connect = connecting(web, context, SERVER_NAME)
    browser = httpx.Client(
        base_url=f"{'https' if nginx else 'http'}://{web}",
        headers={"Authorization": token(shop, "buyer"), "Host": SERVER_NAME if nginx else web},
        verify=context or True,
        timeout=PATIENCE_SECONDS,
    )

    def ask(method: str, path: str, **more: Any) -> httpx.Response:
        return browser.request(
            method, path, extensions={"sni_hostname": SERVER_NAME} if nginx else {}, **more
        ).raise_for_status()

    guess = {"username": "nobody", "password": "guess"}
    list_of_room = grpc.insecure_channel(shop.grpc).unary_unary("/Goods/GetGoodsListByRoomId")
    room, buyer = RoomGoodsRequest(room_id=1).SerializeToString(), [("authorization", token(shop, "buyer"))]
    questions: dict[str, Callable[[], object]] = {
        "/livez": lambda: ask("GET", "/livez"),
        "a room": lambda: ask("GET", "/api/rooms/1/goods"),
        "rooms (a thread)": lambda: ask("GET", "/api/rooms"),
        "an order": lambda: ask("POST", "/api/orders", json=ORDER),
        "gRPC": lambda: list_of_room(room, metadata=buyer, timeout=PATIENCE_SECONDS),
    }
    harm: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "nobody": nullcontext,
        f"{clients.IDLE} idle connections": lambda: holding(connect, clients.IDLE, b""),
        f"{clients.SLOW} half headers": lambda: holding(connect, clients.SLOW, clients.HEAD),
        f"{clients.SLOW} bodies that do not come": lambda: holding(connect, clients.SLOW, clients.BODY),
        f"{clients.STREAMS} streams that nobody reads": lambda: holding(connect, clients.STREAMS, clients.EVENTS),
        f"{clients.LARGE} who open streams again and again": lambda: repeating(
            clients.LARGE, lambda: clients.open_and_leave(connect, clients.EVENTS)
        ),
        f"{clients.LOG_INS} log-ins at a time": lambda: repeating(
            clients.LOG_INS, lambda: ask("POST", "/api/auth/token", json=guess)
        ),
        f"{clients.LARGE} bodies of 100 MB": lambda: repeating(clients.LARGE, lambda: clients.send_large(connect)),
        f"{clients.CALLS} calls that send nothing": lambda: clients.calls(shop.grpc, "/Stock/GetStock"),
        f"{clients.CALLS} watchers": lambda: clients.watching(shop.grpc),
    }
    ask("PUT", "/api/stock/1", json={"available": PLENTY}, headers={"Authorization": token(shop, "staff")})
    found = Table(*["beside", *questions], title="answered, and the time that 99 of 100 took")
    for name, begin in harm.items():
        with begin():
            asked = measure(questions, seconds)
        found.add_row(name, *(each.shown() for each in asked.values()))
    return found


if __name__ == "__main__":
    main()
