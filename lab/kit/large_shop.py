"""A large shop on MariaDB, made by a few statements: any number of stock records with all that belongs to them."""

from collections.abc import Sequence
from typing import Any

TIMES = "created_at, updated_at"
NOW = "NOW(6) - INTERVAL 1 DAY, NOW(6)"
COMMON = f"{TIMES}, created_by, updated_by, version, is_deleted"
DEFAULTS = f"{NOW}, '', '', 0, 0"

TABLES = (
    "shopping_stock",
    "shopping_stock_adjustment",
    "shopping_stock_record",
    "shopping_order",
    "shopping_order_detail",
    "shopping_payment",
    "messaging_message",
)


def fill(cursor: Any, *, records: int, goods: int) -> None:
    """Makes `records` stock records of `goods` goods in empty tables, two per order. The orders are unpaid, closed and
    paid in turn. The audit finds nothing, and the planner knows how many rows there are."""
    for statement in fillings(records, goods):
        cursor.execute(statement)
    cursor.execute(f"ANALYZE TABLE {', '.join(TABLES)}")
    cursor.fetchall()


def break_fifty(cursor: Any, *, records: int, goods: int) -> dict[str, list[str]]:
    """Breaks fifty records of closed orders, which are in no sum; returns what the audit has to find: rule -> ids."""
    step = (records // 2 - 1) // 50 // 3 * 3  # every third order is closed
    closed = [1 + step * number for number in range(1, 51)]
    first_lines = [(order_id, 1 + 2 * order_id % goods) for order_id in closed]  # as filled
    wrong_quantity, wrong_status = first_lines[:25], first_lines[25:]
    cursor.execute(f"UPDATE shopping_stock_record SET num = num + 1 WHERE {are(wrong_quantity)}")
    cursor.execute(f"UPDATE shopping_stock_record SET status = 1 WHERE {are(wrong_status)}")
    return {
        "I1-reserved": [str(goods_id) for goods_id in sorted({goods_id for _, goods_id in wrong_status})],
        "I3-line-without-record": [f"{order_id}/{goods_id}" for order_id, goods_id in wrong_quantity],
        "I4-status": [f"{order_id}/{goods_id}" for order_id, goods_id in wrong_status],
    }


def are(lines: Sequence[tuple[int, int]]) -> str:
    """The condition that selects the records of these lines (order, goods)."""
    return f"(order_id, goods_id) IN ({', '.join(map(str, lines))})"


def fillings(records: int, goods: int) -> list[str]:
    return [
        f"""
        INSERT INTO shopping_stock_record ({COMMON}, order_id, goods_id, num, status, kind)
        SELECT {DEFAULTS}, seq DIV 2, 1 + seq % {goods}, 2, 1 + seq DIV 2 % 3, 'order' FROM seq_2_to_{records + 1}
        """,
        f"""
        INSERT INTO shopping_order ({COMMON}, order_id, user_id, status, closed_by, expires_at, pay_amount, pay_channel,
            trade_id, receive_address, receive_name, receive_phone, idempotency_key, request_digest)
        SELECT {DEFAULTS}, seq, 1 + seq % 5000, ELT(1 + seq % 3, 100, 300, 200), ELT(1 + seq % 3, '', 'timeout', ''),
            NOW(6) + INTERVAL 1 DAY, 3960, ELT(1 + seq % 3, '', '', 'sandbox'), IF(seq % 3 = 2, CONCAT('SB', seq), ''),
            '1 Harbour Road', 'Li Lei', '13800000000', CONCAT('key-', seq), '' FROM seq_1_to_{records // 2}
        """,
        f"""
        INSERT INTO shopping_order_detail ({COMMON}, order_id, user_id, goods_id, title, market_price, price, brief,
            head_imgs, videos, detail, num, pay_amount)
        SELECT {DEFAULTS}, seq DIV 2, 1 + seq DIV 2 % 5000, 1 + seq % {goods}, 'A mug', 1290, 990, 'A mug of stoneware',
            '["mug-1.svg", "mug-2.svg"]', '[]', '[]', 2, 1980 FROM seq_2_to_{records + 1}
        """,
        f"""
        INSERT INTO shopping_payment ({TIMES}, payment_id, order_id, channel, amount, currency, status, trade_id)
        SELECT {NOW}, seq, seq, 'sandbox', 3960, 'CNY', 'captured', CONCAT('SB', seq) FROM seq_1_to_{records // 2}
        WHERE seq % 3 = 2
        """,
        f"""
        INSERT INTO shopping_stock ({COMMON}, goods_id, num, `lock`, sold)
        SELECT {DEFAULTS}, goods_id, 100, SUM(IF(status = 1, num, 0)), SUM(IF(status = 3, num, 0))
        FROM shopping_stock_record GROUP BY goods_id
        """,
        f"""
        INSERT INTO shopping_stock_adjustment ({TIMES}, goods_id, delta, reason, actor)
        SELECT {NOW}, goods_id, num + `lock` + sold, 'delivery', 'staff' FROM shopping_stock
        """,
        f"""
        INSERT INTO messaging_message ({TIMES}, topic, `key`, payload, headers, state, deliver_at, attempts, checks,
            lease, last_error)
        SELECT {NOW}, 'payment_notify', seq, '{{"v": 1}}', '{{}}', 'done', NOW(6), 1, 0, '', ''
        FROM seq_1_to_{records // 6}
        """,
    ]
