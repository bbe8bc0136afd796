"""The large shop of these tests, in which much of everything waits, and what may be read there."""

from collections.abc import Sequence

import pytest

from lab.kit.large_shop import TABLES, LargeShop
from lab.kit.plans import WHOLE, Sent

PLANS = [pytest.mark.django_db(transaction=True), pytest.mark.servers, pytest.mark.unguarded_stock_sql]

SHOP = LargeShop(orders=6_000, goods=1_000, rooms=5_000, available=10_000)
# Enough for the planner to want an index wherever one helps: what is asked for is found among two thousand rows.
WAITING = (
    """
    UPDATE messaging_message SET deliver_at = NOW(6) - INTERVAL 1 HOUR, state = ELT(1 + id % 3, 'ready', 'half', 'done')
    """,
    """
    INSERT INTO shopping_refund (created_at, updated_at, payment_id, order_id, amount, currency, reason, status,
        attempts)
    SELECT created_at, updated_at, payment_id, order_id, amount, currency, 'late', IF(id % 2, 'pending', 'done'), 0
    FROM shopping_payment
    """,
    """
    INSERT INTO shopping_refund_line (created_at, updated_at, refund_id, order_id, goods_id, num)
    SELECT created_at, updated_at, refund_id, order_id, 1, 1 FROM shopping_refund
    """,
    """
    INSERT INTO sandbox_payment (created_at, updated_at, payment_id, amount, currency, status, trade_id, refunded,
        expires_at)
    SELECT created_at, updated_at, payment_id, amount, currency, 'open', trade_id, 0, NOW(6) FROM shopping_payment
    """,
    """
    UPDATE shopping_payment SET status = ELT(1 + id % 3, 'begun', 'closed', 'captured'),
        next_question_at = IF(id % 3 < 2, NOW(6) - INTERVAL 1 HOUR, NULL)
    """,
)
FILLED = (*TABLES, "shopping_refund", "shopping_refund_line", "sandbox_payment")

LINES = dict.fromkeys((1, 2, 3), 1)
BATCH = 20  # orders in one call
FEW = 200  # rows that a statement about such a batch, or about a page, may read
# Who changes the status of an order needs their entries; see `orders.selectors.in_status`.
OF_STATUS = {
    "shopping_order_due",
    "shopping_order_of_status",
    "shopping_payment_begun",
    "shopping_payment_to_ask",
    "shopping_payment_of_status",
}
# Gauges count all that waits, up to a bound of thousands: they may read as many entries of an index, and no table.
GAUGES = (
    "FROM (SELECT 1 FROM `messaging_message` WHERE state = %s LIMIT",
    "FROM (SELECT 1 FROM `shopping_payment` WHERE status = %s LIMIT",
    "FROM (SELECT 1 FROM `shopping_refund` WHERE status = %s LIMIT",
    "COUNT(*) FROM (SELECT `shopping_order`.`id` AS `col1` FROM `shopping_order` WHERE (`shopping_order`.`expires_at`",
)
# What is read whole on purpose, by what it contains -> why.
ON_PURPOSE = {
    "NOT (`messaging_message`.`topic` IN": "looks for topics that nobody here knows, among all that is due",
}


def faults_of(sent: Sequence[Sent]) -> list[str]:
    ours = [one for one in sent if any(table in one.sql for table in FILLED)]
    assert ours
    looked_at = [one for one in ours if not any(words in one.sql for words in ON_PURPOSE)]
    locked = [one for one in ours if one.locks and any(step.key in OF_STATUS for step in one.steps)]
    return [
        *(f"{faults} of {one.sql}" for one in looked_at if (faults := faults_in(one))),
        *(f"locks by an index of statuses: {one.sql}" for one in locked),
    ]


def faults_in(one: Sent) -> list[str]:
    if any(words in one.sql for words in GAUGES):
        return [str(step) for step in one.steps if step.reads_a_table and step.access in WHOLE]
    return one.faults(FEW)
