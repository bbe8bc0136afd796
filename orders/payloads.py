"""What is asked of orders, and the payloads that travel with a move of stock: plain data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from goods.models import Goods
from orders.models import Order, Refund


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """A buyer's command. `quantities`: goods_id -> pieces, merged; prices are never the client's. `expected_amount`:
    what the buyer saw, in cents; another amount is refused."""

    user_id: int
    quantities: dict[int, int]
    address: str
    name: str
    phone: str
    room_id: int | None = None
    idempotency_key: str | None = None
    expected_amount: int | None = None

    def digest(self) -> str:
        """SHA-256 of the canonical command: two requests with one key must agree in it."""
        values = {**asdict(self), "quantities": sorted(self.quantities.items())}
        if self.expected_amount is None:  # as versions that did not know of it made the digest
            del values["expected_amount"]
        return digest_of(values)


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """What an operator asks to be sent back of a paid order: `amount` cents, or None for all that is left by then, for
    this `reason`. `currency`: another one than the payment's is refused. Pieces that came back become available: those
    of `returned` (goods_id -> pieces), or with `returns_all` whatever has not come back yet. The money does not depend
    on them."""

    order_id: int
    amount: int | None
    reason: str
    actor: str
    idempotency_key: str
    currency: str | None = None
    returned: Mapping[int, int] = field(default_factory=dict)
    returns_all: bool = False

    def digest(self) -> str:
        """SHA-256 of the canonical command: two requests with one key must agree in it."""
        return digest_of({**asdict(self), "returned": sorted(self.returned.items())})


def digest_of(values: Mapping[str, Any]) -> str:
    """Of all that a command says but its key."""
    canonical = {name: value for name, value in values.items() if name != "idempotency_key"}
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Capture:
    """News of money: the provider took `amount` cents for one of our payments. `trade_id` is the provider's."""

    payment_id: int
    channel: str
    trade_id: str
    amount: int
    currency: str
    captured_at: datetime


class NewOrder(NamedTuple):
    """The columns in which new orders differ, by their names."""

    order_id: int
    user_id: int
    room_id: int | None
    pay_amount: int
    created_at: datetime
    expires_at: datetime
    receive_address: str
    receive_name: str
    receive_phone: str
    idempotency_key: str | None
    request_digest: str


class NewLine(NamedTuple):
    """Pieces of a product, as the catalogue had it when the order was placed."""

    goods: Goods
    num: int

    @property
    def pay_amount(self) -> int:
        return self.goods.price * self.num


@dataclass(frozen=True, slots=True)
class Placing:
    """Payload of a reservation: the order and its lines."""

    order: NewOrder
    lines: tuple[NewLine, ...]


@dataclass(slots=True)
class Paying:
    """Payload of a confirmation. `spare_payment_id` is for a second capture of a payment that has one; `is_refused`:
    stock has refused to sell what the order reserved, so the money goes back.

    Whoever writes it notes, with every try, what the capture becomes: `stored_as`, the payment that holds it (0: it was
    stored before), and why it is to be sent back, if so. It counts once the move is done.
    """

    capture: Capture
    spare_payment_id: int
    is_refused: bool = False
    stored_as: int = 0
    refund_reason: Refund.Reason | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """Payload of a roll back. A time-out closes only what is overdue at `now`, and leaves orders with a begun payment
    alone unless `despite_payment`."""

    closed_by: Order.ClosedBy
    now: datetime
    despite_payment: bool = False
