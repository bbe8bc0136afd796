"""What must be true of orders and stock together, where one database holds both.

What other services reserved is for orders that they have: docs/adr/0025-a-reservation-has-an-owner.md.
"""

from charites.audit.check import Check

OWN = "('service:orders', 'service:0')"  # the shop's own service; without a name where an earlier version signed for it

# Where one database holds both. Of what came back the other service knows by its keys alone, and of archived orders it
# keeps the records.
TOGETHER = (
    Check(
        "I3-carried-over",
        "the records of archived orders hold what these orders sold of each product",
        """
        SELECT goods_id
        FROM (
            SELECT goods_id, num AS pieces FROM shopping_stock_record WHERE order_id = 0
            UNION ALL
            SELECT goods_id, -pieces FROM shopping_order_archived_pieces
        ) pieces
        GROUP BY goods_id HAVING SUM(pieces) <> 0
        """,
    ),
    Check(
        "I3-returned-not-added",
        "past its grace period, what came back with a refund is added to its stock, once",
        """
        SELECT returned.refund_id, returned.goods_id
        FROM shopping_refund_line returned
        LEFT JOIN shopping_stock_adjustment adjustment
            ON adjustment.idempotency_key =
                REPLACE(REPLACE('refund:R:G', 'R', returned.refund_id), 'G', returned.goods_id)
        WHERE returned.created_at < %(grace_end)s
            AND (adjustment.goods_id IS NULL OR adjustment.goods_id <> returned.goods_id
                OR adjustment.delta <> returned.num)
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
        "past its grace period, a stock record of the shop's own without an order is rolled back",
        f"""
        SELECT record.order_id, record.goods_id
        FROM shopping_stock_record record
        LEFT JOIN shopping_order orders ON orders.order_id = record.order_id
        WHERE orders.order_id IS NULL AND record.kind = 'order' AND record.status <> 2
            AND record.owner IN {OWN} AND record.created_at < %(grace_end)s
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
