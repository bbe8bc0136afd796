"""What must be true of the rows of orders: lines, money, numbers."""

from charites.audit.check import Check

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
            AND NOT EXISTS (
                SELECT 1 FROM shopping_order_archived archived
                WHERE archived.order_id = payment.order_id AND archived.status IN (200, 400)
                    AND archived.payment_id = payment.payment_id
                    AND archived.pay_amount = payment.amount AND payment.currency = %(currency)s
            )
        """,
    ),
    Check(
        # Of the sandbox alone: another provider's ledger is elsewhere. A callback may be lost; at the end of its time
        # the provider is asked.
        "I9-money-not-recorded",
        "money that the sandbox took is recorded",
        """
        SELECT sandbox.payment_id
        FROM sandbox_payment sandbox
        LEFT JOIN shopping_payment payment ON payment.channel = 'sandbox' AND payment.trade_id = sandbox.trade_id
        WHERE sandbox.status = 'captured' AND payment.trade_id IS NULL
            AND sandbox.captured_at < %(patient)s AND sandbox.expires_at < %(patient)s
        """,
    ),
    Check(
        "I9-refunded-once",
        "money goes back by itself once, and not when it paid its order",
        """
        SELECT refund.payment_id
        FROM shopping_refund refund
        WHERE refund.reason <> 'staff'
        GROUP BY refund.payment_id HAVING COUNT(*) > 1
        UNION
        SELECT refund.payment_id
        FROM shopping_refund refund
        JOIN shopping_payment payment ON payment.payment_id = refund.payment_id
        JOIN shopping_order orders ON orders.order_id = payment.order_id
        WHERE refund.reason <> 'staff'
            AND orders.trade_id = payment.trade_id AND orders.pay_channel = payment.channel
        UNION
        SELECT refund.payment_id
        FROM shopping_refund refund
        JOIN shopping_order_archived archived
            ON archived.order_id = refund.order_id AND archived.payment_id = refund.payment_id
        WHERE refund.reason <> 'staff'
        """,
    ),
    Check(
        "I9-refund-amount",
        "a refund is of the currency and order that came in; by itself goes back all that is left",
        """
        SELECT refund.payment_id
        FROM shopping_refund refund
        JOIN shopping_payment payment ON payment.payment_id = refund.payment_id
        WHERE refund.currency <> payment.currency OR refund.order_id <> payment.order_id OR refund.amount < 1
            OR (refund.reason <> 'staff' AND refund.amount <> payment.amount - (
                SELECT COALESCE(SUM(asked.amount), 0) FROM shopping_refund asked
                WHERE asked.payment_id = payment.payment_id AND asked.reason = 'staff' AND asked.status <> 'refused'
            ))
        """,
    ),
    Check(
        # Captured = kept + sent back + on its way: what is kept is never below nothing.
        "I9-refunded-more",
        "of what came in no more is sent back, or on its way back, than came in",
        """
        SELECT payment.payment_id
        FROM shopping_payment payment
        JOIN (
            SELECT payment_id, SUM(amount) AS total FROM shopping_refund WHERE status <> 'refused' GROUP BY payment_id
        ) gone ON gone.payment_id = payment.payment_id
        WHERE payment.amount < gone.total
        """,
    ),
    Check(
        # Of the sandbox alone: another provider's ledger is elsewhere.
        "I9-refund-not-in-ledger",
        "the sandbox has sent back what is written down as sent, and perhaps what is on its way",
        """
        SELECT payment.payment_id
        FROM shopping_payment payment
        JOIN sandbox_payment sandbox ON sandbox.trade_id = payment.trade_id
        LEFT JOIN (
            SELECT payment_id,
                SUM(CASE WHEN status = 'done' THEN amount ELSE 0 END) AS done,
                SUM(CASE WHEN status = 'refused' THEN 0 ELSE amount END) AS gone
            FROM shopping_refund
            GROUP BY payment_id
        ) refunds ON refunds.payment_id = payment.payment_id
        WHERE payment.channel = 'sandbox' AND payment.status = 'captured'
            AND (sandbox.refunded < COALESCE(refunds.done, 0) OR sandbox.refunded > COALESCE(refunds.gone, 0))
        """,
    ),
    Check(
        "I9-returned-pieces",
        "with a refund come back no more pieces than the order has, and with one that there is",
        """
        SELECT returned.order_id, returned.goods_id
        FROM shopping_refund_line returned
        LEFT JOIN shopping_order_detail line
            ON line.order_id = returned.order_id AND line.goods_id = returned.goods_id
        WHERE NOT EXISTS (SELECT 1 FROM shopping_order_archived archived WHERE archived.order_id = returned.order_id)
        GROUP BY returned.order_id, returned.goods_id
        HAVING SUM(returned.num) > COALESCE(MAX(line.num), 0)
        UNION
        SELECT returned.order_id, returned.goods_id
        FROM shopping_refund_line returned
        LEFT JOIN shopping_refund refund
            ON refund.refund_id = returned.refund_id AND refund.order_id = returned.order_id
        WHERE refund.refund_id IS NULL
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
        "an order has one line per product",
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
    Check(
        # Its begun payment may keep it open for a while: that is what %(patient)s allows for.
        "I12-overdue-order",
        "an unpaid order is closed soon after its time",
        "SELECT order_id FROM shopping_order WHERE status = 100 AND expires_at < %(patient)s",
    ),
    Check(
        "I12-payment-not-asked-about",
        "somebody asks about every payment that may still bring money",
        """
        SELECT payment.payment_id
        FROM shopping_payment payment
        WHERE payment.status IN ('begun', 'closed') AND payment.next_question_at < %(grace_end)s
        UNION
        SELECT payment.payment_id
        FROM shopping_payment payment
        LEFT JOIN shopping_order orders ON orders.order_id = payment.order_id
        WHERE payment.status = 'begun' AND payment.next_question_at IS NULL AND COALESCE(orders.status, 0) <> 100
        """,
    ),
    Check(
        "I12-refund-not-tried",
        "money on its way back is sent soon after its try is due",
        """
        SELECT refund.payment_id
        FROM shopping_refund refund
        WHERE refund.status IN ('pending', 'requested')
            AND COALESCE(refund.next_try_at, refund.created_at) < %(grace_end)s
        """,
    ),
    Check(
        "I12-refund-without-message",
        "money on its way back has a message that sends it",
        """
        SELECT refund.payment_id
        FROM shopping_refund refund
        WHERE refund.status IN ('pending', 'requested') AND refund.created_at < %(grace_end)s
            AND NOT EXISTS (
                SELECT 1 FROM messaging_message message
                WHERE message.key = CAST(refund.refund_id AS CHAR) AND message.state = 'ready'
                    AND message.topic = CASE refund.status WHEN 'pending' THEN 'payment_refund' ELSE 'order_refund' END
            )
        """,
    ),
    Check(
        "I18-pieces-of-a-buyer",
        "what is counted against a buyer's limit is what the buyer has in orders that are not closed",
        """
        SELECT goods_id, user_id
        FROM (
            SELECT goods_id, user_id, pieces FROM shopping_order_allowance
            UNION ALL
            SELECT line.goods_id, line.user_id, -line.num
            FROM shopping_order_limited_goods limited
            JOIN shopping_order_detail line ON line.goods_id = limited.goods_id
            JOIN shopping_order orders ON orders.order_id = line.order_id
            WHERE orders.status <> 300
            UNION ALL
            SELECT archived.goods_id, archived.user_id, -archived.pieces
            FROM shopping_order_limited_goods limited
            JOIN shopping_order_archived_pieces archived ON archived.goods_id = limited.goods_id
        ) pieces
        GROUP BY goods_id, user_id
        HAVING SUM(pieces) <> 0
        """,
    ),
    # What stays of archived orders: docs/adr/0042-old-orders.md.
    Check(
        "I3-archived-orders",
        "the archived orders of a file come to what was written down when they left",
        """
        SELECT archive.id
        FROM shopping_order_archive archive
        LEFT JOIN (
            SELECT archive_id, COUNT(*) AS orders, SUM(pay_amount) AS amount, SUM(pieces) AS pieces
            FROM shopping_order_archived
            GROUP BY archive_id
        ) archived ON archived.archive_id = archive.id
        WHERE archived.archive_id IS NULL OR archived.orders <> archive.orders
            OR archived.amount <> archive.amount OR archived.pieces <> archive.pieces
        UNION
        SELECT archived.archive_id
        FROM shopping_order_archived archived
        LEFT JOIN shopping_order_archive archive ON archive.id = archived.archive_id
        WHERE archive.id IS NULL
        """,
    ),
    Check(
        "I3-archived-pieces",
        "what a buyer has in archived orders, by product, is what these orders sold",
        """
        SELECT user_id
        FROM (
            SELECT user_id, pieces FROM shopping_order_archived_pieces
            UNION ALL
            SELECT user_id, -pieces FROM shopping_order_archived
        ) pieces
        GROUP BY user_id HAVING SUM(pieces) <> 0
        """,
    ),
    Check(
        "I9-archived-paid",
        "an archived order that was paid has the payment that paid it, of its amount",
        """
        SELECT archived.order_id
        FROM shopping_order_archived archived
        LEFT JOIN shopping_payment payment ON payment.payment_id = archived.payment_id
        WHERE archived.status IN (200, 400) AND (
            payment.payment_id IS NULL OR payment.status <> 'captured'
            OR payment.order_id <> archived.order_id OR payment.amount <> archived.pay_amount
        )
        """,
    ),
    Check(
        "I11-archived",
        "no order has the number, or its buyer's idempotency key, of an archived one",
        """
        SELECT archived.order_id
        FROM shopping_order_archived archived
        JOIN shopping_order orders ON orders.order_id = archived.order_id
        UNION
        SELECT archived.order_id
        FROM shopping_order_archived archived
        JOIN shopping_order orders
            ON orders.user_id = archived.user_id AND orders.idempotency_key = archived.idempotency_key
        """,
    ),
)
