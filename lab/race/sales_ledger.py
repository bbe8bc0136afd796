"""The process that keeps the ledger of a race: `python -m lab.race.sales_ledger [orders]`.

It makes the tables and the stock, counts receipts, and watches what the stock column claims meanwhile. With the word
`orders`: for a race that places some, with all tables and goods, whose buyers' pieces it counts.
"""

import sqlite3
import sys
import threading
import time
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402 (after setup)
from django.db import connection, connections  # noqa: E402
from django.db.models import Sum  # noqa: E402

from charites.audit import run_audit  # noqa: E402
from charites.common import clock  # noqa: E402
from goods.models import Goods  # noqa: E402
from lab.race.child import Link  # noqa: E402
from orders.models import Allowance, LimitedGoods, Order, OrderDetail  # noqa: E402
from stock.models import Stock, StockAdjustment, StockRecord  # noqa: E402
from stock.services import Adjustment, adjust_stock  # noqa: E402

SAMPLE_SECONDS = 0.005
MYSQL_DURABILITY = ("log_bin", "sync_binlog", "innodb_flush_log_at_trx_commit")
OF_STOCK = [("stock",), ("messaging",)]  # what a race for stock alone needs; the second is asked who is told of it
SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


class Watch:
    """Reads the stock column every few milliseconds, on a thread and a connection of its own."""

    def __init__(self, goods_ids: list[int]) -> None:
        self._goods_ids = goods_ids
        self._over = threading.Event()
        self.samples: list[tuple[float, int]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while not self._over.wait(SAMPLE_SECONDS):
                left = sum(column(self._goods_ids).values())
                self.samples.append((time.monotonic(), left))
        finally:
            connections.close_all()

    def end(self) -> list[tuple[float, int]]:
        """Stops reading and returns (time, pieces left as the column claims)."""
        self._over.set()
        self._thread.join()
        return self.samples


def column(goods_ids: list[int]) -> dict[int, int]:
    return dict(Stock.objects.filter(goods_id__in=goods_ids).values_list("goods_id", "available"))


def receipts(goods_ids: list[int]) -> dict[int, int]:
    """Returns the pieces that accepted orders hold: goods_id -> pieces."""
    taken = StockRecord.objects.filter(goods_id__in=goods_ids, status=StockRecord.Status.RESERVED)
    found = dict(taken.values_list("goods_id").annotate(Sum("num")).order_by("goods_id"))
    return {goods_id: found.get(goods_id, 0) for goods_id in goods_ids}


def make_stock(goods_ids: list[int], stock: int) -> None:
    """Forgets the last race and makes so many pieces of each product."""
    for model in (StockRecord, StockAdjustment, Stock):
        model.objects.all().delete()
    adjust_stock(
        adjustments=[Adjustment(goods_id=goods_id, target=stock, reason="race", actor="race") for goods_id in goods_ids]
    )


def make_goods(goods_ids: list[int], limit: int) -> None:
    """Forgets the orders of the last race and puts the goods on sale, with a limit a buyer."""
    for model in (OrderDetail, Order, Allowance, Goods):
        model.objects.all().delete()
    LimitedGoods.objects.exclude(goods_id=0).delete()  # of which the shop needs one row
    Goods.objects.bulk_create(
        Goods(goods_id=goods_id, title="race", price=1, market_price=1, limit_per_buyer=limit) for goods_id in goods_ids
    )


def held(goods_ids: list[int]) -> list[tuple[int, int, int]]:
    """Returns what buyers have in orders that are not closed: buyer, goods_id, pieces."""
    open_orders = Order.objects.exclude(status=Order.Status.CLOSED).values("order_id")
    lines = OrderDetail.objects.filter(goods_id__in=goods_ids, order_id__in=open_orders)
    return list(lines.values_list("user_id", "goods_id").annotate(Sum("num")).order_by("user_id", "goods_id"))


def broken_rules() -> list[str]:
    return [result.check.id for result in run_audit(now=clock.now()) if result.total]


def describe() -> dict[str, Any]:
    """Returns what database this is and when it syncs, as the server itself says."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA journal_mode")
            journal = cursor.fetchone()[0]
            cursor.execute("PRAGMA synchronous")
            synchronous = SYNCHRONOUS[cursor.fetchone()[0]]
            durability = {"journal_mode": journal, "synchronous": synchronous}
            return {"database": f"SQLite {sqlite3.sqlite_version}", "durability": durability}
        cursor.execute("SELECT @@version, " + ", ".join(f"@@global.{name}" for name in MYSQL_DURABILITY))
        version, *values = cursor.fetchone()
    kind = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    durability = dict(zip(MYSQL_DURABILITY, map(str, values), strict=True))
    durability["log_bin"] = {"0": "OFF", "1": "ON"}.get(durability["log_bin"], durability["log_bin"])
    return {"database": f"{kind} {version.split('-')[0]}", "durability": durability}


def main() -> None:
    link, watch = Link(), None
    places_orders = sys.argv[1:] == ["orders"]
    for apps in [()] if places_orders else OF_STOCK:
        call_command("migrate", *apps, verbosity=0, interactive=False)
    link.say(**describe())
    for wanted in link.listen():
        goods_ids = wanted["goods_ids"]
        if wanted["do"] == "open":
            if places_orders:
                make_goods(goods_ids, wanted["limit"])
            make_stock(goods_ids, wanted["stock"])
            watch = Watch(goods_ids) if wanted["watch"] else None
            link.say(opened=True)
        else:
            samples = watch.end() if watch else []
            found = {"held": held(goods_ids), "broken": broken_rules()} if places_orders else {}
            link.say(column=sum(column(goods_ids).values()), receipts=receipts(goods_ids), samples=samples, **found)


if __name__ == "__main__":
    main()
