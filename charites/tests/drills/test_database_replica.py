"""Lists for staff are read from the database that follows, while it keeps up; what decides and what is a buyer's own is
not."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from charites.tests.drills.load import await_orders, buyers_of, pause
from charites.tests.drills.two_databases import STAFF, Site, site_on
from lab.kit.processes.customers import RECEIVER, Crowd
from lab.kit.processes.shop import wait_until
from lab.kit.trials import Trials
from lab.servers import MariaDBPair

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.django_db]

STAFF_READING = 2
SECONDS = 60  # a bound for busy machines, no measurement
MARKED, MARK = 3, 777  # a product, and a version that it has only at the replica


@dataclass
class Reader:
    """Somebody who reads over REST, and knows where it came from."""

    site: Site

    def ask(self, method: str, path: str, who: str, **options: Any) -> Any:
        url, headers = self.site.shop.url + path, {"Authorization": who}
        answer = httpx.request(method, url, headers=headers, timeout=SECONDS, **options)
        assert answer.is_success, answer.text
        return answer.json()

    def listed(self) -> dict[str, int]:
        """The marked product as the list of stock has it."""
        row: dict[str, int] = self.ask("GET", f"/api/stock?goods_id={MARKED}", STAFF)["stock"][0]
        return row

    def is_from_replica(self) -> bool:
        return self.listed()["version"] == MARK

    def await_replica(self) -> None:
        wait_until(self.is_from_replica, seconds=SECONDS, what="lists come from the replica")

    def read_on(self, over: threading.Event) -> list[int]:
        """Reads lists until it is over; returns the statuses."""
        statuses = []
        with httpx.Client(base_url=self.site.shop.url, headers={"Authorization": STAFF}, timeout=SECONDS) as client:
            while not over.is_set():
                statuses += [client.get(path).status_code for path in ("/api/stock", "/api/orders", "/api/payments")]
        return statuses


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_on(MariaDBPair(), tmp_path_factory.mktemp("shop")) as site:
        mark(site)
        yield site


def mark(site: Site) -> None:
    """Makes the replica another one than the writer, in a product that nobody buys."""
    statement = f"UPDATE charites.shopping_stock SET version = {MARK} WHERE goods_id = {MARKED}"
    site.pair.replica.run("SET sql_log_bin = 0", statement)


@pytest.fixture
def reader(site: Site) -> Iterator[Reader]:
    reader = Reader(site)
    reader.await_replica()
    yield reader
    site.pair.replica.run("START SLAVE")


def test_list_is_the_replicas_while_it_keeps_up_and_the_writers_while_it_does_not(reader: Reader) -> None:
    replica = reader.site.pair.replica
    before = reader.site.shop.log("web").count("replica_left_out")

    assert reader.ask("GET", f"/api/stock/{MARKED}", STAFF)["version"] != MARK
    replica.run("STOP SLAVE SQL_THREAD")
    reader.ask("POST", "/api/stock/2/adjustments", STAFF, json={"delta": 1, "reason": "found", "idempotency_key": "f"})
    wait_until(lambda: not reader.is_from_replica(), seconds=SECONDS, what="it is left out while it is late")
    replica.run("START SLAVE SQL_THREAD")
    reader.await_replica()
    replica.kill()
    assert not reader.is_from_replica()
    replica.start()
    replica.run("START SLAVE")
    reader.await_replica()

    log = reader.site.shop.log("web")
    assert "internal_error" not in log
    assert log.count("replica_left_out") >= before + 2


def test_buyer_sees_the_order_just_placed_however_late_the_replica_is(reader: Reader) -> None:
    replica = reader.site.pair.replica
    body = {"items": [{"goods_id": "2", "quantity": 1}], **RECEIVER}

    def order_while_it_is_late() -> bool:
        """Whether lists of staff came from the replica all the while."""
        reader.await_replica()
        replica.run("STOP SLAVE SQL_THREAD")
        order = reader.ask("POST", "/api/orders", "Bearer buyer", json=body)
        listed = reader.ask("GET", "/api/orders", "Bearer buyer")["orders"]
        alone = reader.ask("GET", f"/api/orders/{order['order_id']}", "Bearer buyer")
        is_in_use = reader.is_from_replica()
        replica.run("START SLAVE SQL_THREAD")
        assert listed[0]["order_id"] == alone["order_id"] == order["order_id"]
        return is_in_use

    wait_until(order_while_it_is_late, seconds=SECONDS, what="an order while the replica is used, and late")


def test_service_sees_the_stock_that_was_just_set_however_late_the_replica_is(reader: Reader) -> None:
    replica, service = reader.site.pair.replica, "Bearer token"

    def set_while_it_is_late() -> bool:
        """Whether lists of staff came from the replica all the while."""
        reader.await_replica()
        replica.run("STOP SLAVE SQL_THREAD")
        before = reader.ask("GET", "/api/stock?goods_id=2", service)["stock"][0]["available"]
        wanted = before + 1
        reader.ask("PUT", "/api/stock/2", STAFF, json={"available": wanted})
        listed = reader.ask("GET", "/api/stock?goods_id=2", service)["stock"][0]["available"]
        is_in_use = reader.is_from_replica()
        replica.run("START SLAVE SQL_THREAD")
        assert listed == wanted
        return is_in_use

    wait_until(set_while_it_is_late, seconds=SECONDS, what="stock is set while the replica is used, and late")


def test_operator_sees_in_the_admin_what_was_just_changed_there(reader: Reader) -> None:
    with httpx.Client(base_url=reader.site.shop.url, timeout=SECONDS) as browser:
        page = browser.get("/admin/login/")
        form = {"username": "staff", "password": "charites", "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        browser.post("/admin/login/?next=/admin/", data=form, headers={"Referer": str(page.url)})

        def version() -> str:
            text = browser.get(f"/admin/stock/stock/?goods_id__exact={MARKED}").text
            return "replica" if f">{MARK}<" in text else "writer"

        assert version() == "writer"  # whoever has just signed in has changed something
        wait_until(lambda: version() == "replica", seconds=SECONDS, what="the list is the replica's")


def test_replica_that_dies_while_staff_read_breaks_no_list(tmp_path: Path, trials: Trials) -> None:
    deaths, over = trials.count(sample=1, full=10), threading.Event()
    with site_on(MariaDBPair(), tmp_path) as site, buyers_of(site.shop, trials, staff=STAFF) as buyers:
        reader, history = Reader(site), buyers[0].history
        mark(site)
        with Crowd(buyers), ThreadPoolExecutor() as pool:
            reading = [pool.submit(reader.read_on, over) for _ in range(STAFF_READING)]
            try:
                for _ in range(deaths):
                    reader.await_replica()
                    pause(trials)
                    died = time.monotonic()
                    site.pair.replica.kill()
                    await_orders(history, died)
                    site.pair.replica.start()
                    site.pair.replica.run("START SLAVE")
            finally:
                over.set()
            statuses = Counter(status for lists in reading for status in lists.result())
        left_out = site.shop.log("web").count("replica_left_out")
        audit = site.shop.manage("audit")

    assert statuses.keys() <= {200, 503}  # busy: every COMMIT waits for it once, and threads with them
    assert left_out >= deaths
    assert audit.returncode == 0, audit.stdout
    trials.tell(f"{deaths} deaths of the replica: {statuses[200]} lists read by staff, {statuses[503]} answered busy")
