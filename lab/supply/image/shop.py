"""The shop of an image, started as compose.yaml says, asked, sold from, and ended."""

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from lab.run.supervisor import LEVEL, LOUD
from lab.servers import MariaDB, RabbitMQ, Redis, Server
from lab.servers.private_server import find_program
from lab.supply.image import compose
from lab.supply.image.build import ROOT, Image, Timed
from lab.supply.image.containers import POLL_SECONDS, START_SECONDS, Container, container
from lab.supply.image.roots import StepFailed, last_lines

PROCESSES = ("web", "grpc", "worker", "sweep")
WEB = "http://127.0.0.1:8000"
# The first user, a product and a room, as somebody would enter them in the admin.
FIRST_ROWS = """
from django.contrib.auth import get_user_model
from goods.models import Goods, Room
from goods.services import Entry, add_room_goods
from stock.services import Adjustment, adjust_stock
get_user_model().objects.create_user("buyer", password="{password}")
Goods.objects.create(goods_id=1, title="Kettle", price=9950, market_price=12900, brief="Boils.")
Room.objects.create(room_id=1, title="Room", status=Room.Status.LIVE)
add_room_goods(room_id=1, entries=[Entry(1)], actor="image")
adjust_stock(adjustments=[Adjustment(1, "delivery", "image", delta=10)])
"""
SHELF = "from stock.selectors import get_stock; s = get_stock(goods_id=1); print(s.available, s.reserved, s.sold)"
PAY_TIMEOUT_SECONDS = 8
CLOSED = "closed"


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Runs MariaDB, Redis and RabbitMQ, and yields the variables that name them and what is secret."""
    database, redis, broker = MariaDB(), Redis(), RabbitMQ()
    password = redis.password = secrets.token_hex(24)
    with ExitStack() as ends, ThreadPoolExecutor() as pool:
        started: list[Server] = [database, redis, broker]
        for server in started:
            ends.callback(server.close)
        for future in [pool.submit(server.__enter__) for server in started]:
            future.result()
        make_user(database, password)
        yield {
            "DATABASE_URL": database.url.replace("root@", f"charites:{password}@"),
            "REDIS_URL": redis.url,
            "CELERY_BROKER_URL": broker.url,
        }


def make_user(database: MariaDB, password: str) -> None:
    """A user with all rights in the shop's database and no others, as the image of MariaDB makes one."""
    client = [find_program("mariadb", "mysql"), f"--socket={database.folder / 'socket'}", "--user=root"]
    statements = f"CREATE USER charites IDENTIFIED BY '{password}'; GRANT ALL ON {database.database}.* TO charites;"
    subprocess.run(client, input=statements, text=True, check=True)


def values() -> dict[str, str]:
    """What `.env` has to say, and what is asked for here besides."""
    words = ("SECRET_KEY", "PAYMENT_SECRET", "MARIADB_PASSWORD", "REDIS_PASSWORD", "RABBITMQ_PASSWORD")
    return {word: secrets.token_urlsafe(48) for word in (*words, "OPERATORS_TOKEN")} | {
        "ALLOWED_HOSTS": "127.0.0.1",
        "PUBLIC_PARTS": "reflection",
        "ORDER_PAY_TIMEOUT_SECONDS": str(PAY_TIMEOUT_SECONDS),
    }


def is_loud(line: str) -> bool:
    """Whether a line of a log is a warning or worse, or the beginning of a traceback."""
    found = LEVEL.search(line)
    level = str(found[found.lastgroup or 0]).lower() if found else ""
    return level in LOUD or line.startswith("Traceback ")


class Shop:
    """The containers of a whole shop. `found`: what to say of it in the end, a line each."""

    def __init__(self, image: Image, folder: Path, timed: Timed) -> None:
        self.image, self.folder, self.timed = image, folder, timed
        self.services = compose.services_of((ROOT / "compose.yaml").read_text())
        self.values = values()
        self.found: list[str] = []
        # As the proxy in front asks, which ends TLS.
        proxy = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
        self.http = httpx.Client(base_url=WEB, timeout=10, trust_env=False, headers=proxy)

    def run(self) -> None:
        """From the empty database to the end of all processes. Raises StepFailed at the first surprise."""
        with ExitStack() as ends:
            with self.timed("MariaDB, Redis and RabbitMQ, private ones"):
                addresses = ends.enter_context(servers())
            settings = compose.settings_of(self.services["web"], self.values) | addresses
            self.migrate(settings)
            running = {name: ends.enter_context(self.container(name, settings)) for name in PROCESSES}
            try:
                self.start(running)
                self.ask(running)
                self.sell(running["web"])
                self.measure(running)
                self.end(running)
            except BaseException:
                self.found += [f"{name} said:\n{last_lines(box.said())}" for name, box in running.items()]
                raise
            self.run_image_alone(settings)

    def container(self, name: str, settings: Mapping[str, str], service: str = "") -> Any:
        sizes = compose.sizes_of(self.services[service or name])
        return container(name, self.image, self.folder, settings, sizes)

    def migrate(self, settings: Mapping[str, str]) -> None:
        with self.timed("migrate"), self.container("migrate", settings) as box:
            box.carry_out(compose.words_of(self.services["migrate"], self.values))

    def start(self, running: Mapping[str, Container]) -> None:
        for name, box in running.items():
            box.start(compose.words_of(self.services[name], self.values))
        with self.timed("web, with the health check of the Dockerfile"):
            running["web"].await_health(self.image.health)
        with self.timed("grpc, with the health check of compose.yaml"):
            running["grpc"].await_health(compose.health_words_of(self.services["grpc"]) or [])

    def ask(self, running: Mapping[str, Container]) -> None:
        for path in ("/livez", "/readyz", "/statusz"):
            with self.timed(f"GET {path}"):
                answer = self.poll(partial(self.get, path), lambda answer: answer.is_success)
        self.found.append(f"/statusz: {', '.join(answer.json()['checks'])}: all of them answer")
        with self.timed("GET /, /admin/login/ and a picture of the shop"):
            for path in ("/", "/admin/login/", "/static/catalogue/goods-1-1.svg"):
                self.get(path).raise_for_status()
        with self.timed("nothing can be written but in /tmp, and root is out of reach"):
            user = running["web"].carry_out(["id", "--user"])
            running["web"].carry_out(["touch", "/srv/charites/x"], fails=True)
            running["web"].carry_out(["touch", "/tmp/x"])
            running["web"].carry_out(["chown", "root", "/tmp/x"], fails=True)
        self.found.append(f"the processes run as user {user}, without a right of root's")

    def sell(self, web: Container) -> None:
        """An order over HTTP that nobody pays: the sweep or the worker closes it, and its piece comes back."""
        password = secrets.token_urlsafe(16)
        with self.timed("the first user, product and room, by manage.py shell"):
            web.carry_out(["python", "manage.py", "shell", "-c", FIRST_ROWS.format(password=password)])
        with self.timed("an order over HTTP"):
            tokens = self.post("/api/auth/token", {"username": "buyer", "password": password}, {})
            buyer = {"Authorization": f"Bearer {tokens['access']}"}
            receiver = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
            body = {"items": [{"goods_id": "1", "quantity": 1}], "room_id": "1", **receiver}
            order = self.post("/api/orders", body, buyer | {"Idempotency-Key": "image-1"})
            self.expect_shelf(web, "9 1 0")
        with self.timed("the same product over gRPC"):
            call = [
                "python",
                "manage.py",
                "call",
                "Stock.GetStock",
                '{"GoodsId": "1"}',
                "--token",
                buyer["Authorization"],
            ]
            web.carry_out(call)
        with self.timed("its time is up"):
            path = f"/api/orders/{order['order_id']}"
            closed = self.poll(lambda: self.get(path, buyer).json(), lambda seen: seen["status_label"] == CLOSED)
            self.expect_shelf(web, "10 0 0")
        self.found.append(f"order {order['order_id']}: placed, and {closed['status_label']} by {closed['closed_by']}")
        with self.timed("manage.py audit"):
            self.found.append(f"audit: {web.carry_out(['python', 'manage.py', 'audit']).splitlines()[-1]}")

    def expect_shelf(self, web: Container, expected: str) -> None:
        seen = web.carry_out(["python", "manage.py", "shell", "-c", SHELF]).splitlines()[-1]
        if seen != expected:
            raise StepFailed(f"available, reserved and sold are {seen}, not {expected}")

    def measure(self, running: Mapping[str, Container]) -> None:
        """Says how far each process is from its bounds. Raises StepFailed where it is past one."""
        for name, box in running.items():
            service = self.services[name]
            memory, most = box.memory_bytes(), compose.bytes_of(service["mem_limit"])
            threads, most_threads = box.threads(), service["pids_limit"]
            line = f"{memory >> 20} MB of {most >> 20}, {threads} threads of {most_threads}"
            self.found.append(f"{name}: {line}")
            if memory > most or threads > most_threads:
                raise StepFailed(f"{name} needs {line}")

    def end(self, running: Mapping[str, Container]) -> None:
        for name, box in running.items():
            with self.timed(f"SIGTERM to {name}"):
                self.expect_good_end(box)
        lines = [
            f"{name}: {line}" for name, box in running.items() for line in box.said().splitlines() if is_loud(line)
        ]
        self.found += lines or ["no process has logged a warning or an error"]

    def expect_good_end(self, box: Container) -> None:
        if code := box.end():
            raise StepFailed(f"{box.name} ended with exit code {code}")

    def run_image_alone(self, settings: Mapping[str, str]) -> None:
        """The CMD of the Dockerfile, as `docker run` starts it."""
        step = "the CMD of the Dockerfile, its health check, SIGTERM"
        with self.timed(step), self.container("alone", settings, "web") as box:
            box.start(self.image.command)
            box.await_health(self.image.health)
            self.expect_good_end(box)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        headers = headers or {"Authorization": f"Bearer {self.values['OPERATORS_TOKEN']}"}
        return self.http.get(path, headers=dict(headers))

    def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
        answer = self.http.post(path, json=body, headers=dict(headers))
        if not answer.is_success:
            raise StepFailed(f"POST {path}: {answer.status_code} {answer.text[:500]}")
        read: dict[str, Any] = answer.json()
        return read

    def poll(self, ask: Callable[[], Any], is_good: Callable[[Any], bool]) -> Any:
        """Asks again until the answer is good. Raises StepFailed with the last one."""
        deadline = time.monotonic() + START_SECONDS
        while not is_good(answer := ask()):
            if time.monotonic() > deadline:
                raise StepFailed(f"no better answer came: {getattr(answer, 'text', answer)}")
            time.sleep(POLL_SECONDS)
        return answer
