"""Redis or RabbitMQ: what each needs is there, and one that stops, blocks or forgets costs time and nothing else."""

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from amqp import Message
from amqp.exceptions import NotFound
from django.core.cache import cache
from django.utils import timezone
from kombu import Connection
from pytest_django.fixtures import Settings

from charites.brokers import kind_of, old_celery, unfit
from lab.kit import broker_queues
from lab.kit.factories import bearer, make_goods, make_order, stored
from lab.kit.processes.shop import ROOT, START_SECONDS, Shop, wait_until
from lab.servers import EmbeddedRedis, RabbitMQ, Server
from orders.models import Order

BOUND_SECONDS = 120  # for slow machines, no measurement
PATIENCE_SECONDS = 60  # no order waits this long for a broker, whose own time-out without ours is none
DELAYED = [f"celery_delayed_{level}" for level in range(28)]
QUEUE = "charites"


# At the start


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://10.0.0.1:6379/1", "redis"),
        ("rediss://10.0.0.1:6379/1?ssl_cert_reqs=required", "redis"),
        ("amqp://shop:secret@10.0.0.1:5672//", "rabbitmq"),
        ("amqps://shop:secret@10.0.0.1;amqps://shop:secret@10.0.0.2", "rabbitmq"),
    ],
)
def test_kind_is_read_from_the_scheme(url: str, kind: str) -> None:
    assert kind_of(url) == kind


def test_visibility_timeout_that_a_countdown_outlives_is_refused(settings: Settings) -> None:
    settings.ORDER_PAY_TIMEOUT_SECONDS = 1800
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 1805}

    (told,) = unfit(settings)
    assert told.endswith("set CELERY_VISIBILITY_TIMEOUT_SECONDS to more than 1805.")

    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 1806}
    assert list(unfit(settings)) == []


@pytest.mark.parametrize(("exchange", "queue"), [("direct", "quorum"), ("topic", "classic")])
def test_rabbitmq_that_would_leave_countdowns_to_the_worker_is_refused(
    settings: Settings, exchange: str, queue: str
) -> None:
    settings.CELERY_BROKER_URL = "amqp://10.0.0.1"
    settings.CELERY_TASK_DEFAULT_EXCHANGE_TYPE, settings.CELERY_TASK_DEFAULT_QUEUE_TYPE = exchange, queue

    (told,) = unfit(settings)
    assert told.startswith(f"With a {exchange} exchange and a {queue} queue the worker holds")


def test_celery_too_old_for_rabbitmq_is_refused() -> None:
    assert list(old_celery("5.6.2")) == ["Celery 5.6.2 is too old for RabbitMQ: install 5.6.3 or newer."]

    assert list(old_celery("5.6.3")) == list(old_celery("5.10.0rc1")) == []


@pytest.mark.slow
@pytest.mark.parametrize("process", ["worker", "sweep"])
def test_process_with_an_unfit_broker_does_not_start_and_says_why(
    process_environment: dict[str, str], tmp_path: Path, process: str
) -> None:
    environment = {**process_environment, "CELERY_VISIBILITY_TIMEOUT_SECONDS": "60"}
    with Shop(tmp_path, environment) as shop:
        shop.start(process)
        code = shop.processes.pop(process).wait(START_SECONDS)
        words = shop.log(process)

    assert code != 0
    assert "A countdown on Redis lasts up to 1805 s" in words


# Real brokers


class Setter:
    """A process that sends countdowns; see lab/kit/processes/wakeup_setter.py."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "lab.kit.processes.wakeup_setter"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def set(self, *, seconds: float) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQ]:
    """A RabbitMQ of this module's own: it is stopped and emptied."""
    with RabbitMQ() as server:
        yield server


@pytest.fixture
def environment(process_environment: dict[str, str], rabbitmq: RabbitMQ) -> dict[str, str]:
    cache.delete("heartbeat:worker")  # of a test that ran before
    own = {"CELERY_BROKER_URL": rabbitmq.url, "CELERY_QUEUE": QUEUE, "ORDER_PAY_TIMEOUT_SECONDS": "8"}
    return process_environment | own


def await_worker() -> None:
    wait_until(lambda: cache.get("heartbeat:worker"), seconds=START_SECONDS, what="the worker is ready")


@contextmanager
def worker_and_setter(folder: Path, environment: dict[str, str]) -> Iterator[tuple[Shop, Setter]]:
    """A worker, nobody beside it, and who sets countdowns for it."""
    with Shop(folder, environment) as shop, Setter(environment) as setter:
        shop.start("worker")
        await_worker()
        yield shop, setter


def close_the_next(setter: Setter) -> None:
    """A countdown that is set now wakes the worker."""
    order = make_order(now=timezone.now() - timedelta(days=1))
    assert setter.set(seconds=1)["error"] is None
    await_close(order.order_id)


def count(server: RabbitMQ, *queues: str) -> int:
    """Returns how many messages lie in these queues, without those that a worker has taken."""
    with Connection(server.url, connect_timeout=BOUND_SECONDS) as connection:
        return sum(connection.default_channel.queue_declare(name, passive=True).message_count for name in queues)


def buy(shop: Shop) -> int:
    """Places an order for one piece of product 1 over HTTP; returns its number."""
    order = {"items": [{"goods_id": "1", "quantity": 1}], "address": "1 Road", "name": "Wang", "phone": "138"}
    answer = httpx.post(
        f"{shop.url}/api/orders", json=order, headers={"Authorization": bearer()}, timeout=PATIENCE_SECONDS
    )
    assert answer.status_code == 201, answer.text
    return int(answer.json()["order_id"])


def await_close(order_id: int) -> Order:
    closed = Order.objects.filter(order_id=order_id, status=Order.Status.CLOSED)
    return wait_until(closed.first, seconds=BOUND_SECONDS, what="the order is closed")


@pytest.mark.servers
def test_countdown_on_rabbitmq_waits_in_the_delayed_queues_and_closes_the_order(
    environment: dict[str, str], rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    make_goods(1, stock=5)
    with Shop(tmp_path, environment) as shop:
        shop.start("web", "worker")  # and no sweep: the countdown alone has to do it
        shop.await_web()
        await_worker()

        order_id = buy(shop)

        wait_until(lambda: count(rabbitmq, *DELAYED), seconds=BOUND_SECONDS, what="the countdown is in RabbitMQ")
        assert (count(rabbitmq, *DELAYED), count(rabbitmq, QUEUE)) == (1, 0)
        assert stored(Order(order_id=order_id)).status == Order.Status.UNPAID
        order = await_close(order_id)

    assert order.closed_by == Order.ClosedBy.TIMEOUT
    assert order.updated_at >= order.expires_at
    assert count(rabbitmq, *DELAYED, QUEUE) == 0


@pytest.mark.long
@pytest.mark.servers
def test_rabbitmq_that_lost_everything_gets_its_queues_from_a_worker(
    environment: dict[str, str], rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    make_goods(1, stock=5)
    rabbitmq.empty()
    with Shop(tmp_path, environment) as shop, Setter(environment) as setter:
        assert setter.set(seconds=5)["error"] == NotFound.__name__  # and not lost in silence
        shop.start("worker", "sweep")
        await_worker()
        assert setter.set(seconds=5)["error"] is None

        rabbitmq.empty()
        overdue = make_order(now=timezone.now() - timedelta(days=1))
        await_close(overdue.order_id)
        wait_until(
            lambda: setter.set(seconds=5)["error"] is None,
            seconds=BOUND_SECONDS,
            what="the worker has made the queues again",
        )
        assert shop.end("sweep") == 0
        order = make_order(now=timezone.now() - timedelta(days=1))  # nobody but a countdown looks for it
        closed = Order.objects.filter(order_id=order.order_id, status=Order.Status.CLOSED)
        wait_until(
            # RabbitMQ takes a countdown as soon as the first of the queues is there, and can lose it until all are.
            lambda: setter.set(seconds=1) and closed.exists(),
            seconds=BOUND_SECONDS,
            what="a countdown closes the order",
        )
        assert shop.end("worker") == 0


@pytest.mark.servers
def test_message_whose_properties_cannot_be_read_ends_no_worker(
    environment: dict[str, str], rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    make_goods(1, stock=5)
    with worker_and_setter(tmp_path, environment) as (shop, setter):
        for properties in broker_queues.GARBLED.values():
            broker_queues.put_garbled(rabbitmq.url, QUEUE, b"rubbish", properties)

        close_the_next(setter)

        assert count(rabbitmq, QUEUE) == 0
        assert shop.end("worker") == 0


@pytest.mark.servers
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux says how much memory a process has had")
def test_message_that_unpacks_into_more_than_memory_is_not_unpacked(
    environment: dict[str, str], rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    make_goods(1, stock=5)
    with worker_and_setter(tmp_path, environment) as (shop, setter):
        before = most_memory(shop.processes["worker"].pid)
        with broker_queues.channel(rabbitmq.url) as channel:
            packed = Message(
                zlib.compress(bytes(200_000_000)),
                application_headers={"compression": "application/x-gzip"},
                content_type="application/json",
                content_encoding="utf-8",
            )
            channel.basic_publish(packed, routing_key=QUEUE)

        close_the_next(setter)

        assert most_memory(shop.processes["worker"].pid) - before < 100_000_000
        assert shop.end("worker") == 0


def most_memory(process: int) -> int:
    """How many bytes a process has had at most."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def brokers(rabbitmq: RabbitMQ) -> Iterator[tuple[Server, str]]:
    with EmbeddedRedis() as server:
        yield server, server.url
    yield rabbitmq, rabbitmq.url


@pytest.mark.long
@pytest.mark.servers
def test_broker_that_hangs_slows_no_order_and_leaks_no_connection(
    environment: dict[str, str], rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    make_goods(1, stock=100)
    for server, url in brokers(rabbitmq):
        folder = tmp_path / server.name
        folder.mkdir()
        hanging = {**environment, "CELERY_BROKER_URL": url, "ORDER_PAY_TIMEOUT_SECONDS": "1800"}
        with Shop(folder, hanging) as shop, Setter(hanging) as setter:
            shop.start("web", "worker")
            shop.await_web()
            await_worker()
            opened = setter.set(seconds=600)
            server.pause()

            orders = [buy(shop) for _ in range(20)]
            answers = [setter.set(seconds=600) for _ in range(5)]
            readiness = httpx.get(f"{shop.url}/statusz", timeout=PATIENCE_SECONDS).json()["checks"]

            server.resume()
            assert Order.objects.filter(order_id__in=orders, status=Order.Status.UNPAID).count() == 20
            assert opened["error"] is None
            assert [answer["error"] for answer in answers if answer["error"] is None] == []
            assert max(answer["open"] for answer in answers) <= opened["open"]
            assert readiness["broker"] == {"ok": False, "detail": "does not answer"}
            assert setter.set(seconds=600)["error"] is None
        cache.delete("heartbeat:worker")


@pytest.mark.servers
def test_rabbitmq_refuses_what_it_has_no_room_for_and_the_publisher_hears_of_it(
    environment: dict[str, str], rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    with worker_and_setter(tmp_path, environment) as (shop, setter):
        rabbitmq.control("set_vm_memory_high_watermark", "0.00001")
        try:
            blocked = wait_until(
                lambda: setter.set(seconds=600)["error"], seconds=BOUND_SECONDS, what="RabbitMQ is out of memory"
            )
        finally:
            rabbitmq.control("set_vm_memory_high_watermark", "0.4")

        assert blocked == "OperationalError"
        assert setter.set(seconds=600)["error"] is None


def test_settings_of_rabbitmq_leave_no_countdown_to_the_worker(process_environment: dict[str, str]) -> None:
    code = (
        "import json, sys; from charites import settings; names = json.loads(sys.argv[1]); "
        "print(json.dumps([getattr(settings, name) for name in names]))"
    )
    names = ["CELERY_TASK_DEFAULT_EXCHANGE_TYPE", "CELERY_TASK_DEFAULT_QUEUE_TYPE", "CELERY_TASK_ACKS_LATE"]
    environment = {**os.environ, **process_environment, "CELERY_BROKER_URL": "amqp://10.0.0.1"}

    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(names)], cwd=ROOT, env=environment, capture_output=True, text=True
    )

    assert json.loads(done.stdout) == ["topic", "quorum", False]
