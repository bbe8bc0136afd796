"""A node of RabbitMQ dies: one that leads the queue, or the one that the worker is connected to, or any."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from kombu import Connection

from charites.tests.drills.brokers import WokenShop, latest, woken_shop
from charites.tests.drills.load import HEAL_SECONDS, buyers_of, pause
from lab.kit.factories import make_goods
from lab.kit.processes.customers import Crowd, RestDoor, Wish
from lab.kit.processes.shop import START_SECONDS, Shop, wait_until
from lab.kit.trials import Trials
from lab.servers import RabbitMQCluster
from lab.servers.rabbitmq_cluster import RabbitMQNode
from orders.models import Order

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

QUEUE = "charites"
DELAYED = [f"celery_delayed_{level}" for level in range(28)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RabbitMQCluster]:
    with RabbitMQCluster() as cluster:
        yield cluster


@pytest.fixture
def environment(cluster: RabbitMQCluster, process_environment: dict[str, str]) -> dict[str, str]:
    cluster.mend()
    cache.delete("heartbeat:worker")  # of a test that ran before
    return process_environment | {"CELERY_BROKER_URL": cluster.url, "CELERY_QUEUE": QUEUE}


@pytest.fixture
def site(environment: dict[str, str], tmp_path: Path) -> Iterator[WokenShop]:
    with woken_shop(tmp_path, environment) as site:
        yield site


def ports_of(pid: int) -> set[int]:
    """The ports that a process is connected to."""
    files = (os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink())
    sockets = {name.removeprefix("socket:[").removesuffix("]") for name in files if name.startswith("socket:")}
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {int(words[2].partition(":")[2], 16) for words in lines if words[9] in sockets}


def victim(site: WokenShop, cluster: RabbitMQCluster, trials: Trials) -> tuple[str, RabbitMQNode]:
    """A node by lot, and what it is."""
    leader = cluster.leader_of(QUEUE)
    used = ports_of(site.shop.processes["worker"].pid)
    of_worker = next(node for node in cluster.nodes if node.port in used)
    others = [node for node in cluster.nodes if node not in (leader, of_worker)]
    node = trials.random.choice([leader, of_worker, trials.random.choice(others)])
    parts = [name for name, each in (("leads the queue", leader), ("has the worker", of_worker)) if each is node]
    return " and ".join(parts) or "neither leads the queue nor has the worker", node


@pytest.mark.long
def test_node_that_dies_costs_no_order_and_the_worker_goes_on_at_another(
    site: WokenShop, cluster: RabbitMQCluster, trials: Trials
) -> None:
    deaths = trials.count(sample=1, full=10)
    with buyers_of(site.shop, trials) as buyers:
        history = buyers[0].history
        with Crowd(buyers):
            for _ in range(deaths):
                cluster.mend()
                site.await_wake_up()
                what, node = victim(site, cluster, trials)
                pause(trials)
                died = time.monotonic()
                node.kill()
                trials.row({"died, -9": f"the node that {what}", **site.heal(history, died)})
        site.await_closed()

    assert site.wrongs(history) == {}
    trials.tell(f"{deaths} deaths of a node: {history.summary()}; the latest time-out {latest():.1f} s late")


def test_countdown_outlives_the_node_that_it_was_told_to(
    environment: dict[str, str], cluster: RabbitMQCluster, tmp_path: Path, trials: Trials
) -> None:
    make_goods(1, stock=5)
    with Shop(tmp_path, environment | {"ORDER_PAY_TIMEOUT_SECONDS": "15"}) as shop:
        shop.start("web", "worker")  # and no sweep: the countdown alone has to do it
        shop.await_web()
        wait_until(lambda: cache.get("heartbeat:worker"), seconds=START_SECONDS, what="the worker is ready")
        buyer = RestDoor(shop.url, 101)
        order_id = buyer.ask(Wish("place", "101/first", {"1": 1})).id
        buyer.close()
        wait_until(lambda: held(cluster), seconds=HEAL_SECONDS, what="the countdown is in RabbitMQ")

        cluster.nodes[0].kill()  # the first address, which everybody tries first

        closed = Order.objects.filter(order_id=order_id, closed_by=Order.ClosedBy.TIMEOUT)
        wait_until(closed.exists, seconds=HEAL_SECONDS, what="the countdown closes the order")
        assert "Failed to setup delayed delivery" in shop.log("worker")  # it has asked the dead node, too,
        assert "Retrying delayed delivery setup" not in shop.log("worker")  # once
    trials.tell(f"the countdown came {latest():.1f} s after the order's time, without any sweep")


def held(cluster: RabbitMQCluster) -> int:
    """How many countdowns RabbitMQ holds, by a node that lives on."""
    with Connection(cluster.nodes[1].url) as connection:
        channel = connection.default_channel
        return sum(channel.queue_declare(name, passive=True).message_count for name in DELAYED)
