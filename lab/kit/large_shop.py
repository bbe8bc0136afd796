"""A large shop on MariaDB, made by a few statements: goods, rooms, and any number of orders with all that belongs to
them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TIMES = "created_at, updated_at"
NOW = "NOW(6) - INTERVAL 1 DAY, NOW(6)"
COMMON = f"{TIMES}, created_by, updated_by, version, is_deleted"
DEFAULTS = f"{NOW}, '', '', 0, 0"
IN_A_ROOM = 10  # goods of each list
PIECES, PRICE = 2, 990  # of each line
LATER = "NOW(6) + INTERVAL 1 DAY"

TABLES = (
    "shopping_goods",
    "shopping_room",
    "shopping_room_goods",
    "shopping_stock",
    "shopping_stock_adjustment",
    "shopping_stock_record",
    "shopping_order",
    "shopping_order_detail",
    "shopping_payment",
    "shopping_order_archive",
    "shopping_order_archived",
    "shopping_order_archived_pieces",
    "messaging_message",
)


@dataclass(frozen=True, slots=True)
class LargeShop:
    """How large. The orders, from number 1 on, are unpaid, closed and paid in turn, five of each buyer."""

    orders: int
    goods: int
    rooms: int = 1
    lines: int = 2  # of each order
    available: int = 100  # pieces of each product
    first_buyer: int = 1
    buyer_step: int = 1

    @property
    def buyers(self) -> int:
        count = max(1, self.orders // 5)
        return count - (count % 3 == 0)  # or all orders of a buyer would be in one state


def fill(cursor: Any, shop: LargeShop) -> None:
    """Makes a shop in empty tables. The audit finds nothing, and the planner knows how many rows there are."""
    for statement in [*catalogue(shop), *orders(shop, first=1, count=shop.orders), *what_follows(shop)]:
        cursor.execute(statement)
    cursor.execute(f"ANALYZE TABLE {', '.join(TABLES)}")
    cursor.fetchall()


def empty(cursor: Any) -> None:
    for table in TABLES:
        cursor.execute(f"TRUNCATE {table}")


def break_fifty(cursor: Any, shop: LargeShop) -> dict[str, list[str]]:
    """Breaks fifty records of closed orders, which are in no sum; returns what the audit has to find: rule -> ids."""
    step = (shop.orders - 1) // 50 // 3 * 3  # every third order is closed
    closed = [1 + step * number for number in range(1, 51)]
    first_lines = [(order_id, 1 + shop.lines * order_id % shop.goods) for order_id in closed]  # as filled
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


def catalogue(shop: LargeShop) -> list[str]:
    """Goods with what goods have, about 1 KB that each line keeps, and rooms that present ten of them each."""
    pictures = ", ".join(f"CONCAT('/static/catalogue/goods-', seq, '-{n}.svg')" for n in range(4))
    details = ", ".join(f"CONCAT('/static/catalogue/goods-', seq, '-detail-{n}.svg?{'x' * 60}')" for n in range(6))
    brief = "Hand-picked before the rains, roasted in an iron pan, packed on the day of the order."
    entries = min(IN_A_ROOM, shop.goods)
    return [
        f"""
        INSERT INTO shopping_goods ({COMMON}, goods_id, category_id, brand_name, code, status, title, market_price,
            price, brief, head_imgs, videos, detail, ext_json)
        SELECT {DEFAULTS}, seq, seq % 20, 'Longjing', seq, 0, CONCAT('Tea, spring harvest, ', seq), 1290,
            {PRICE}, '{brief}', JSON_ARRAY({pictures}), JSON_ARRAY(), JSON_ARRAY({details}), '{{}}'
        FROM seq_1_to_{shop.goods}
        """,
        f"""
        INSERT INTO shopping_room ({TIMES}, room_id, title, host_name, cover, status, is_deleted, current_goods_id)
        SELECT {NOW}, seq, CONCAT('Room ', seq), 'Mei', '', IF(seq % 5 = 1, 'live', 'off'), 0,
            1 + seq * {entries} % {shop.goods}
        FROM seq_1_to_{shop.rooms}
        """,
        f"""
        INSERT INTO shopping_room_goods ({COMMON}, room_id, goods_id, weight)
        SELECT {DEFAULTS}, seq DIV {entries}, 1 + seq % {shop.goods}, seq % {entries}
        FROM seq_{entries}_to_{entries * shop.rooms + entries - 1}
        """,
    ]


def orders(shop: LargeShop, *, first: int, count: int, state: str = "{} % 3", expires: str = LATER) -> list[str]:
    """Orders with their lines and records, a second apart. `state`: 0 unpaid, 1 closed, 2 paid, by the number;
    `expires`: when they do."""
    last = first + count - 1
    line = f"seq DIV {shop.lines}"
    lines = f"seq_{first * shop.lines}_to_{last * shop.lines + shop.lines - 1}"
    buyer = f"{shop.first_buyer} + ({{}}) % {shop.buyers} * {shop.buyer_step}"
    choice = f"1 + {state.format('seq')}"
    return [
        f"""
        INSERT INTO shopping_order ({COMMON}, order_id, user_id, room_id, status, closed_by, expires_at, pay_amount,
            pay_channel, trade_id, receive_address, receive_name, receive_phone, idempotency_key, request_digest)
        SELECT NOW(6) - INTERVAL 1 DAY - INTERVAL {last} - seq SECOND, NOW(6), '', '', 0, 0, seq, {buyer.format("seq")},
            1 + seq % {shop.rooms}, ELT({choice}, 100, 300, 200), ELT({choice}, '', 'timeout', ''), {expires},
            {shop.lines * PIECES * PRICE},
            ELT({choice}, '', '', 'sandbox'), ELT({choice}, '', '', CONCAT('SB', seq)),
            '1 Harbour Road', 'Li Lei', '13800000000', CONCAT('key-', seq), ''
        FROM seq_{first}_to_{last}
        """,
        f"""
        INSERT INTO shopping_order_detail ({COMMON}, order_id, user_id, goods_id, title, market_price, price, brief,
            head_imgs, videos, detail, num, pay_amount)
        SELECT {DEFAULTS}, {line}, {buyer.format(line)}, goods_id, title, market_price, price, brief,
            head_imgs, videos, detail, {PIECES}, {PIECES} * price
        FROM {lines} JOIN shopping_goods ON goods_id = 1 + seq % {shop.goods}
        """,
        f"""
        INSERT INTO shopping_stock_record ({COMMON}, order_id, goods_id, num, status, kind)
        SELECT {DEFAULTS}, {line}, 1 + seq % {shop.goods}, {PIECES}, 1 + {state.format(f"({line})")}, 'order'
        FROM {lines}
        """,
    ]


def fill_archives(cursor: Any) -> None:
    """As many archived orders as there are others, all of them closed, in ten files."""
    statements = [
        """
        INSERT INTO shopping_order_archived (order_id, user_id, status, pay_amount, pieces, idempotency_key, archive_id)
        SELECT -order_id, user_id, 300, pay_amount, 0, CONCAT('old-', order_id), 1 + order_id % 10 FROM shopping_order
        """,
        f"""
        INSERT INTO shopping_order_archive ({TIMES}, id, name, digest, orders, amount, pieces)
        SELECT {NOW}, archive_id, CONCAT('orders-', archive_id), '', COUNT(*), SUM(pay_amount), 0
        FROM shopping_order_archived GROUP BY archive_id
        """,
        f"""
        INSERT INTO shopping_order_archived_pieces ({TIMES}, goods_id, user_id, pieces)
        SELECT {NOW}, goods_id, user_id, 0 FROM shopping_order_detail GROUP BY goods_id, user_id
        """,
    ]
    for statement in statements:
        cursor.execute(statement)
    cursor.execute(f"ANALYZE TABLE {', '.join(TABLES)}")
    cursor.fetchall()


def due(shop: LargeShop, *, first: int, count: int) -> list[str]:
    """More unpaid orders, whose time is up."""
    last = first + count - 1
    return [
        *orders(shop, first=first, count=count, state="0", expires="NOW(6) - INTERVAL 1 SECOND"),
        f"""
        UPDATE shopping_stock JOIN (
            SELECT goods_id, SUM(num) AS pieces FROM shopping_stock_record
            WHERE order_id BETWEEN {first} AND {last} GROUP BY goods_id
        ) AS taken USING (goods_id)
        SET num = num - pieces, `lock` = `lock` + pieces, version = version + 1
        """,
    ]


def what_follows(shop: LargeShop) -> list[str]:
    """The payments of the paid orders, the stock that the records leave, and messages, all delivered."""
    return [
        f"""
        INSERT INTO shopping_payment ({TIMES}, payment_id, order_id, channel, amount, currency, status, trade_id)
        SELECT {NOW}, order_id, order_id, 'sandbox', pay_amount, 'CNY', 'captured', trade_id
        FROM shopping_order WHERE status = 200
        """,
        f"""
        INSERT INTO shopping_stock ({COMMON}, goods_id, num, `lock`, sold)
        SELECT {DEFAULTS}, goods_id, {shop.available}, SUM(IF(status = 1, num, 0)), SUM(IF(status = 3, num, 0))
        FROM shopping_stock_record GROUP BY goods_id
        """,
        f"""
        INSERT INTO shopping_stock_adjustment ({TIMES}, goods_id, delta, reason, actor)
        SELECT {NOW}, goods_id, num + `lock` + sold, 'delivery', 'staff' FROM shopping_stock
        """,
        f"""
        INSERT INTO messaging_message ({TIMES}, topic, `key`, payload, headers, state, deliver_at, attempts, checks,
            lease, last_error)
        SELECT {NOW}, 'payment_notify', order_id, '{{"v": 1}}', '{{}}', 'done', NOW(6), 1, 0, '', ''
        FROM shopping_order WHERE status = 200
        """,
    ]
