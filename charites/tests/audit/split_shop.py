"""A shop in two real databases, and the SQL that breaks either."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from charites.audit import Database, own_database, run_audit
from charites.tests.audit.busy_shop import COMMON, LONG_AGO, naive
from orders.models import Order

OF_STOCK = ("shopping_stock", "shopping_stock_record", "shopping_stock_adjustment")
OF_ORDERS = ("shopping_order", "shopping_order_detail", "shopping_payment", "shopping_refund", "messaging_message")
WITH_TIME = ("shopping_order", "shopping_order_detail", "shopping_stock_record")


@dataclass(frozen=True)
class Split:
    """The own database is the order service's; `stock` is the other one, at `url`."""

    url: str
    stock: Database
    unpaid: Order
    paid: Order
    closed: Order
    receipt_id: int

    def findings(self) -> dict[tuple[str, str], list[str]]:
        results = run_audit(now=timezone.now(), databases=[own_database(), self.stock])
        return {(result.database, result.check.id): result.ids for result in results if result.total}

    def in_stock(self, sql: str, *values: Any) -> None:
        execute(self.stock.connection, sql, *values)

    def insert_record(self, order_id: int, goods_id: int, num: int, status: int, kind: str = "order") -> None:
        insert_records(self.stock.connection, [(order_id, goods_id, num, status, kind)])


def in_orders(sql: str, *values: Any) -> None:
    execute(connection, sql, *values)


def execute(where: BaseDatabaseWrapper, sql: str, *values: Any) -> None:
    with where.cursor() as cursor:
        cursor.execute(sql, values)


def insert_records(where: BaseDatabaseWrapper, rows: list[tuple[int, int, int, int, str]]) -> None:
    at = naive(LONG_AGO)
    with where.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO shopping_stock_record ({COMMON}, order_id, goods_id, num, status, kind)"
            f" VALUES ('{at}', '{at}', '', '', 0, 0, %s, %s, %s, %s, %s)",
            rows,
        )


def make_old(where: BaseDatabaseWrapper, *tables: str) -> None:
    for table in tables:
        execute(where, f"UPDATE {table} SET updated_at = %s", naive(LONG_AGO))


def copy_database(folder: Path) -> str:
    """Makes a second database with everything that is in the first one; returns its address."""
    if connection.vendor != "mysql":
        in_orders(f"VACUUM INTO '{folder}/stock.sqlite3'")
        return f"sqlite:///{folder}/stock.sqlite3"
    options, name = connection.settings_dict, f"{connection.settings_dict['NAME']}_stock"
    in_orders(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    for table in connection.introspection.table_names():
        in_orders(f"CREATE TABLE {name}.{table} LIKE {table}")
        in_orders(f"INSERT INTO {name}.{table} SELECT * FROM {table}")
    return f"mysql://{options['USER']}:{options['PASSWORD']}@{options['HOST']}:{options['PORT']}/{name}"
