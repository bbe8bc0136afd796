"""The database that writes dies, and the one that follows it takes its place."""

import time
from pathlib import Path

import pytest

from charites.tests.drills.load import await_orders, buyers_of, pause, what_they_saw
from charites.tests.drills.two_databases import STAFF, site_on, truth_of
from lab.kit.history import contradictions, miscounts
from lab.kit.processes.customers import Crowd
from lab.kit.trials import Trials
from lab.servers import MariaDBPair

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db]


def test_writer_that_dies_loses_no_order_that_was_acknowledged(tmp_path: Path, trials: Trials) -> None:
    deaths = trials.count(sample=1, full=10)
    with site_on(MariaDBPair(), tmp_path) as site, buyers_of(site.shop, trials, staff=STAFF) as buyers:
        history, earlier = buyers[0].history, site.truth().effects
        with Crowd(buyers):
            for _ in range(deaths):
                pause(trials)
                died = time.monotonic()
                site.pair.writer.kill()
                site.fail_over()
                healed = await_orders(history, died)
                site.pair.rejoin()
                site.pair.await_replica()
                trials.row({"died": "the writer, -9", **what_they_saw(history.calls, died=died, healed=healed)})
        site.pair.await_replica()
        truth, copy = site.truth(), truth_of(site.pair.replica)
        audit = site.shop.manage("audit")
        logs = [site.shop.log(name) for name in ("web", "grpc")]

    assert contradictions(history.calls, [effect for effect in truth.effects if effect not in earlier]) == []
    assert miscounts(truth) == []
    assert audit.returncode == 0, audit.stdout
    assert copy == truth
    assert [log.count("internal_error") for log in logs] == [0, 0]
    trials.tell(f"{deaths} deaths of the writer: {history.summary()}; every order that was acknowledged is there")


@pytest.mark.long
def test_writer_that_waits_for_nobody_loses_what_it_acknowledged(tmp_path: Path, trials: Trials) -> None:
    """The same with its safety off, so that a loss would be seen: replication that is asynchronous, and late."""
    with site_on(MariaDBPair("--rpl-semi-sync-master-enabled=OFF"), tmp_path) as site:
        with buyers_of(site.shop, trials, staff=STAFF) as buyers:
            history, earlier = buyers[0].history, site.truth().effects
            with Crowd(buyers):
                pause(trials)
                site.pair.replica.run("STOP SLAVE IO_THREAD")
                late = time.monotonic()
                await_orders(history, late)
                died = time.monotonic()
                site.pair.writer.kill()
                site.fail_over()
                await_orders(history, died)
            truth = site.truth()

    found = contradictions(history.calls, [effect for effect in truth.effects if effect not in earlier])
    lost = [line for line in found if line.endswith("and it is not there")]
    assert lost
    trials.tell(f"asynchronous, and the other one late: {len(lost)} answers of orders that are gone")
