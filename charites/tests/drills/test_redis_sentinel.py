"""The master of the Redis servers dies, and the sentinels make another one the master."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from charites.tests.drills.brokers import WokenShop, latest, woken_shop
from charites.tests.drills.load import buyers_of, pause
from lab.kit.processes.customers import Crowd
from lab.kit.trials import Trials
from lab.servers import RedisSentinel, Server

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

BROKER = 1  # the database of the broker


@pytest.fixture
def servers() -> Iterator[RedisSentinel]:
    with RedisSentinel() as servers:
        yield servers


@pytest.fixture
def site(servers: RedisSentinel, process_environment: dict[str, str], tmp_path: Path) -> Iterator[WokenShop]:
    addresses = {"REDIS_URL": servers.url(0), "CELERY_BROKER_URL": servers.url(BROKER)}
    with woken_shop(tmp_path, process_environment | addresses) as site:
        yield site


# A master that hangs keeps its connections: whoever waits for an answer there has to give up by itself.
WAYS_TO_FAIL = {"dies": ("the master, -9", Server.kill), "hangs": ("the master, stopped", Server.pause)}


@pytest.mark.parametrize("how", ["dies", pytest.param("hangs", marks=pytest.mark.long)])
def test_master_that_dies_or_hangs_costs_no_order_and_everybody_finds_the_next_one(
    site: WokenShop, servers: RedisSentinel, trials: Trials, how: str
) -> None:
    deaths = trials.count(sample=1, full=10)
    died_as, fail = WAYS_TO_FAIL[how]
    with buyers_of(site.shop, trials) as buyers:
        history = buyers[0].history
        with Crowd(buyers):
            for _ in range(deaths):
                servers.mend()
                site.await_wake_up()
                pause(trials)
                master = servers.master()
                died = time.monotonic()
                fail(master)
                trials.row({"died": died_as, **site.heal(history, died)})
                assert servers.master() is not master
        site.await_closed()

    assert site.wrongs(history) == {}
    trials.tell(f"{deaths} times the master {how}: {history.summary()}; the latest time-out {latest():.1f} s late")
