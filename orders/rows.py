"""The rows of new orders and of their lines, old ones by their keys, and payments, as sets: `charites/common/rows`."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from charites.common.errors import KeyReused, ServiceError
from charites.common.rows import Columns, SetStatement, SetUpdate
from goods.models import Goods
from orders.errors import OrderArchived
from orders.models import Order, Payment
from orders.payloads import NewLine, NewOrder, PlaceOrder, Placing

INSERT_ORDERS = SetStatement(
    f"""
    INSERT INTO shopping_order (
        order_id, user_id, room_id, pay_amount, created_at, updated_at, expires_at,
        receive_address, receive_name, receive_phone, idempotency_key, request_digest,
        status, closed_by, pay_channel, trade_id, created_by, updated_by, version, is_deleted
    )
    SELECT order_id, user_id, room_id, pay_amount, created_at, created_at, expires_at,
        receive_address, receive_name, receive_phone, idempotency_key, request_digest,
        {Order.Status.UNPAID.value}, '', '', '', '', '', 0, FALSE
    FROM {{sent}}
    """,
    sent={
        "order_id": "number",
        "user_id": "number",
        "room_id": "number",
        "pay_amount": "number",
        "created_at": "time",
        "expires_at": "time",
        "receive_address": "text",
        "receive_name": "text",
        "receive_phone": "text",
        "idempotency_key": "text",
        "request_digest": "text",
    },
)

INSERT_LINES = SetStatement(
    """
    INSERT INTO shopping_order_detail (
        order_id, user_id, goods_id, num, pay_amount, created_at, updated_at,
        title, market_price, price, brief, head_imgs, videos, detail,
        created_by, updated_by, version, is_deleted
    )
    SELECT order_id, user_id, goods_id, num, pay_amount, created_at, created_at,
        title, market_price, price, brief, head_imgs, videos, detail,
        '', '', 0, FALSE
    FROM {sent} JOIN {shared} ON shared.snapshot = sent.snapshot_of
    """,
    sent={
        "order_id": "number",
        "user_id": "number",
        "num": "number",
        "pay_amount": "number",
        "created_at": "time",
        "snapshot_of": "number",
    },
    shared={
        "snapshot": "number",
        "goods_id": "number",
        "title": "text",
        "market_price": "number",
        "price": "number",
        "brief": "text",
        "head_imgs": "text",
        "videos": "text",
        "detail": "text",
    },
)

INSERT_PAYMENTS = SetStatement(
    f"""
    INSERT INTO shopping_payment (
        payment_id, order_id, channel, amount, currency, next_question_at,
        status, questions, last_error, created_at, updated_at
    )
    SELECT payment_id, order_id, channel, amount, currency, next_question_at,
        '{Payment.Status.BEGUN.value}', 0, '', {{now}}, {{now}}
    FROM {{sent}}
    """,
    sent={
        "payment_id": "number",
        "order_id": "number",
        "channel": "text",
        "amount": "number",
        "currency": "text",
        "next_question_at": "time",
    },
)

STORE_CAPTURES = SetUpdate(
    "shopping_payment",
    f"status = '{Payment.Status.CAPTURED.value}', trade_id = captured_trade, amount = captured_amount, "
    "currency = captured_currency, captured_at = came_in_at, next_question_at = NULL, last_error = '', "
    "updated_at = {now}",
    on="payment_id = captured_payment",
    # Hidden from the planner, which would go by an index of states where few are open, and lock others' payments.
    still=f"COALESCE(status, '') <> '{Payment.Status.CAPTURED.value}'",
    sent={
        "captured_payment": "number",
        "captured_trade": "text",
        "captured_amount": "number",
        "captured_currency": "text",
        "came_in_at": "time",
    },
)

PAID: Columns = {"paid_order": "number", "paid_channel": "text", "paid_trade": "text", "paid_at": "time"}
MARK_PAID = SetUpdate(
    "shopping_order",
    f"status = {Order.Status.PAID.value}, pay_channel = paid_channel, trade_id = paid_trade, pay_time = paid_at, "
    "version = version + 1, updated_at = {now}",
    on="order_id = paid_order",
    still=f"status = {Order.Status.UNPAID.value}",
    sent=PAID,
)
MARK_LINES_PAID = SetUpdate(
    "shopping_order_detail",
    "pay_time = paid_at, updated_at = {now}",
    on="order_id = paid_order",
    still="pay_time IS NULL",
    sent=PAID,
)

FIND_KEYS = SetStatement(
    """
    SELECT sent.user_id, sent.idempotency_key, stored.request_digest, archived.order_id
    FROM {sent}
    LEFT JOIN shopping_order AS stored
        ON stored.user_id = sent.user_id AND stored.idempotency_key = sent.idempotency_key
    LEFT JOIN shopping_order_archived AS archived
        ON archived.user_id = sent.user_id AND archived.idempotency_key = sent.idempotency_key
    WHERE stored.order_id IS NOT NULL OR archived.order_id IS NOT NULL
    """,
    sent={"user_id": "number", "idempotency_key": "text"},
)


class NewPayment(NamedTuple):
    """The columns of a begun payment, in the order of INSERT_PAYMENTS."""

    payment_id: int
    order_id: int
    channel: str
    amount: int
    currency: str
    next_question_at: datetime


def insert_payments(payments: Iterable[NewPayment]) -> None:
    """Inserts begun payments, by their numbers. Raises IntegrityError for a number that is taken."""
    INSERT_PAYMENTS.insert(sorted(payments))


class UsedKey(NamedTuple):
    """Whose an idempotency key is: an order with the digest of the request that it came with, or an archived order."""

    request_digest: str | None
    archived_order_id: int | None

    def refusal(self, key: str | None, digest: str) -> tuple[type[ServiceError], dict[str, Any]] | None:
        """Why a request of this digest gets no order under the key, as an error and its details; None: it is the same
        request again."""
        if self.archived_order_id is not None:
            return OrderArchived, {"order_id": self.archived_order_id}
        return None if self.request_digest == digest else (KeyReused, {"key": key})


def find_keys(orders: Iterable[NewOrder | PlaceOrder]) -> dict[tuple[int, str | None], UsedKey]:
    """Which keys of these orders are used, by (user_id, key)."""
    keys = [(order.user_id, order.idempotency_key) for order in orders]
    return {(user_id, key): UsedKey(*used) for user_id, key, *used in FIND_KEYS.select(keys)}


def insert_orders(placings: Sequence[Placing]) -> None:
    """Inserts orders, by their numbers, and their lines. Raises IntegrityError for a number or key that is taken."""
    placings = sorted(placings, key=lambda placing: placing.order.order_id)
    INSERT_ORDERS.insert([placing.order for placing in placings])
    snapshots = Snapshots()
    lines = [line_row(placing, line, snapshots) for placing in placings for line in placing.lines]
    INSERT_LINES.insert(lines, snapshots.by_number())


class Snapshots:
    """The goods of a batch as they are sold, each once. Calls that meet in a batch may have read them before and after
    a change, so one product may be in it twice."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int | str, ...], int] = {}
        self._known: dict[int, int] = {}  # by the identity of what was read, which its line keeps alive

    def number_of(self, goods: Goods) -> int:
        number = self._known.get(id(goods))
        if number is None:
            number = self._numbers.setdefault(snapshot(goods), len(self._numbers))
            self._known[id(goods)] = number
        return number

    def by_number(self) -> dict[int, tuple[int | str, ...]]:
        return {number: snapshot for snapshot, number in self._numbers.items()}


def snapshot(goods: Goods) -> tuple[int | str, ...]:
    """What a line keeps of a product as it is sold now."""
    lists = (json.dumps(value) for value in (goods.head_imgs, goods.videos, goods.detail))
    return (goods.goods_id, goods.title, goods.market_price, goods.price, goods.brief, *lists)


def line_row(placing: Placing, line: NewLine, snapshots: Snapshots) -> tuple[object, ...]:
    order = placing.order
    number = snapshots.number_of(line.goods)
    return (order.order_id, order.user_id, line.num, line.pay_amount, order.created_at, number)
