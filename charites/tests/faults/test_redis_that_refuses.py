"""A worker whose Redis becomes a replica, refuses writes or fails over: it does not end, and comes back by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.faults.lost_redis import Fault, RedisPair, becomes_a_replica, fails_over, misses_its_replicas
from lab.kit.processes.shop import Shop, wait_until

pytestmark = pytest.mark.once

BROKER = 1  # the database of the broker
SECONDS = 120  # a bound for busy machines, no measurement


@pytest.fixture
def redis() -> Iterator[RedisPair]:
    with RedisPair() as pair:
        yield pair


def beats(redis: RedisPair) -> bool:
    """Whether the worker has said since the last question that it is alive."""
    found = list(redis.client().scan_iter("*heartbeat:worker"))
    return bool(found and redis.client().delete(*found))


@pytest.mark.long
@pytest.mark.parametrize(
    "fault", [becomes_a_replica, misses_its_replicas, fails_over], ids=lambda fault: fault.__name__.replace("_", " ")
)
def test_worker_comes_back_by_itself(
    redis: RedisPair, process_environment: dict[str, str], tmp_path: Path, fault: Fault
) -> None:
    addresses = {"REDIS_URL": redis.url(0), "CELERY_BROKER_URL": redis.url(BROKER)}
    with Shop(tmp_path, {**process_environment, **addresses}) as shop:
        shop.start("worker")
        worker = shop.processes["worker"]
        wait_until(lambda: beats(redis), seconds=SECONDS, what="the worker is alive")

        with fault(redis):
            wait_until(
                lambda: "onnection to broker lost" in shop.log("worker") or worker.poll() is not None,
                seconds=SECONDS,
                what="the worker notices",
            )

        beats(redis)  # what it said before
        wait_until(lambda: worker.poll() is not None or beats(redis), seconds=SECONDS, what="it is alive again")
        assert worker.poll() is None
        assert "Unrecoverable error" not in shop.log("worker")
