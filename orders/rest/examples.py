"""What the API's documentation shows of orders. The demo's shop takes each of them as it stands."""

A_NEW_ORDER = {
    "items": [{"goods_id": "1", "quantity": 2}],
    "address": "1 Harbour Road",
    "name": "Li Lei",
    "phone": "+86 138-0000-0000",
    "room_id": "1",
}
AN_ORDER = {
    "order_id": "649238400000000001",
    "user_id": "1",
    "room_id": "1",
    "status": 100,
    "status_label": "unpaid",
    "closed_by": "",
    "pay_amount": 19900,
    "refunded": 0,
    "pay_time": None,
    "created_at": "2026-06-01T12:00:00.250000Z",
    "expires_at": "2026-06-01T12:15:00.250000Z",
    "address": "1 Harbour Road",
    "name": "Li Lei",
    "phone": "+86 138-0000-0000",
    "items": [
        {
            "goods_id": "1",
            "title": "Morning Mist Stoneware Mug",
            "quantity": 2,
            "price": 9950,
            "market_price": 12900,
            "pay_amount": 19900,
            "head_imgs": ["/static/catalogue/goods-1-1.svg"],
        }
    ],
}
A_CANCELLED_ORDER = {**AN_ORDER, "status": 300, "status_label": "closed", "closed_by": "user"}
A_COMPLETED_ORDER = {
    **AN_ORDER,
    "status": 400,
    "status_label": "completed",
    "pay_time": "2026-06-01T12:01:30.500000Z",
}
ORDERS = {"orders": [AN_ORDER], "next": "/api/orders?before=649238400000000001", "previous": None}

A_BEGUN_PAYMENT = {
    "payment_id": "649238400000000002",
    "pay_url": "http://127.0.0.1:8000/sandbox/pay/649238400000000002:1tQ...",
    "status": "begun",
}
A_PAYMENT = {
    "payment_id": "649238400000000002",
    "order_id": "649238400000000001",
    "channel": "sandbox",
    "amount": 19900,
    "currency": "CNY",
    "status": "captured",
    "trade_id": "T-1",
    "created_at": "2026-06-01T12:01:00.000000Z",
}
A_REFUND = {
    "refund_id": "649238400000000003",
    "payment_id": "649238400000000003",
    "order_id": "649238400000000001",
    "amount": 19900,
    "currency": "CNY",
    "reason": "double",
    "items": [],
    "status": "done",
    "attempts": 1,
    "created_at": "2026-06-01T12:02:00.000000Z",
    "done_at": "2026-06-01T12:02:01.000000Z",
}
A_STAFF_REFUND = {**A_REFUND, "actor": "", "note": "", "last_error": ""}
A_REFUND_REQUEST = {
    "amount": 9950,
    "reason": "one mug arrived broken",
    "items": [{"goods_id": "1", "quantity": 1}],
    "idempotency_key": "return-2026-06-01-0001",
}
A_REQUESTED_REFUND = {
    **A_REFUND,
    "refund_id": "649238400000000004",
    "payment_id": "649238400000000002",
    "amount": 9950,
    "reason": "staff",
    "items": [{"goods_id": "1", "quantity": 1}],
    "status": "requested",
    "attempts": 0,
    "done_at": None,
    "actor": "staff:3",
    "note": "one mug arrived broken",
    "last_error": "",
}
MONEY_OF_AN_ORDER = {"payments": [A_PAYMENT], "refunds": []}
PAYMENTS = {"payments": [A_PAYMENT], "next": None, "previous": None}
REFUNDS = {"refunds": [A_STAFF_REFUND], "next": None, "previous": None}
A_NOTICE = {
    "payment_id": "1",
    "trade_id": "T-1",
    "amount": 19900,
    "currency": "CNY",
    "captured_at": "2026-06-01T12:00:00Z",
}
