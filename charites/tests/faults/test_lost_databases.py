"""The database is killed, stopped, cut off and out of disk while orders are in it: every answer that anybody was given
is true afterwards, and the shop is well again by itself."""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from charites.audit import open_database
from charites.common.errors import KeyReused, OutcomeUnknown
from lab.kit.history import History, Told, Truth, contradictions, miscounts, read_truth
from lab.kit.processes.customers import Crowd, Customer, Door, RestDoor, RpcDoor
from lab.kit.processes.shop import Shop
from lab.kit.proxy import Proxy
from lab.kit.trials import Trials
from lab.servers import LOOPBACK, MariaDB
from stock.errors import NotEnoughStock

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db]

TIMEOUT_SECONDS = 2
CUSTOMERS = 6
GOODS = (1, 2)
DISK = "192M"


class SmallDisk(MariaDB):
    """MariaDB on a disk of its own, which can be filled. Only root can make one."""

    def __init__(self) -> None:
        # By default InnoDB takes 64 MB more when it needs one page: what was freed would be gone again, and for good.
        super().__init__("--innodb-autoextend-increment=1")

    def prepare(self) -> None:
        (self.folder / "data").mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(self.folder / "data")]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no disk of its own to fill: {done.stderr.strip()}")
        super().prepare()

    def fill(self) -> None:
        """Leaves no byte free."""
        with (self.folder / "data" / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(bytes(65_536)):
                    pass
            except OSError:
                return

    def free(self) -> None:
        (self.folder / "data" / "filler").unlink(missing_ok=True)

    def come_back(self) -> None:
        """Starts a server that gave up for lack of room, as its supervisor would."""
        if self.process and self.process.poll() is not None:
            self.start()

    def close(self) -> None:
        self.free()
        self.resume()
        self.stop()
        subprocess.run(["umount", str(self.folder / "data")], check=False, capture_output=True)
        super().close()


@dataclass
class Site:
    """A web and a gRPC server of the one-process form, whose database a test may take away."""

    shop: Shop
    database: MariaDB
    proxy: Proxy

    def doors(self) -> Iterator[Door]:
        for user_id in range(101, 101 + CUSTOMERS):
            yield (
                RestDoor(self.shop.url, user_id, "Bearer staff")
                if user_id % 2
                else RpcDoor(self.shop.grpc_address, user_id)
            )


@contextmanager
def site_on(database: MariaDB, folder: Path) -> Iterator[Site]:
    with database, Proxy((LOOPBACK, database.port)) as proxy:
        environment = {
            **os.environ,
            "DATABASE_URL": database.url.replace(f":{database.port}/", f":{proxy.port}/"),
            "DATABASE_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
            "DEMO": "true",  # for the catalogue that `seed` makes, and its staff
        }
        with Shop(folder, environment) as shop:
            shop.prepare()
            shop.start("web", "grpc")
            shop.await_web()
            shop.await_grpc(60)
            yield Site(shop, database, proxy)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_on(MariaDB(), tmp_path_factory.mktemp("shop")) as site:
        yield site


def kill(site: Site, lots: random.Random) -> None:
    site.database.kill()
    time.sleep(lots.uniform(0, 1))
    site.database.start()


def stop(site: Site, lots: random.Random) -> None:
    site.database.pause()
    time.sleep(TIMEOUT_SECONDS + lots.uniform(0.5, 2))
    site.database.resume()


def cut(site: Site, lots: random.Random) -> None:
    site.proxy.cut()
    time.sleep(lots.uniform(0, 1))
    site.proxy.mend()


def fill(site: Site, lots: random.Random) -> None:
    assert isinstance(site.database, SmallDisk)
    site.database.fill()
    time.sleep(TIMEOUT_SECONDS + lots.uniform(0.5, 2))
    site.database.free()
    site.database.come_back()


def suffer(site: Site, fault: Callable[[Site, random.Random], None], trials: Trials, *, times: int) -> None:
    """Lets customers buy while the fault strikes again and again; compares what they were told with the rows, once
    each of them knows what became of their last wish."""
    history, lots = History(), trials.random
    earlier = truth_of(site).effects
    with ExitStack() as stack:
        customers = []
        for number, door in enumerate(site.doors()):
            stack.callback(door.close)
            name, own_lots = f"{fault.__name__}{number}", random.Random(lots.random())
            customers.append(Customer(name, 101 + number, door, history, own_lots, GOODS))
        with Crowd(customers):
            for _ in range(times):
                time.sleep(lots.uniform(0.3, 1))
                fault(site, lots)

    truth = truth_of(site)
    assert contradictions(history.calls, [effect for effect in truth.effects if effect not in earlier]) == []
    assert miscounts(truth) == []
    audit = site.shop.manage("audit")
    assert audit.returncode == 0, audit.stdout
    assert history.numbers(Told.NO) <= {NotEnoughStock.code, KeyReused.code}
    assert history.numbers(Told.NOTHING) <= {OutcomeUnknown.code}
    for name in ("web", "grpc"):
        assert "internal_error" not in site.shop.log(name)
    trials.tell(f"{times} times under load: {history.summary()}")


def truth_of(site: Site) -> Truth:
    database = open_database("orders", site.database.url)
    try:
        return read_truth(database.connection)
    finally:
        database.connection.close()


@pytest.mark.parametrize("fault", [*(pytest.param(fault, marks=pytest.mark.long) for fault in (kill, stop)), cut])
def test_database_that_goes_away_under_load_makes_no_answer_untrue(
    site: Site, trials: Trials, fault: Callable[[Site, random.Random], None]
) -> None:
    suffer(site, fault, trials, times=trials.count(sample=1, full=25))


@pytest.mark.full  # MariaDB looks for space once per minute
def test_disk_that_is_full_makes_no_answer_untrue(tmp_path: Path, trials: Trials) -> None:
    with site_on(SmallDisk(), tmp_path) as site:
        suffer(site, fill, trials, times=2)
