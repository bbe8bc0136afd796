"""The invariants, as SQL: what must be true of the stored rows at every consistent read.

Each check is one statement that selects the ids of the rows that break one rule; a healthy shop selects nothing. All
of them read in one snapshot that takes no lock, so an audit may run beside a busy shop. The checks are grouped by
whose tables they read: one app's, or those of orders and stock together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

MAX_IDS = 100  # named of each check; the rest is counted


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. `sql` selects the key of every row that breaks it; it may use %(settled)s, the time before which
    everything has had its time to settle, and %(currency)s."""

    id: str
    meaning: str
    sql: str


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found: how many rows, and the ids of the first of them (columns of a key joined by '/')."""

    check: Check
    total: int
    ids: list[str]


STOCK = (
    Check(
        "I1-adjustments",
        "the adjustments of a goods add up to available + reserved + sold",
        """
        SELECT stock.goods_id
        FROM shopping_stock stock
        JOIN (SELECT goods_id, SUM(delta) AS total FROM shopping_stock_adjustment GROUP BY goods_id) adjusted
            ON adjusted.goods_id = stock.goods_id
        WHERE adjusted.total <> CAST(stock.num AS DECIMAL(30)) + stock.lock + stock.sold
        """,
    ),
    Check(
        "I1-reserved",
        "reserved is the sum of the goods' records in that state",
        """
        SELECT stock.goods_id
        FROM shopping_stock stock
        LEFT JOIN (SELECT goods_id, SUM(num) AS total FROM shopping_stock_record WHERE status = 1 GROUP BY goods_id)
            records ON records.goods_id = stock.goods_id
        WHERE stock.lock <> COALESCE(records.total, 0)
        """,
    ),
    Check(
        "I1-sold",
        "sold is the sum of the goods' deducted records",
        """
        SELECT stock.goods_id
        FROM shopping_stock stock
        LEFT JOIN (SELECT goods_id, SUM(num) AS total FROM shopping_stock_record WHERE status = 3 GROUP BY goods_id)
            records ON records.goods_id = stock.goods_id
        WHERE stock.sold <> COALESCE(records.total, 0)
        """,
    ),
    Check(
        "I1-first-adjustment",
        "every stock row came into being by an adjustment",
        """
        SELECT stock.goods_id
        FROM shopping_stock stock
        WHERE NOT EXISTS (SELECT 1 FROM shopping_stock_adjustment a WHERE a.goods_id = stock.goods_id)
        """,
    ),
    Check(
        # A roll back may name a goods that never had stock; its tombstone holds nothing.
        "I1-unknown-goods",
        "records and adjustments belong to a goods with a stock row",
        """
        SELECT known.goods_id
        FROM (
            SELECT DISTINCT goods_id FROM shopping_stock_adjustment
            UNION
            SELECT DISTINCT goods_id FROM shopping_stock_record WHERE status <> 2
        ) known
        LEFT JOIN shopping_stock stock ON stock.goods_id = known.goods_id
        WHERE stock.goods_id IS NULL
        """,
    ),
    Check(
        "I2-stock",
        "available, reserved and sold are not negative",
        """
        SELECT stock.goods_id
        FROM shopping_stock stock
        WHERE stock.num < 0 OR stock.lock < 0 OR stock.sold < 0
        """,
    ),
    Check(
        "I2-records",
        "a stock record holds one piece or more, a tombstone none",
        """
        SELECT order_id, goods_id
        FROM shopping_stock_record
        WHERE num < 0 OR (num = 0 AND status <> 2)
        """,
    ),
    Check(
        "I10-adjustments",
        "an idempotency key stands for one adjustment",
        """
        SELECT idempotency_key
        FROM shopping_stock_adjustment
        WHERE idempotency_key IS NOT NULL
        GROUP BY idempotency_key HAVING COUNT(*) > 1
        """,
    ),
    Check(
        "I11-stock",
        "a goods has one stock row",
        "SELECT goods_id FROM shopping_stock GROUP BY goods_id HAVING COUNT(*) > 1",
    ),
    Check(
        "I11-records",
        "an order has one record a goods",
        "SELECT order_id, goods_id FROM shopping_stock_record GROUP BY order_id, goods_id HAVING COUNT(*) > 1",
    ),
)

ORDERS = (
    Check(
        "I2-lines",
        "a line holds one piece or more; its amount is price x quantity, not negative",
        """
        SELECT order_id, goods_id
        FROM shopping_order_detail
        WHERE num < 1 OR price < 0 OR pay_amount <> CAST(price AS DECIMAL(30)) * num
        """,
    ),
    Check(
        "I3-line-without-order",
        "every line has its order",
        """
        SELECT line.order_id, line.goods_id
        FROM shopping_order_detail line
        LEFT JOIN shopping_order orders ON orders.order_id = line.order_id
        WHERE orders.order_id IS NULL
        """,
    ),
    Check(
        "I3-order-amount",
        "an order has lines, and its amount is their sum, not negative",
        """
        SELECT orders.order_id
        FROM shopping_order orders
        WHERE orders.pay_amount < 0 OR orders.pay_amount <> COALESCE(
            (SELECT SUM(line.pay_amount) FROM shopping_order_detail line WHERE line.order_id = orders.order_id), -1
        )
        """,
    ),
    Check(
        "I9-capture-without-effect",
        "money that came in paid its order, or is sent back",
        """
        SELECT payment.payment_id
        FROM shopping_payment payment
        WHERE payment.status = 'captured'
            AND NOT EXISTS (SELECT 1 FROM shopping_refund refund WHERE refund.payment_id = payment.payment_id)
            AND NOT EXISTS (
                SELECT 1 FROM shopping_order orders
                WHERE orders.order_id = payment.order_id AND orders.status IN (200, 400)
                    AND orders.trade_id = payment.trade_id AND orders.pay_channel = payment.channel
                    AND orders.pay_amount = payment.amount AND payment.currency = %(currency)s
            )
        """,
    ),
    Check(
        "I9-refunded-once",
        "money is not sent back twice, nor when it paid its order",
        """
        SELECT refund.payment_id FROM shopping_refund refund GROUP BY refund.payment_id HAVING COUNT(*) > 1
        UNION
        SELECT refund.payment_id
        FROM shopping_refund refund
        JOIN shopping_payment payment ON payment.payment_id = refund.payment_id
        JOIN shopping_order orders ON orders.order_id = payment.order_id
        WHERE orders.trade_id = payment.trade_id AND orders.pay_channel = payment.channel
        """,
    ),
    Check(
        "I9-refund-amount",
        "a refund is of the amount and the order that came in",
        """
        SELECT refund.payment_id
        FROM shopping_refund refund
        JOIN shopping_payment payment ON payment.payment_id = refund.payment_id
        WHERE refund.amount <> payment.amount OR refund.currency <> payment.currency
            OR refund.order_id <> payment.order_id
        """,
    ),
    Check(
        "I9-refund-without-capture",
        "only money that came in is sent back",
        """
        SELECT refund.payment_id
        FROM shopping_refund refund
        WHERE NOT EXISTS (
            SELECT 1 FROM shopping_payment payment
            WHERE payment.payment_id = refund.payment_id AND payment.status = 'captured'
        )
        """,
    ),
    Check(
        "I9-paid-without-capture",
        "a paid order has the payment that paid it",
        """
        SELECT orders.order_id
        FROM shopping_order orders
        WHERE orders.status IN (200, 400)
            AND NOT EXISTS (
                SELECT 1 FROM shopping_payment payment
                WHERE payment.order_id = orders.order_id AND payment.status = 'captured'
                    AND payment.trade_id = orders.trade_id AND payment.channel = orders.pay_channel
            )
        """,
    ),
    Check(
        "I10-orders",
        "a user's idempotency key stands for one order",
        """
        SELECT user_id, idempotency_key
        FROM shopping_order
        WHERE idempotency_key IS NOT NULL
        GROUP BY user_id, idempotency_key HAVING COUNT(*) > 1
        """,
    ),
    Check(
        "I11-orders",
        "an order number is used once",
        "SELECT order_id FROM shopping_order GROUP BY order_id HAVING COUNT(*) > 1",
    ),
    Check(
        "I11-lines",
        "an order has one line a goods",
        "SELECT order_id, goods_id FROM shopping_order_detail GROUP BY order_id, goods_id HAVING COUNT(*) > 1",
    ),
    Check(
        "I11-payments",
        "a payment number is used once",
        "SELECT payment_id FROM shopping_payment GROUP BY payment_id HAVING COUNT(*) > 1",
    ),
    Check(
        "I11-trades",
        "a provider's trade is stored once",
        """
        SELECT channel, trade_id
        FROM shopping_payment
        WHERE trade_id IS NOT NULL
        GROUP BY channel, trade_id HAVING COUNT(*) > 1
        """,
    ),
)

ORDERS_AND_STOCK = (
    Check(
        "I3-line-without-record",
        "every order line has its stock record, of the same quantity",
        """
        SELECT line.order_id, line.goods_id
        FROM shopping_order_detail line
        LEFT JOIN shopping_stock_record record
            ON record.order_id = line.order_id AND record.goods_id = line.goods_id
        WHERE record.order_id IS NULL OR record.num <> line.num
        """,
    ),
    Check(
        "I3-record-without-line",
        "every stock record of an order has its line",
        """
        SELECT record.order_id, record.goods_id
        FROM shopping_stock_record record
        JOIN shopping_order orders ON orders.order_id = record.order_id
        LEFT JOIN shopping_order_detail line
            ON line.order_id = record.order_id AND line.goods_id = record.goods_id
        WHERE record.kind = 'order' AND line.order_id IS NULL
        """,
    ),
    Check(
        "I3-record-without-order",
        "a settled stock record without an order has been rolled back",
        """
        SELECT record.order_id, record.goods_id
        FROM shopping_stock_record record
        LEFT JOIN shopping_order orders ON orders.order_id = record.order_id
        WHERE orders.order_id IS NULL AND record.kind = 'order' AND record.status <> 2
            AND record.created_at < %(settled)s
        """,
    ),
    Check(
        "I3-receipt-with-order",
        "a receipt of a bare deduction has no order",
        """
        SELECT record.order_id, record.goods_id
        FROM shopping_stock_record record
        JOIN shopping_order orders ON orders.order_id = record.order_id
        WHERE record.kind = 'receipt'
        """,
    ),
    Check(
        "I4-status",
        "unpaid is reserved, closed is rolled back, paid and completed are deducted",
        """
        SELECT record.order_id, record.goods_id
        FROM shopping_stock_record record
        JOIN shopping_order orders ON orders.order_id = record.order_id
        WHERE record.kind = 'order'
            AND record.status <> CASE orders.status WHEN 100 THEN 1 WHEN 300 THEN 2 WHEN 200 THEN 3 WHEN 400 THEN 3
                ELSE 0 END
        """,
    ),
)

MESSAGING = (
    Check(
        "I6-overdue",
        "a message is delivered soon after it is due",
        "SELECT id FROM messaging_message WHERE state = 'ready' AND deliver_at < %(settled)s",
    ),
    Check(
        "I6-dead",
        "no message was given up",
        "SELECT id FROM messaging_message WHERE state = 'dead'",
    ),
    Check(
        "I7-half",
        "no half message waits for its answer longer than its checks take",
        "SELECT id FROM messaging_message WHERE state = 'half' AND created_at < %(settled)s",
    ),
)

CHECKS = (*STOCK, *ORDERS, *ORDERS_AND_STOCK, *MESSAGING)


class AuditInTransaction(RuntimeError):
    """An audit opens a snapshot of its own, so it must not run inside somebody's transaction."""


def run_audit(
    *, now: datetime, report: Callable[[Result], None] = lambda result: None, using: str = "default"
) -> list[Result]:
    """Runs every check in one snapshot and returns what each found, in order; calls `report` after each.

    What is younger than AUDIT_SETTLING_SECONDS at `now` may still be on its way. Takes no lock. Call it outside any
    transaction. Raises AuditInTransaction.
    """
    connection = connections[using]
    settled = now - timedelta(seconds=settings.AUDIT_SETTLING_SECONDS)
    parameters = {
        "settled": connection.ops.adapt_datetimefield_value(settled),
        "currency": settings.CURRENCY,
    }
    results = []
    with snapshot(connection) as cursor:
        for check in CHECKS:
            results.append(run_check(cursor, check, parameters))
            report(results[-1])
    return results


@contextmanager
def snapshot(connection: BaseDatabaseWrapper) -> Iterator[Any]:
    """A cursor whose reads all see the database as it was at one moment."""
    if connection.in_atomic_block:
        raise AuditInTransaction
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            # Under READ COMMITTED, which the sessions use, the words WITH CONSISTENT SNAPSHOT would do nothing.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        else:
            # Django's atomic() would say BEGIN IMMEDIATE here and keep every writer waiting.
            cursor.execute("BEGIN")
        try:
            yield cursor
        finally:
            cursor.execute("ROLLBACK")


def run_check(cursor: Any, check: Check, parameters: dict[str, Any]) -> Result:
    """Reads the first ids that break a rule; only when there are more of them, it counts them as well."""
    used = {name: value for name, value in parameters.items() if f"%({name})s" in check.sql}
    cursor.execute(f"{check.sql} LIMIT {MAX_IDS + 1}", used or None)
    rows = cursor.fetchall()
    total = len(rows)
    if total > MAX_IDS:
        cursor.execute(f"SELECT COUNT(*) FROM ({check.sql}) AS found", used or None)
        (total,) = cursor.fetchone()
    return Result(check, total, ["/".join(map(str, row)) for row in sorted(rows[:MAX_IDS])])
