"""What must be true of the rows of stock."""

from charites.audit.check import Check

STOCK = (
    Check(
        "I1-adjustments",
        "the adjustments of a product add up to available + reserved + sold",
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
        "reserved is the sum of the product's records in that state",
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
        "sold is the sum of the product's deducted records",
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
        # A roll back may name a product that never had stock; its tombstone holds nothing.
        "I1-unknown-goods",
        "records and adjustments belong to a product with a stock row",
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
        "a product has one stock row",
        "SELECT goods_id FROM shopping_stock GROUP BY goods_id HAVING COUNT(*) > 1",
    ),
    Check(
        "I11-records",
        "an order has one record per product",
        "SELECT order_id, goods_id FROM shopping_stock_record GROUP BY order_id, goods_id HAVING COUNT(*) > 1",
    ),
)
