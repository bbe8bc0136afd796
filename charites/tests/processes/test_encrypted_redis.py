"""A Redis that wants TLS and a password, as cache and broker: the whole shop runs on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu import Connection
from kombu.exceptions import OperationalError

from charites import brokers
from charites.common.redis_client import redis_client
from lab.kit.certificates import Authority, redis_tls
from lab.kit.factories import make_goods
from lab.kit.processes.customers import RestDoor, RpcDoor, Wish
from lab.kit.processes.shop import Shop, wait_until
from lab.servers import EncryptedRedis, RedisSentinel
from orders.models import Order

BOUND_SECONDS = 120  # for slow machines, no measurement
pytestmark = pytest.mark.servers


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EncryptedRedis]:
    with EncryptedRedis(redis_tls(tmp_path), password="of-this-test") as server:
        yield server


@pytest.mark.django_db
def test_certificate_of_somebody_else_is_refused(server: EncryptedRedis, tmp_path: Path) -> None:
    stranger = server.broker_url.replace("ours", "theirs")
    Authority(tmp_path, "theirs")

    with redis_client(server.url, connect_seconds=5, answer_seconds=5) as client:
        assert client.ping()
    with redis_client(stranger, connect_seconds=5, answer_seconds=5) as client, pytest.raises(redis.ConnectionError):
        client.ping()
    for address, is_taken in ((server.broker_url, True), (stranger, False), (stranger.partition("?")[0], False)):
        assert connects(address) is is_taken


def connects(address: str) -> bool:
    """Whether Celery's client takes the server's certificate."""
    try:
        with Connection(address, ssl=brokers.tls_of_redis(address)) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
    except OperationalError:
        return False
    return True


@pytest.mark.long
def test_shop_on_it_is_well_and_the_worker_closes_an_order_in_time(
    process_environment: dict[str, str], server: EncryptedRedis, tmp_path: Path
) -> None:
    sell_and_close(process_environment, tmp_path, server.url, server.broker_url)


@pytest.mark.long
def test_shop_on_sentinels_with_tls_is_well_and_the_worker_closes_an_order_in_time(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    with RedisSentinel(tls=redis_tls(tmp_path)) as servers:
        sell_and_close(process_environment, tmp_path, servers.url(0), servers.url(1))


def sell_and_close(environment: dict[str, str], tmp_path: Path, url: str, broker_url: str) -> None:
    make_goods(1, stock=5)
    addresses = {"REDIS_URL": url, "CELERY_BROKER_URL": broker_url}
    with Shop(tmp_path, environment | addresses | {"ORDER_PAY_TIMEOUT_SECONDS": "8"}) as shop:
        shop.start("web", "grpc", "worker", "sweep")
        shop.await_ready()
        shop.await_grpc()
        assert shop.end("sweep") == 0  # from here on the worker alone closes orders
        doors = [RestDoor(shop.url, 101), RpcDoor(shop.grpc_address, 102)]
        numbers = [
            door.ask(Wish("place", f"{user_id}/first", {"1": 1})).id
            for user_id, door in zip((101, 102), doors, strict=True)
        ]
        closed = Order.objects.filter(order_id__in=numbers, closed_by=Order.ClosedBy.TIMEOUT)
        wait_until(lambda: closed.count() == 2, seconds=BOUND_SECONDS, what="both orders are closed")
        for door in doors:
            door.close()
        warnings = [line for name in ("web", "grpc", "worker") for line in shop.log(name).splitlines() if "SSL" in line]

    assert warnings == []
