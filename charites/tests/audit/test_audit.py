"""Each test breaks exactly one rule by SQL, in a shop where everything else has happened, and expects that one line."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from charites.audit import AuditInTransaction, run_audit
from lab.kit import factories
from messaging import relay
from messaging.models import Message
from messaging.registry import register, unregister
from messaging.services import publish
from orders import services as orders
from orders.models import Order, Payment, Refund
from stock.services import Adjustment, adjust_stock, deduct_stock, roll_back_stock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.unguarded_stock_sql]

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


@pytest.fixture
def shop() -> Iterator[Shop]:
    register(TOPIC, lambda messages: None)
    yield open_shop()
    unregister(TOPIC)


def open_shop() -> Shop:
    """Everything that can happen in a shop happens once, through the services."""
    for goods_id in (1, 2, 3):
        factories.make_goods(goods_id, stock=100)
    adjust_stock(adjustments=[Adjustment(3, "breakage", "staff", delta=-3, idempotency_key="broken-mugs")])
    receipt_id, _ = deduct_stock(goods_id=2, quantity=4)
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
        names = [column[0] for column in cursor.description]
    values = {name: f"{table}.{name}" for name in names} | {"id": "1000000"} | changes
    execute(
        f"INSERT INTO {table} ({', '.join(map(quoted, names))})"
        f" SELECT {', '.join(values[name] for name in names)} FROM {table} WHERE {condition} LIMIT 1"
    )


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def test_audit_of_a_busy_shop_finds_nothing(shop: Shop) -> None:
    results = run_audit(now=timezone.now())

    assert [result.check.id for result in results if result.total] == []
    assert len({result.check.id for result in results}) == len(results)
    assert Order.objects.filter(status=Order.Status.UNPAID).count() == 2


# I1: the sums


def test_adjustments_that_do_not_add_up_are_found(shop: Shop) -> None:
    execute("UPDATE shopping_stock_adjustment SET delta = delta + 1 WHERE goods_id = 3 AND delta > 0")

    assert findings() == {"I1-adjustments": ["3"]}


def test_reserved_that_differs_from_its_records_is_found(shop: Shop) -> None:
    execute(f"UPDATE shopping_stock SET {quoted('lock')} = {quoted('lock')} + 1, num = num - 1 WHERE goods_id = 2")

    assert findings() == {"I1-reserved": ["2"]}


def test_sold_that_differs_from_its_records_is_found(shop: Shop) -> None:
    execute("UPDATE shopping_stock SET sold = sold - 1, num = num + 1 WHERE goods_id = 2")

    assert findings() == {"I1-sold": ["2"]}


def test_stock_row_without_a_first_adjustment_is_found(shop: Shop) -> None:
    execute("DELETE FROM shopping_stock_adjustment WHERE goods_id = 2")

    assert findings() == {"I1-first-adjustment": ["2"]}


def test_records_and_adjustments_without_a_stock_row_are_found(shop: Shop) -> None:
    insert_record(801, 41, 1, status=3, kind="receipt")
    copy_row("shopping_stock_adjustment", "goods_id = 2", idempotency_key="NULL", goods_id="42")

    assert findings() == {"I1-unknown-goods": ["41", "42"]}


# I2: nothing negative


@pytest.mark.parametrize("column", ["num", "lock", "sold"])
def test_negative_stock_is_found(shop: Shop, column: str) -> None:
    # The sums are made to agree, so that only the sign is wrong; reserved and sold need a negative record for that.
    with without_constraints("shopping_stock", "shopping_stock_record"):
        copy_row("shopping_stock", "goods_id = 2", goods_id="44", num="0", lock="0", sold="0")
        copy_row("shopping_stock_adjustment", "goods_id = 2", idempotency_key="NULL", goods_id="44", delta="-1")
        execute(f"UPDATE shopping_stock SET {quoted(column)} = -1 WHERE goods_id = 44")
        if column != "num":
            insert_record(802, 44, -1, status={"lock": 1, "sold": 3}[column], kind="receipt")
        expected = {"I2-stock": ["44"]} | ({"I2-records": ["802/44"]} if column != "num" else {})

        assert findings() == expected


@pytest.mark.parametrize(("num", "status"), [(-1, 2), (0, 3)])
def test_record_of_no_piece_is_found(shop: Shop, num: int, status: int) -> None:
    with without_constraints("shopping_stock_record"):
        insert_record(803, 1, num, status=status, kind="receipt")

        assert findings() == {"I2-records": ["803/1"]}


def test_line_with_another_amount_than_its_price_is_found(shop: Shop) -> None:
    order_id = shop.paid.order_id
    execute("UPDATE shopping_order_detail SET price = price + 1 WHERE order_id = %s AND goods_id = 3", order_id)

    assert findings() == {"I2-lines": [f"{order_id}/3"]}


def test_line_of_no_piece_is_found(shop: Shop) -> None:
    order_id = shop.closed.order_id
    columns = {"goods_id": "3", "num": "0", "pay_amount": "0"}
    copy_row("shopping_order_detail", f"order_id = {order_id}", **columns)
    insert_record(order_id, 3, 0, status=2)

    assert findings() == {"I2-lines": [f"{order_id}/3"]}


# I3: orders, lines, records


def test_order_with_another_amount_than_its_lines_is_found(shop: Shop) -> None:
    order_id = shop.unpaid.order_id
    execute("UPDATE shopping_order SET pay_amount = pay_amount + 1 WHERE order_id = %s", order_id)

    assert findings() == {"I3-order-amount": [str(order_id)]}


def test_order_without_lines_is_found(shop: Shop) -> None:
    columns = {"order_id": "804", "idempotency_key": "NULL"}
    copy_row("shopping_order", f"order_id = {shop.closed.order_id}", **columns)

    assert findings() == {"I3-order-amount": ["804"]}


def test_line_without_order_is_found(shop: Shop) -> None:
    copy_row("shopping_order_detail", "goods_id = 1", order_id="805", num="1", pay_amount="price")
    insert_record(805, 1, 1, status=2)

    assert findings() == {"I3-line-without-order": ["805/1"]}


def test_line_without_record_is_found(shop: Shop) -> None:
    order_id = shop.closed.order_id
    execute("DELETE FROM shopping_stock_record WHERE order_id = %s AND goods_id = 2", order_id)

    assert findings() == {"I3-line-without-record": [f"{order_id}/2"]}


def test_line_with_another_quantity_than_its_record_is_found(shop: Shop) -> None:
    order_id = shop.closed.order_id
    execute("UPDATE shopping_stock_record SET num = num + 1 WHERE order_id = %s AND goods_id = 2", order_id)

    assert findings() == {"I3-line-without-record": [f"{order_id}/2"]}


def test_record_without_line_is_found(shop: Shop) -> None:
    insert_record(shop.closed.order_id, 3, 1, status=2)

    assert findings() == {"I3-record-without-line": [f"{shop.closed.order_id}/3"]}


def test_old_record_without_order_is_found_unless_it_was_rolled_back(shop: Shop) -> None:
    insert_record(806, 2, 1, status=1)
    insert_record(807, 2, 1, status=2)
    execute(f"UPDATE shopping_stock SET {quoted('lock')} = {quoted('lock')} + 1, num = num - 1 WHERE goods_id = 2")

    assert findings() == {"I3-record-without-order": ["806/2"]}


def test_young_record_without_order_is_in_its_grace_period(shop: Shop) -> None:
    insert_record(806, 2, 1, status=1, at=timezone.now())
    execute(f"UPDATE shopping_stock SET {quoted('lock')} = {quoted('lock')} + 1, num = num - 1 WHERE goods_id = 2")

    assert findings() == {}


def test_receipt_with_an_order_is_found(shop: Shop) -> None:
    copy_row("shopping_order", f"order_id = {shop.closed.order_id}", order_id=str(shop.receipt_id), pay_amount="9950")
    columns = {"order_id": str(shop.receipt_id), "num": "4", "price": "1", "pay_amount": "4"}
    copy_row("shopping_order_detail", "goods_id = 2", **columns)
    execute("UPDATE shopping_order SET pay_amount = 4 WHERE order_id = %s", shop.receipt_id)

    assert findings() == {"I3-receipt-with-order": [f"{shop.receipt_id}/2"]}


# I4: the state of an order and of its records


@pytest.mark.parametrize(("status", "fields"), [(300, "closed_by = 'user'"), (100, "closed_by = ''")])
def test_order_in_another_state_than_its_records_is_found(shop: Shop, status: int, fields: str) -> None:
    order = shop.unpaid if status == 300 else shop.closed
    execute(f"UPDATE shopping_order SET status = %s, {fields} WHERE order_id = %s", status, order.order_id)

    assert findings() == {"I4-status": [f"{order.order_id}/1", f"{order.order_id}/2"]}


def test_record_in_another_state_than_its_order_is_found(shop: Shop) -> None:
    order_id = shop.paid.order_id
    execute("UPDATE shopping_stock_record SET status = 2 WHERE order_id = %s AND goods_id = 3", order_id)
    execute("UPDATE shopping_stock SET sold = sold - 1, num = num + 1 WHERE goods_id = 3")

    assert findings() == {"I4-status": [f"{order_id}/3"]}


# I6 and I7: messages


@pytest.mark.parametrize(
    ("check", "state", "age"),
    [
        ("I6-overdue", Message.State.READY, timedelta(seconds=700)),
        ("I6-dead", Message.State.DEAD, timedelta(0)),
        ("I7-half", Message.State.HALF, timedelta(seconds=700)),
    ],
)
def test_message_that_had_no_effect_is_found(shop: Shop, check: str, state: str, age: timedelta) -> None:
    message = insert_message(state, age)

    assert findings() == {check: [str(message.pk)]}


@pytest.mark.parametrize("state", [Message.State.READY, Message.State.HALF])
def test_message_that_is_due_since_a_moment_is_no_finding(shop: Shop, state: str) -> None:
    insert_message(state, timedelta(seconds=500))

    assert findings() == {}


def insert_message(state: str, age: timedelta) -> Message:
    at = timezone.now() - age
    return Message.objects.create(topic=TOPIC, key="1", payload={"v": 1}, state=state, deliver_at=at, created_at=at)


# I9: money


def test_capture_that_neither_paid_nor_is_refunded_is_found(shop: Shop) -> None:
    columns = {"payment_id": "808", "trade_id": "'T-lost'"}
    copy_row("shopping_payment", f"payment_id = {shop.payment.payment_id}", **columns)

    assert findings() == {"I9-capture-without-effect": ["808"]}


@pytest.mark.parametrize("change", ["amount = amount + 1", "currency = 'EUR'"])
def test_capture_of_another_amount_than_its_order_is_found(shop: Shop, change: str) -> None:
    payment_id = shop.payment.payment_id
    execute(f"UPDATE shopping_payment SET {change} WHERE payment_id = %s", payment_id)

    assert findings() == {"I9-capture-without-effect": [str(payment_id)]}


def test_refund_of_the_payment_that_paid_is_found(shop: Shop) -> None:
    payment = shop.payment
    columns = {"payment_id": str(payment.payment_id), "order_id": str(payment.order_id), "amount": str(payment.amount)}
    copy_row("shopping_refund", f"id = {shop.refund.pk}", **columns)

    assert findings() == {"I9-refunded-once": [str(payment.payment_id)]}


def test_second_refund_of_a_payment_is_found(shop: Shop) -> None:
    with without_constraints("shopping_refund"):
        copy_row("shopping_refund", f"id = {shop.refund.pk}")

        assert findings() == {"I9-refunded-once": [str(shop.refund.payment_id)]}


def test_refund_of_another_amount_than_came_in_is_found(shop: Shop) -> None:
    execute("UPDATE shopping_refund SET amount = amount + 1 WHERE id = %s", shop.refund.pk)

    assert findings() == {"I9-refund-amount": [str(shop.refund.payment_id)]}


def test_refund_without_a_capture_is_found(shop: Shop) -> None:
    copy_row("shopping_refund", f"id = {shop.refund.pk}", payment_id="809")

    assert findings() == {"I9-refund-without-capture": ["809"]}


def test_paid_order_without_its_capture_is_found(shop: Shop) -> None:
    execute("DELETE FROM shopping_payment WHERE order_id = %s", shop.completed.order_id)

    assert findings() == {"I9-paid-without-capture": [str(shop.completed.order_id)]}


# I12: what is due gets done


@pytest.mark.parametrize(("seconds", "is_found"), [(1190, False), (1210, True)])
def test_unpaid_order_whose_time_is_long_over_is_found(shop: Shop, seconds: int, is_found: bool) -> None:
    """Ten minutes of grace, and ten that a silent provider may keep an order open."""
    at = naive(timezone.now() - timedelta(seconds=seconds))
    execute("UPDATE shopping_order SET expires_at = %s WHERE status = 300", at)
    execute("UPDATE shopping_order SET expires_at = %s WHERE order_id = %s", at, shop.unpaid.order_id)

    assert findings() == ({"I12-overdue-order": [str(shop.unpaid.order_id)]} if is_found else {})


@pytest.mark.parametrize(
    ("status", "order_status", "minutes", "is_found"),
    [
        ("begun", 300, None, True),
        ("begun", 200, None, True),
        ("begun", 100, None, False),  # its order's time-out asks
        ("begun", 300, 11, True),
        ("begun", 300, 9, False),
        ("begun", 300, -60, False),
        ("closed", 300, 11, True),
        ("closed", 300, None, False),  # the last question was answered
    ],
)
def test_payment_that_nobody_asks_about_is_found(
    shop: Shop, status: str, order_status: int, minutes: int | None, is_found: bool
) -> None:
    order = {100: shop.unpaid, 200: shop.paid, 300: shop.closed}[order_status]
    due = None if minutes is None else timezone.now() - timedelta(minutes=minutes)
    columns = {"payment_id": 811, "order_id": order.order_id, "status": status, "next_question_at": due}
    Payment.objects.create(channel="sandbox", amount=1, currency="CNY", **columns)

    assert findings() == ({"I12-payment-not-asked-about": ["811"]} if is_found else {})


def test_begun_payment_of_no_order_is_found(shop: Shop) -> None:
    Payment.objects.create(payment_id=812, order_id=4711, channel="sandbox", amount=1, currency="CNY")

    assert findings() == {"I12-payment-not-asked-about": ["812"]}


@pytest.mark.parametrize("column", ["next_try_at", "created_at"])
def test_refund_that_nobody_sends_is_found(shop: Shop, column: str) -> None:
    execute(f"UPDATE shopping_refund SET {column} = %s WHERE id = %s", naive(LONG_AGO), shop.refund.pk)

    assert findings() == {"I12-refund-not-tried": [str(shop.refund.payment_id)]}


@pytest.mark.parametrize("change", ["DELETE FROM messaging_message", "UPDATE messaging_message SET state = 'dead'"])
def test_refund_whose_message_is_gone_or_dead_is_found(shop: Shop, change: str) -> None:
    payment_id = str(shop.refund.payment_id)
    soon = naive(timezone.now() + timedelta(hours=1))
    execute("UPDATE shopping_refund SET created_at = %s, next_try_at = %s", naive(LONG_AGO), soon)
    assert findings() == {}
    message = Message.objects.get(topic="payment_refund", key=payment_id)

    execute(f"{change} WHERE id = %s", message.pk)

    assert findings().pop("I12-refund-without-message") == [payment_id]


# I10 and I11: keys and ids, should a constraint be missing


def test_key_of_two_orders_is_found(shop: Shop) -> None:
    with without_constraints("shopping_order"):
        execute("UPDATE shopping_order SET idempotency_key = 'mine' WHERE order_id = %s", shop.closed.order_id)

        assert findings() == {"I10-orders": [f"{shop.paid.user_id}/mine"]}


def test_key_of_two_adjustments_is_found(shop: Shop) -> None:
    with without_constraints("shopping_stock_adjustment"):
        copy_row("shopping_stock_adjustment", "idempotency_key = 'broken-mugs'", delta="0")

        assert findings() == {"I10-adjustments": ["broken-mugs"]}


@pytest.mark.parametrize(
    ("check", "table", "condition", "changes", "ids"),
    [
        ("I11-stock", "shopping_stock", "goods_id = 2", {}, "2"),
        ("I11-records", "shopping_stock_record", "order_id = {closed} AND goods_id = 2", {}, "{closed}/2"),
        ("I11-orders", "shopping_order", "order_id = {closed}", {}, "{closed}"),
        (
            "I11-lines",
            "shopping_order_detail",
            "order_id = {closed} AND goods_id = 2",
            {"price": "0", "pay_amount": "0"},
            "{closed}/2",
        ),
        (
            "I11-payments",
            "shopping_payment",
            "payment_id = {payment}",
            {"status": "'begun'", "trade_id": "NULL", "next_question_at": "'2999-01-01'"},
            "{payment}",
        ),
        ("I11-trades", "shopping_payment", "payment_id = {payment}", {"payment_id": "810"}, "sandbox/{trade}"),
    ],
)
def test_id_that_is_used_twice_is_found(
    shop: Shop, check: str, table: str, condition: str, changes: dict[str, str], ids: str
) -> None:
    known = {"closed": shop.closed.order_id, "payment": shop.payment.payment_id, "trade": shop.payment.trade_id}
    with without_constraints(table):
        copy_row(table, condition.format(**known), **changes)

        assert findings() == {check: [ids.format(**known)]}


# How it reads, and what it says


def test_audit_inside_a_transaction_is_refused(shop: Shop) -> None:
    with transaction.atomic(), pytest.raises(AuditInTransaction):
        run_audit(now=timezone.now())


def test_audit_reads_one_snapshot_while_the_shop_goes_on(
    shop: Shop, in_another_connection: Callable[..., None]
) -> None:
    def break_after_the_first_check(result: Any) -> None:
        if result.check.id == "I1-adjustments":
            in_another_connection("DELETE FROM shopping_stock_adjustment")

    assert findings(report=break_after_the_first_check) == {}
    assert findings() == {"I1-first-adjustment": ["1", "2", "3"]}


@pytest.fixture
def in_another_connection() -> Iterator[Callable[..., None]]:
    """Runs a statement as another process would: on a connection of its own, committed at once."""
    other = connection.copy()

    def execute_there(sql: str) -> None:
        with other.cursor() as cursor:
            cursor.execute(sql)

    yield execute_there
    other.close()


def test_audit_ends_its_transaction_when_a_check_fails(shop: Shop) -> None:
    def fail(result: Any) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run_audit(now=timezone.now(), report=fail)

    assert findings() == {}


def test_audit_names_a_hundred_ids_and_counts_the_rest(shop: Shop) -> None:
    Message.objects.bulk_create(
        Message(topic=TOPIC, key="1", payload={}, state=Message.State.DEAD, deliver_at=NOW) for _ in range(130)
    )

    found = {result.check.id: result for result in run_audit(now=timezone.now())}["I6-dead"]

    assert (found.total, len(found.ids)) == (130, 100)


def test_command_passes_for_a_healthy_shop(shop: Shop, tmp_path: Path) -> None:
    output = StringIO()

    call_command("audit", json=tmp_path / "audit.json", stdout=output)

    assert "checks passed" in output.getvalue()
    written = json.loads((tmp_path / "audit.json").read_text())
    assert written["ok"] is True
    assert {check["total"] for check in written["checks"]} == {0}


def test_command_fails_with_the_ids_of_a_broken_shop(shop: Shop, tmp_path: Path) -> None:
    execute("DELETE FROM shopping_stock_adjustment WHERE goods_id = 2")
    output = StringIO()

    with pytest.raises(CommandError) as failure:
        call_command("audit", json=tmp_path / "audit.json", stdout=output)

    assert failure.value.returncode == 1
    line = next(line for line in output.getvalue().splitlines() if "I1-first-adjustment" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")][2:] == ["1", "2"]
    written = json.loads((tmp_path / "audit.json").read_text())
    assert written["ok"] is False
    assert [check["ids"] for check in written["checks"] if check["total"]] == [["2"]]
