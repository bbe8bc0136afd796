"""What one buyer may have: pieces of a product, unpaid orders, orders in a while. Decided inside the transaction.

Pieces are counted in `Allowance`, for products that ever had a limit, and over all orders that are not closed, archived
ones included: placing adds, closing gives back. Who begins to count a product waits until all transactions that place
or close have ended, and counts what they left: so a limit that is switched on counts what was sold before it. A limit
that is lowered or switched off touches no order, and the count goes on.

Unpaid orders, and orders in a while, are counted in the orders themselves, after new ones are inserted: two
transactions of one buyer wait for each other there. Where there are too many, all of it begins anew, and for a while
the orders of this buyer are counted before, too, and refused one by one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import connection

from charites.common.errors import Limited
from charites.common.ids import first_id_at
from charites.common.rates import Rate, parse_rate
from charites.common.recent import Recent
from charites.common.rows import SetStatement, for_database
from charites.common.transactions import Stale
from orders.errors import OverBuyersLimit, TooManyUnpaid
from orders.models import Order
from orders.payloads import Placing
from orders.pieces import ALLOWANCES, Share
from stock.moves import Move, Outcome, Rules, Status

log = structlog.get_logger(__name__)

ANY_NUMBER = Rate(0, 0)
SECONDS_CROWDED = 10.0
OLD_ORDERS = timedelta(days=1)  # older ones than this, and than the time to pay, are not looked at: none is unpaid

COUNTED = "SELECT goods_id FROM shopping_order_limited_goods {by[goods_id]} WHERE goods_id IN (%s) ORDER BY goods_id"
LOCK_COUNTS = "SELECT goods_id FROM shopping_order_limited_goods WHERE goods_id = 0 {lock}"
BEGIN_TO_COUNT = SetStatement(
    """
    INSERT INTO shopping_order_limited_goods (goods_id, created_at, updated_at)
    SELECT limited, {now}, {now} FROM {sent}
    """,
    sent={"limited": "number"},
)
COUNT_ORDERS = SetStatement(
    f"""
    INSERT INTO shopping_order_allowance (goods_id, user_id, pieces, created_at, updated_at)
    WITH asked AS (SELECT limited FROM {{sent}})
    SELECT goods_id, user_id, SUM(pieces), {{now}}, {{now}}
    FROM (
        SELECT line.goods_id, line.user_id, line.num AS pieces
        FROM asked
        JOIN shopping_order_detail AS line ON line.goods_id = asked.limited
        JOIN shopping_order AS orders ON orders.order_id = line.order_id
        WHERE orders.status <> {Order.Status.CLOSED.value}
        UNION ALL
        SELECT archived.goods_id, archived.user_id, archived.pieces
        FROM asked
        {{then}} shopping_order_archived_pieces AS archived {{by[shopping_order_archived_pieces_unique]}}
            ON archived.goods_id = asked.limited
    ) AS held
    GROUP BY goods_id, user_id
    """,
    sent={"limited": "number"},
)
PIECES_OF_ORDERS = SetStatement(
    """
    SELECT line.goods_id, line.user_id, SUM(line.num)
    FROM {sent} JOIN shopping_order_detail AS line ON line.order_id = sent.of_order
    GROUP BY line.goods_id, line.user_id
    """,
    sent={"of_order": "number"},
)
ORDERS_OF_BUYERS = f"""
    SELECT orders.user_id,
        SUM(CASE WHEN orders.status = {Order.Status.UNPAID.value} THEN 1 ELSE 0 END),
        SUM(CASE WHEN orders.created_at > sent.since THEN 1 ELSE 0 END)
    FROM {{sent}}
    {{then}} shopping_order AS orders {{by[shopping_order_of_user]}}
        ON orders.user_id = sent.of_user AND orders.order_id > sent.number
    GROUP BY orders.user_id
"""
BUYERS: Mapping[str, str] = {"of_user": "number", "number": "number", "since": "time"}
COUNT_BUYERS = SetStatement(ORDERS_OF_BUYERS, sent=BUYERS)  # type: ignore[arg-type]
COUNT_BUYERS_LOCKED = SetStatement(f"{ORDERS_OF_BUYERS} {{share}}", sent=BUYERS)  # type: ignore[arg-type]

CROWDED: Recent[int, bool] = Recent(SECONDS_CROWDED)  # buyers who had too many orders a while ago


class Orders(NamedTuple):
    """How many orders of a buyer are unpaid, and how many were placed in the time of PLACE_RATE."""

    unpaid: int = 0
    placed: int = 0


def place_rate() -> Rate:
    return parse_rate(settings.PLACE_RATE) or ANY_NUMBER


def cancel_rate() -> Rate:
    return parse_rate(settings.CANCEL_RATE) or ANY_NUMBER


class BuyerRules(Rules):
    """What the buyers of a batch may still order: what they have is read once, and counted on from there."""

    def __init__(self, moves: Sequence[Move]) -> None:
        self._orders = count_orders(moves, COUNT_BUYERS) if any(map(is_of_crowded, moves)) else {}
        self._pieces = lock_pieces(limited_shares(moves))

    def refusal(self, move: Move) -> Outcome | None:
        if not isinstance(move.payload, Placing):
            return None
        order = move.payload.order
        orders = self._orders.get(order.user_id, Orders())
        if 0 < settings.MAX_UNPAID_ORDERS <= orders.unpaid:
            words = {"unpaid": orders.unpaid, "limit": settings.MAX_UNPAID_ORDERS}
            return Outcome(Status.LIMITED, TooManyUnpaid, words)
        if 0 < place_rate().times <= orders.placed:
            return Outcome(Status.LIMITED, Limited, {"retry_after_seconds": place_rate().seconds})
        for line in move.payload.lines:
            limit, held = line.goods.limit_per_buyer, self._pieces.get((line.goods.goods_id, order.user_id), 0)
            if 0 < limit < held + line.num:
                words = {"goods_id": line.goods.goods_id, "limit": limit, "held": held, "requested": line.num}
                return Outcome(Status.LIMITED, OverBuyersLimit, words)
        return None

    def grant(self, move: Move) -> None:
        if isinstance(move.payload, Placing):
            user_id = move.payload.order.user_id
            orders = self._orders.get(user_id, Orders())
            self._orders[user_id] = Orders(orders.unpaid + 1, orders.placed + 1)
            for share, number in pieces_of([move]).items():
                self._pieces[share] = self._pieces.get(share, 0) + number


def is_of_crowded(move: Move) -> bool:
    """Whether a move is an order of a buyer who had too many a while ago."""
    return isinstance(move.payload, Placing) and CROWDED.get(move.payload.order.user_id) is not None


def limited_shares(moves: Sequence[Move]) -> set[Share]:
    """Which counts decide over these moves: (goods_id, user_id) of lines whose product has a limit."""
    return {
        (line.goods.goods_id, move.payload.order.user_id)
        for move in moves
        if isinstance(move.payload, Placing)
        for line in move.payload.lines
        if line.goods.limit_per_buyer
    }


def lock_pieces(shares: set[Share]) -> dict[Share, int]:
    """Locks how many pieces buyers have; begins to count a product of which nobody did. Buyers without any are left
    out."""
    if not shares:
        return {}
    limited = {goods_id for goods_id, _user_id in shares}
    if new := limited - counted_goods(limited, locked=False):
        begin_to_count(new)
    return ALLOWANCES.find(shares)


def counted_goods(goods_ids: Iterable[int], *, locked: bool = True) -> set[int]:
    """Which of these are counted. Locked, row 0 first: nobody begins to count another before this transaction ends."""
    asked = [0, *sorted(set(goods_ids))]
    sql = for_database(COUNTED + " {share}" * locked, connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(sql.replace("%s", ", ".join(["%s"] * len(asked))), asked)
        return {goods_id for (goods_id,) in cursor.fetchall() if goods_id}


def keep_counted() -> None:
    """Keeps anybody from beginning to count a product before this transaction ends, which moves what buyers have in
    orders to what they have in archived ones. COUNT_ORDERS is one statement and sees both at one moment, so it counts
    each piece once without this lock, too: it is a second belt."""
    counted_goods(())


def begin_to_count(goods_ids: set[int]) -> None:
    """Counts what buyers have of products in orders that are not closed. First in its transaction: it waits until all
    others that place or close have ended, and they wait for it."""
    with connection.cursor() as cursor:
        cursor.execute(for_database(LOCK_COUNTS, connection.vendor))
        cursor.fetchall()
    new = [(goods_id,) for goods_id in sorted(goods_ids - counted_goods(goods_ids))]
    if new:
        BEGIN_TO_COUNT.insert(new)
        COUNT_ORDERS.execute(new)


def add_pieces(moves: Sequence[Move]) -> None:
    """Counts the pieces of new orders. Raises Stale when a buyer's first order of a product met another one: until then
    there was no row to lock, so what the rules went by may be less than what is there."""
    pieces = pieces_of(moves)
    counted = counted_goods(goods_id for goods_id, _user_id in pieces)
    shares = {share: number for share, number in pieces.items() if share[0] in counted}
    if not shares:
        return
    known, limits = ALLOWANCES.find(shares), limits_of(moves)
    if any(known[share] + shares[share] > limits[share] for share in known.keys() & limits.keys()):
        raise Stale("pieces of a buyer")
    ALLOWANCES.add(shares, known=known)


def limits_of(moves: Sequence[Move]) -> dict[Share, int]:
    """The highest limit that the orders of a buyer go by, where there is one."""
    limits: dict[Share, int] = {}
    for move in moves:
        for line in move.payload.lines:
            share = (line.goods.goods_id, move.payload.order.user_id)
            limits[share] = max(limits.get(share, 0), line.goods.limit_per_buyer)
    return {share: limit for share, limit in limits.items() if limit}


def give_back_pieces(order_ids: Sequence[int]) -> None:
    """Takes the pieces of closed orders out of the counts. A count that lacks them - a version of this program that did
    not count has been at work - keeps no order open: it is logged, and the audit names it."""
    found = PIECES_OF_ORDERS.select([(order_id,) for order_id in order_ids])
    counted = counted_goods(goods_id for goods_id, _user_id, _number in found)
    given = {(goods_id, user_id): int(number) for goods_id, user_id, number in found if goods_id in counted}
    known = ALLOWANCES.find(given)
    if lacking := {share: number for share, number in given.items() if known.get(share, 0) < number}:
        log.error("pieces_were_not_counted", pieces=[(*share, number) for share, number in sorted(lacking.items())])
    ALLOWANCES.add({share: -min(given[share], held) for share, held in known.items()}, known=known)


def pieces_of(moves: Iterable[Move]) -> Counter[Share]:
    """How many pieces of each product each buyer asks for."""
    pieces: Counter[Share] = Counter()
    for move in moves:
        for line in move.payload.lines:
            pieces[line.goods.goods_id, move.payload.order.user_id] += line.num
    return pieces


def check_orders(moves: Sequence[Move]) -> None:
    """Counts the orders of buyers, with those that were just inserted. Raises Stale when one has too many."""
    read_at = monotonic()
    crowded = [user_id for user_id, orders in count_orders(moves, COUNT_BUYERS_LOCKED).items() if are_too_many(orders)]
    for user_id in crowded:
        CROWDED.note(user_id, True, read_at=read_at)
    if crowded:
        raise Stale("orders of a buyer")


def are_too_many(orders: Orders) -> bool:
    return 0 < settings.MAX_UNPAID_ORDERS < orders.unpaid or 0 < place_rate().times < orders.placed


def count_orders(moves: Sequence[Move], statement: SetStatement) -> dict[int, Orders]:
    """How many orders the buyers of new orders have, by user_id; nothing where no rule asks."""
    orders = [move.payload.order for move in moves if isinstance(move.payload, Placing)]
    if not orders or not (settings.MAX_UNPAID_ORDERS or place_rate().times):
        return {}
    now = max(order.created_at for order in orders)
    since = now - timedelta(seconds=place_rate().seconds)
    number = first_id_at(now - OLD_ORDERS - timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS))
    rows = [(user_id, number, since) for user_id in sorted({order.user_id for order in orders})]
    return {user_id: Orders(int(unpaid), int(placed)) for user_id, unpaid, placed in statement.select(rows)}


def cancelled_lately(*, user_ids: Iterable[int], now: datetime) -> dict[int, int]:
    """How many orders each of these buyers has cancelled in the time of CANCEL_RATE."""
    since = now - timedelta(seconds=cancel_rate().seconds)
    number = first_id_at(now - OLD_ORDERS - timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS))
    cancelled = Order.objects.filter(
        user_id__in=user_ids, order_id__gt=number, closed_by=Order.ClosedBy.USER, updated_at__gt=since
    )
    return dict(Counter(cancelled.values_list("user_id", flat=True)))
