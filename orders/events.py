"""What happens to orders, payments and refunds, as lines of the log."""

from charites.common.events import Event

ORDER_PLACED = Event(
    "order_placed",
    "A buyer has an order, and its stock is reserved.",
    ("order_id", "user_id", "room_id", "pieces", "amount", "currency"),
)
PAYMENT_BEGUN = Event(
    "payment_begun",
    "A payment was stored, to be opened at the provider.",
    ("payment_id", "order_id", "channel", "amount", "currency"),
)
ORDER_PAID = Event(
    "order_paid",
    "Money came in and paid its order; the stock is sold.",
    ("order_id", "payment_id", "channel", "amount", "currency"),
)
ORDER_CLOSED = Event(
    "order_closed",
    "An order was closed (`closed_by`): unpaid, by its time-out, its buyer or staff, and its stock goes back; or by "
    "`stock`, which refuses to sell it.",
    ("order_id", "closed_by", "amount", "currency"),
)
ORDER_COMPLETED = Event("order_completed", "A paid order was completed.", ("order_id",))
REFUND_MADE = Event(
    "refund_made",
    "Money came in that pays no order: it is to be sent back, for this `reason`.",
    ("payment_id", "order_id", "reason", "amount", "currency"),
)
REFUND_REQUESTED = Event(
    "refund_requested",
    "A person (`actor`) asked for money of a paid order to be sent back.",
    ("refund_id", "payment_id", "order_id", "actor", "amount", "currency"),
)
REFUND_DONE = Event(
    "refund_done",
    "The provider sent the money back.",
    ("refund_id", "payment_id", "order_id", "amount", "currency"),
)
REFUND_FAILED = Event(
    "refund_failed",
    "A try to send money back failed; it is tried again. `attempts`: tries so far.",
    ("refund_id", "payment_id", "order_id", "attempts", "amount", "currency"),
)
REFUND_REFUSED = Event(
    "refund_refused",
    "The provider refused for good to send back what a person asked for; nothing was sent.",
    ("refund_id", "payment_id", "order_id", "amount", "currency"),
)
REFUND_CONTRADICTED = Event(
    "refund_contradicted",
    "The provider has sent money that it had refused to send before: it may be sent twice. Ask the provider.",
    ("refund_id", "payment_id", "order_id", "amount", "currency"),
    is_failure=True,
)
