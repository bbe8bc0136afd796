"""The sandbox provider: its own ledger, a pay page, signed callbacks. For the demo and for tests.

`provider` is what the shop calls, `ledger` what is written down, `notices` the callbacks, `page` and `admin` what
people see. Another provider is a folder of the same shape: docs/payment-providers.md.

It stands for a company on the other side of the network, so it touches nothing of the shop but the message table,
which carries its callbacks, and the shop touches its ledger only through the provider port.
"""

from orders.payments.sandbox.ledger import act, capture_payment, take_payments
from orders.payments.sandbox.notices import CHANNEL, NOTIFY_TOPIC, announce_again, notify_ladder, send_notice
from orders.payments.sandbox.provider import Sandbox

__all__ = [
    "CHANNEL",
    "NOTIFY_TOPIC",
    "Sandbox",
    "act",
    "announce_again",
    "capture_payment",
    "notify_ladder",
    "send_notice",
    "take_payments",
]
