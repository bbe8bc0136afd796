"""A shop where everything has happened once, and the SQL that breaks it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from charites.audit import run_audit
from lab.kit import factories
from lab.kit.stock_steps import deduct_stock, roll_back_stock
from messaging import relay
from messaging.services import publish
from orders import services as orders
from orders.models import Order, Payment, Refund
from stock.services import Adjustment, adjust_stock

NOW = factories.NOW
LONG_AGO = timezone.now() - timedelta(hours=1)
TOPIC = "audit_test"
COMMON = "created_at, updated_at, created_by, updated_by, version, is_deleted"


@dataclass(frozen=True)
class Shop:
    """One order of each kind; the ids that the tests break."""

    unpaid: Order
    paid: Order
    completed: Order
    closed: Order
    payment: Payment  # the one that paid `paid`
    refund: Refund
    receipt_id: int


def open_shop() -> Shop:
    """Everything that can happen in a shop happens once, through the services."""
    for goods_id in (1, 2, 3):
        factories.make_goods(goods_id, stock=100)
    adjust_stock(adjustments=[Adjustment(3, "breakage", "staff", delta=-3, idempotency_key="broken-mugs")])
    receipt_id = deduct_stock(goods_id=2, quantity=4).number
    roll_back_stock(order_id=77, goods_ids=[1, 999])
    closed = factories.make_order({1: 2, 2: 1})
    assert orders.close_due(now=factories.later(3600)) == 1
    factories.make_closed_order({1: 1})
    paid = factories.make_paid_order({1: 2, 3: 1}, idempotency_key="mine")
    completed = factories.make_paid_order({3: 1})
    orders.complete_orders(order_ids=[completed.order_id], actor="staff", now=NOW)
    pay_double(factories.make_order({1: 1}))
    pay_wrong_amount(factories.make_order({1: 1}))
    with transaction.atomic():
        publish(TOPIC, {}, key="1", deliver_at=NOW)
    (message,) = relay.claim(Q(topic=TOPIC), limit=1, now=timezone.now())
    relay.deliver_one(message, now=timezone.now())
    unpaid = factories.make_order({1: 2, 2: 1}, idempotency_key="mine too")
    Order.objects.update(expires_at=timezone.now() + timedelta(hours=1))  # an audit goes by the clock of the machine
    return Shop(
        unpaid=factories.stored(unpaid),
        paid=factories.stored(paid),
        completed=factories.stored(completed),
        closed=factories.stored(closed),
        payment=Payment.objects.get(order_id=paid.order_id),
        refund=Refund.objects.get(reason=Refund.Reason.AMOUNT),
        receipt_id=receipt_id,
    )


def pay_double(order: Order) -> None:
    payment = factories.make_payment(order)
    captures = [factories.make_capture(payment), factories.make_capture(payment)]
    for capture in captures:
        assert orders.record_captures(captures=[capture]) == [None]


def pay_wrong_amount(order: Order) -> None:
    capture = factories.make_capture(factories.make_payment(order), amount=1)
    assert orders.record_captures(captures=[capture]) == [None]


def execute(sql: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


@contextmanager
def without_constraints(*tables: str) -> Iterator[None]:
    """Puts copies in the place of tables: same rows, but nothing that refuses a broken one."""
    for table in tables:
        execute(f"ALTER TABLE {table} RENAME TO {table}_kept")
        execute(f"CREATE TABLE {table} AS SELECT * FROM {table}_kept")
    try:
        yield
    finally:
        for table in tables:
            execute(f"DROP TABLE {table}")
            execute(f"ALTER TABLE {table}_kept RENAME TO {table}")


def findings(**options: Any) -> dict[str, list[str]]:
    results = run_audit(now=timezone.now(), **options)
    return {result.check.id: result.ids for result in results if result.total}


def insert_record(order_id: int, goods_id: int, num: int, status: int, kind: str = "order", at: Any = LONG_AGO) -> None:
    execute(
        f"INSERT INTO shopping_stock_record ({COMMON}, order_id, goods_id, num, status, kind)"
        " VALUES (%s, %s, '', '', 0, 0, %s, %s, %s, %s, %s)",
        *(naive(at), naive(at), order_id, goods_id, num, status, kind),
    )


def naive(at: Any) -> str:
    return str(connection.ops.adapt_datetimefield_value(at))


def copy_row(table: str, condition: str, **changes: str) -> None:
    """Inserts a second row like the first one that meets the condition; `changes`: column -> SQL expression."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} LIMIT 1")
        made = {"refund_id"} if table == "shopping_refund" else set()  # the database makes it
        names = [column[0] for column in cursor.description if column[0] not in made]
    values = {name: f"{table}.{name}" for name in names} | {"id": "1000000"} | changes
    execute(
        f"INSERT INTO {table} ({', '.join(map(quoted, names))})"
        f" SELECT {', '.join(values[name] for name in names)} FROM {table} WHERE {condition} LIMIT 1"
    )


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)
