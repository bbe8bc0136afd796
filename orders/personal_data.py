"""What identifies a buyer: the name, phone and address of an order. Who need not see it sees masks."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from charites.common.auth import Identity
from orders.models import Order
from orders.selectors import OrderWithLines

MASK = "**"
SHOWN_DIGITS = 4  # of a phone, to tell two callers apart
LONG_PHONE = 8


def as_seen_by(identity: Identity, found: Sequence[OrderWithLines]) -> list[OrderWithLines]:
    """The orders as the caller may see them: those of others with masks, unless the caller sees personal data."""
    is_others = any(order.order.user_id != identity.user_id for order in found)
    if not is_others or identity.sees_personal_data:
        return list(found)
    return [
        order if order.order.user_id == identity.user_id else replace(order, order=masked(order.order))
        for order in found
    ]


def masked(order: Order) -> Order:
    """A copy of an order, not to be saved, that does not say who the buyer is. What was forgotten stays empty."""
    shown = copy(order)
    shown.receive_name = order.receive_name and order.receive_name[0] + MASK
    shown.receive_address = order.receive_address and MASK
    is_long = len(order.receive_phone) >= LONG_PHONE
    shown.receive_phone = order.receive_phone and MASK + (order.receive_phone[-SHOWN_DIGITS:] if is_long else "")
    return shown
