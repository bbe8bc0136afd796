"""A shop on two databases behind a proxy, of which one writes and the other follows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from charites.audit import open_database
from charites.tests.drills.load import GOODS
from lab.kit.history import Truth, read_truth
from lab.kit.processes.shop import START_SECONDS, Shop
from lab.servers import LOOPBACK, HAProxy, MariaDBPair
from lab.servers.mariadb_pair import SHOP, PairedMariaDB

STAFF = "Bearer staff"  # of the demo


@dataclass
class Site:
    """A web and a gRPC server on two databases behind a proxy."""

    shop: Shop
    pair: MariaDBPair
    proxy: HAProxy

    def fail_over(self) -> None:
        """What an operator does, or a program of theirs, once the writer is dead."""
        self.pair.promote()
        old, new = ("one", "two") if self.pair.writer.port == self.proxy.databases[1] else ("two", "one")
        self.proxy.tell(
            f"disable server writer/{old}; enable server writer/{new}; "
            f"enable server reader/{old}; disable server reader/{new}"
        )

    def truth(self) -> Truth:
        return truth_of(self.pair.writer)


def truth_of(database: PairedMariaDB) -> Truth:
    opened = open_database("orders", database.url)
    try:
        return read_truth(opened.connection)
    finally:
        opened.connection.close()


def stock_up(shop: Shop) -> None:
    """So much of what the buyers want that none of them is refused."""
    for goods_id in GOODS:
        body = {"available": 1_000_000, "idempotency_key": f"plenty of {goods_id}"}
        url, headers = f"{shop.url}/api/stock/{goods_id}", {"Authorization": STAFF}
        httpx.put(url, json=body, headers=headers, timeout=START_SECONDS).raise_for_status()


@contextmanager
def site_on(pair: MariaDBPair, folder: Path) -> Iterator[Site]:
    with pair, HAProxy(pair.writer.port, pair.replica.port) as proxy:
        address = f"mysql://{SHOP}@{LOOPBACK}:{{}}/{pair.writer.database}"
        environment = {
            **os.environ,
            "DATABASE_URL": address.format(proxy.port),
            "DATABASE_REPLICA_URL": address.format(proxy.reader_port),
            "DEMO": "true",  # for the catalogue that `seed` makes, and its staff
        }
        with Shop(folder, environment) as shop:
            shop.prepare()
            shop.start("web", "grpc")
            shop.await_web()
            shop.await_grpc()
            stock_up(shop)
            pair.await_replica()
            yield Site(shop, pair, proxy)
