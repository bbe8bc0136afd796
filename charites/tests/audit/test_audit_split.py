"""The audit of the split form: two real databases, each rule about both of them broken by hand."""

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from charites.audit import AuditInTransaction, Database, comparison, open_database, own_database, run_audit
from lab.kit import factories
from messaging.models import Message
from orders import services as orders
from orders.models import Order, OrderDetail
from stock.models import StockRecord
from stock.services import deduct_stock, roll_back_stock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.unguarded_stock_sql]

LONG_AGO = timezone.now() - timedelta(hours=1)
COMMON = "created_at, updated_at, created_by, updated_by, version, is_deleted"
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
    at = adapt(LONG_AGO)
    with where.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO shopping_stock_record ({COMMON}, order_id, goods_id, num, status, kind)"
            f" VALUES ('{at}', '{at}', '', '', 0, 0, %s, %s, %s, %s, %s)",
            rows,
        )


def make_old(where: BaseDatabaseWrapper, *tables: str) -> None:
    for table in tables:
        execute(where, f"UPDATE {table} SET updated_at = %s", adapt(LONG_AGO))


def adapt(at: datetime) -> str:
    return str(connection.ops.adapt_datetimefield_value(at))


@pytest.fixture
def split(tmp_path: Path, settings: Any) -> Iterator[Split]:
    for goods_id in (1, 2, 3):
        factories.make_goods(goods_id, stock=100)
    receipt_id, _ = deduct_stock(goods_id=2, quantity=4)
    roll_back_stock(order_id=77, goods_ids=[1, 999])
    completed = factories.make_paid_order({3: 1})
    orders.complete_orders(order_ids=[completed.order_id], actor="staff", now=factories.NOW)
    made = {
        "unpaid": factories.make_order({1: 2, 2: 1}),
        "paid": factories.make_paid_order({1: 2, 3: 1}),
        "closed": factories.make_closed_order({1: 2, 2: 1}),
    }
    Order.objects.update(expires_at=timezone.now() + timedelta(hours=1))  # an audit goes by the clock of the machine
    settings.APPS = ["orders"]
    url = copy_database(tmp_path)
    with closing((stock := open_database("stock", url)).connection):
        for table in OF_ORDERS:
            execute(stock.connection, f"DELETE FROM {table}")
        for table in OF_STOCK:
            in_orders(f"DELETE FROM {table}")
        for where, table in [
            *((connection, table) for table in OF_ORDERS),
            (stock.connection, "shopping_stock_record"),
        ]:
            execute(where, f"UPDATE {table} SET updated_at = %s", adapt(LONG_AGO))
        yield Split(url=url, stock=stock, receipt_id=receipt_id, **made)
    if connection.vendor == "mysql":
        in_orders(f"DROP DATABASE {connection.settings_dict['NAME']}_stock")


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


def audit(*arguments: str) -> str:
    output = StringIO()
    call_command("audit", *arguments, stdout=output)
    return output.getvalue()


def test_healthy_services_have_no_finding(split: Split) -> None:
    results = run_audit(now=timezone.now(), databases=[own_database(), split.stock])

    names = [(result.database, result.check.id) for result in results]
    assert split.findings() == {}
    assert len(set(names)) == len(names)
    assert {database for database, _ in names} == {"orders", "stock", "orders + stock"}
    assert [name for database, name in names if database == "orders + stock"] == [
        "I3-line-without-record",
        "I3-record-without-line",
        "I3-record-without-order",
        "I3-receipt-with-order",
        "I4-status",
    ]


# What each database tells by itself


def test_each_database_is_audited_by_itself(split: Split) -> None:
    split.in_stock("DELETE FROM shopping_stock_adjustment WHERE goods_id = 2")
    in_orders("UPDATE shopping_order SET pay_amount = pay_amount + 1 WHERE order_id = %s", split.closed.order_id)
    Message.objects.create(topic="x", key="1", payload={}, state=Message.State.DEAD, deliver_at=factories.NOW)
    dead = Message.objects.get()

    assert split.findings() == {
        ("orders", "I3-order-amount"): [str(split.closed.order_id)],
        ("orders", "I6-dead"): [str(dead.pk)],
        ("stock", "I1-first-adjustment"): ["2"],
    }


# The rules about both


def test_line_without_record_is_found(split: Split) -> None:
    order_id = split.closed.order_id
    split.in_stock("DELETE FROM shopping_stock_record WHERE order_id = %s AND goods_id = 2", order_id)

    assert split.findings() == {("orders + stock", "I3-line-without-record"): [f"{order_id}/2"]}


def test_line_of_another_quantity_than_its_record_is_found(split: Split) -> None:
    order_id = split.closed.order_id
    split.in_stock("UPDATE shopping_stock_record SET num = num + 1 WHERE order_id = %s AND goods_id = 2", order_id)

    assert split.findings() == {("orders + stock", "I3-line-without-record"): [f"{order_id}/2"]}


def test_record_without_line_is_found(split: Split) -> None:
    split.insert_record(split.closed.order_id, 3, 1, status=2)

    assert split.findings() == {("orders + stock", "I3-record-without-line"): [f"{split.closed.order_id}/3"]}


def test_record_without_order_is_found_unless_it_was_rolled_back(split: Split) -> None:
    split.insert_record(806, 2, 1, status=1)
    split.insert_record(807, 2, 1, status=2)
    split.in_stock("UPDATE shopping_stock SET `lock` = `lock` + 1, num = num - 1 WHERE goods_id = 2")

    assert split.findings() == {("orders + stock", "I3-record-without-order"): ["806/2"]}


def test_receipt_with_an_order_is_found(split: Split) -> None:
    order = factories.stored(split.closed)
    order.pk, order.order_id = None, split.receipt_id
    order.save(force_insert=True)
    in_orders(
        "UPDATE shopping_order SET pay_amount = 0, updated_at = %s WHERE order_id = %s", adapt(LONG_AGO), order.order_id
    )

    assert split.findings() == {
        ("orders", "I3-order-amount"): [str(split.receipt_id)],
        ("orders + stock", "I3-receipt-with-order"): [f"{split.receipt_id}/2"],
    }


@pytest.mark.parametrize(("kind", "status", "closed_by"), [("unpaid", 300, "user"), ("closed", 100, "")])
def test_order_in_another_state_than_its_records_is_found(split: Split, kind: str, status: int, closed_by: str) -> None:
    order_id = getattr(split, kind).order_id
    in_orders("UPDATE shopping_order SET status = %s, closed_by = %s WHERE order_id = %s", status, closed_by, order_id)

    assert split.findings() == {("orders + stock", "I4-status"): [f"{order_id}/1", f"{order_id}/2"]}


def test_record_in_another_state_than_its_order_is_found(split: Split) -> None:
    order_id = split.paid.order_id
    split.in_stock("UPDATE shopping_stock_record SET status = 2 WHERE order_id = %s AND goods_id = 3", order_id)
    split.in_stock("UPDATE shopping_stock SET sold = sold - 1, num = num + 1 WHERE goods_id = 3")

    assert split.findings() == {("orders + stock", "I4-status"): [f"{order_id}/3"]}


@pytest.mark.parametrize("table", WITH_TIME)
def test_difference_of_which_one_side_is_young_is_no_finding(split: Split, table: str) -> None:
    order_id = split.closed.order_id
    split.in_stock("UPDATE shopping_stock_record SET num = num + 1 WHERE order_id = %s AND goods_id = 2", order_id)
    change = split.in_stock if table == "shopping_stock_record" else in_orders

    change(f"UPDATE {table} SET updated_at = %s WHERE order_id = %s", adapt(timezone.now()), order_id)
    young = split.findings()
    change(f"UPDATE {table} SET updated_at = %s WHERE order_id = %s", adapt(LONG_AGO), order_id)
    old = split.findings()

    assert (young, old) == ({}, {("orders + stock", "I3-line-without-record"): [f"{order_id}/2"]})


def test_young_record_without_order_is_in_its_grace_period(split: Split) -> None:
    split.insert_record(806, 2, 1, status=1)
    split.in_stock("UPDATE shopping_stock SET `lock` = `lock` + 1, num = num - 1 WHERE goods_id = 2")
    split.in_stock("UPDATE shopping_stock_record SET updated_at = %s WHERE order_id = 806", adapt(timezone.now()))

    assert split.findings() == {}


# Many rows


def test_many_lines_are_compared_page_by_page(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 100
    monkeypatch.setattr(comparison, "PAGE_ROWS", rows)
    first, count = 10**18, 1_500
    fill(split, first, count)
    # Around the border of two pages of lines (two per order), of two pages of orders, and at both ends.
    edges = [first, first + rows // 2 - 1, first + rows // 2, first + rows - 1, first + rows]
    missing = [*edges, first + count - 1]
    for order_id in missing:
        split.in_stock("DELETE FROM shopping_stock_record WHERE order_id = %s AND goods_id = 1", order_id)

    tracemalloc.start()
    found = split.findings()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found == {("orders + stock", "I3-line-without-record"): [f"{order_id}/1" for order_id in missing]}
    assert peak_bytes < 400_000  # three pages take 0.12 MB, all rows would take 1.7 MB


def fill(split: Split, first: int, count: int) -> None:
    """Makes closed orders of two lines each, in both databases."""
    ids = range(first, first + count)
    like = factories.stored(split.closed)
    line = OrderDetail.objects.filter(order_id=like.order_id).order_by("goods_id")[0]
    order_fields = {name: getattr(like, name) for name in ("user_id", "status", "closed_by", "expires_at")}
    line_fields = {
        "user_id": like.user_id,
        "title": line.title,
        "market_price": 1,
        "price": 1,
        "num": 1,
        "pay_amount": 1,
    }
    Order.objects.bulk_create((Order(order_id=id, pay_amount=2, **order_fields) for id in ids), batch_size=500)
    OrderDetail.objects.bulk_create(
        (OrderDetail(order_id=id, goods_id=goods_id, **line_fields) for id in ids for goods_id in (1, 2)),
        batch_size=500,
    )
    insert_records(
        split.stock.connection,
        [(id, goods_id, 1, StockRecord.Status.ROLLED_BACK, "order") for id in ids for goods_id in (1, 2)],
    )
    make_old(connection, "shopping_order", "shopping_order_detail")


# The command


def test_command_names_the_database_of_each_finding(split: Split, tmp_path: Path) -> None:
    split.in_stock("DELETE FROM shopping_stock_adjustment WHERE goods_id = 2")
    output = StringIO()

    with pytest.raises(CommandError, match=r"^1 of \d+ checks failed; findings: 1.$"):
        call_command("audit", "--with", f"stock={split.url}", "--json", str(tmp_path / "found"), stdout=output)

    line = next(line for line in output.getvalue().splitlines() if "I1-first-adjustment" in line)
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert (cells[:2], cells[3:]) == (["stock", "I1-first-adjustment"], ["1", "2"])
    checks = json.loads((tmp_path / "found").read_text())["checks"]
    assert [(check["database"], check["ids"]) for check in checks if check["total"]] == [("stock", ["2"])]


def test_command_with_all_three_databases_passes(split: Split) -> None:
    output = audit("--with", f"stock={split.url}", "--with", f"goods={split.url}")

    assert "not compared" not in output
    assert {line.split("│")[1].strip() for line in output.splitlines() if line.startswith("│")} == {
        "orders",
        "stock",
        "goods",
        "orders + stock",
    }


def test_command_without_the_stock_database_says_what_is_left_out(split: Split) -> None:
    output = audit()

    assert "Orders and stock were not compared, for that add --with stock=<its DATABASE_URL>." in output
    assert "I3-line-without-order" in output
    assert "I1-adjustments" not in output
    assert "I4-status" not in output


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("stock=sqlite:////nowhere/at/all.sqlite3", "The database of stock, /nowhere/at/all.sqlite3, is not there."),
        ("stock=walrus://secret@host/x", "The address of the database of stock is not one that Django knows."),
        ("orders={url}", "The database of orders is named twice; APPS is orders."),
        ("messages=x", "must be SERVICE=DATABASE_URL, with goods, stock, orders for the service"),
        ("stock", "must be SERVICE=DATABASE_URL, with goods, stock, orders for the service"),
    ],
)
def test_command_with_a_wrong_database_says_so(split: Split, argument: str, sentence: str) -> None:
    with pytest.raises(CommandError) as refusal:
        audit("--with", argument.format(url=split.url))

    assert str(refusal.value).endswith(sentence)


def test_command_with_a_database_of_another_service_says_so(split: Split) -> None:
    split.in_stock("DROP TABLE shopping_goods")

    with pytest.raises(CommandError, match="^The database of goods has no table shopping_goods: is it another"):
        audit("--with", f"goods={split.url}")


def test_audit_of_two_databases_inside_a_transaction_is_refused(split: Split) -> None:
    with transaction.atomic(), pytest.raises(AuditInTransaction):
        split.findings()
