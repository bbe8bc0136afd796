"""Moves of stock, under the configured strategy, and what others ask for: the steps of an order that lives elsewhere,
and sales without one."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import structlog
from django.db import Error, InterfaceError, OperationalError
from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid, ServiceError, as_service_error, is_outage
from charites.common.ids import next_ids
from charites.common.models import MAX_LINES
from stock.moves import UNKNOWN, Move, Outcome, Participant, confirm, deduct, failed, reserve, roll_back
from stock.records import RecordParticipant
from stock.services.checks import check_goods_id, check_order_id, check_quantities
from stock.strategies import current_strategy
from stock.strategies.statements import read_stock

log = structlog.get_logger(__name__)


def move(moves: Sequence[Move], *, participant: Participant | None = None) -> list[Outcome]:
    """Applies moves under the configured strategy, with the participant's rows in the same transaction.

    Returns one outcome per move, in order, and never raises for one of them. Call it outside any transaction.
    """
    return current_strategy().move(moves, RecordParticipant(participant))


class Sale(NamedTuple):
    """Pieces of a product to sell without an order: its receipt's number comes with the batch. Not idempotent."""

    goods_id: int
    quantity: int
    owner: str


class Asked(NamedTuple):
    """What somebody asks for. `shows`: the product whose stock the answer shows."""

    what: Move | Sale
    shows: int | None = None


class Moved(NamedTuple):
    """What became of it. `number`: the order's, or the receipt's; `available`: pieces, of the product shown."""

    outcome: Outcome
    number: int = 0
    available: int = 0

    def done(self) -> "Moved":
        """Returns it. Raises the error where nothing became of it."""
        if error := self.outcome.as_error():
            raise error
        return self


def reserving(*, order_id: int, quantities: Mapping[int, int], owner: str) -> Move:
    """The move that reserves all of it or nothing (goods_id -> pieces); from then on it is the owner's alone. Raises
    Invalid."""
    check_order_id(order_id)
    check_quantities(quantities)
    return reserve(order_id, quantities, owner=owner)


def confirming(*, order_id: int, owner: str) -> Move:
    """The move that makes what the order reserved sold. Raises Invalid."""
    check_order_id(order_id)
    return confirm(order_id, owner=owner)


def rolling_back(*, order_id: int, goods_ids: Collection[int], owner: str) -> Move:
    """The move that gives back what the order reserved, by what the records hold. Raises Invalid."""
    check_order_id(order_id)
    if len(goods_ids) > MAX_LINES:
        raise Invalid("items", _("must be 1 to %(limit)s lines"), limit=MAX_LINES)
    for goods_id in goods_ids:
        check_goods_id(goods_id)
    return roll_back(order_id, goods_ids=set(goods_ids), owner=owner)


def selling(*, goods_id: int, quantity: int, owner: str) -> Sale:
    """The sale of so many pieces. Raises Invalid."""
    check_quantities({goods_id: quantity})
    return Sale(goods_id, quantity, owner)


def move_asked(asked: Sequence[Asked]) -> list[Moved]:
    """Carries out what was asked for, as one batch in order of arrival; one answer each, and none of them raises.

    Reservations, confirmations and roll backs that were done before are answered as done. Errors: NotEnoughStock,
    StockNotFound, StockRolledBack, RecordConflict, ReservationOfAnother, StockBusy, Busy, OutcomeUnknown. Call it
    outside any transaction.
    """
    moves = {index: wish.what for index, wish in enumerate(asked) if isinstance(wish.what, Move)}
    sales = {index: wish.what for index, wish in enumerate(asked) if isinstance(wish.what, Sale)}
    outcomes: dict[int, Outcome] = {}
    try:
        receipts = next_ids(len(sales))
    except (ServiceError, Error) as error:
        outcomes = dict.fromkeys(sales, failed(as_service_error(error)))
    else:
        moves |= {index: receipt_of(sales[index], number) for index, number in zip(sales, receipts, strict=True)}
    order = sorted(moves)
    outcomes |= dict(zip(order, move([moves[index] for index in order]), strict=True))
    available = read_available({wish.shows for index, wish in enumerate(asked) if wish.shows and outcomes[index].done})
    return [
        moved(outcomes[index], moves[index].order_id if index in moves else 0, wish.shows, available)
        for index, wish in enumerate(asked)
    ]


def receipt_of(sale: Sale, number: int) -> Move:
    """The move of a sale, under the number of its receipt."""
    return deduct(number, {sale.goods_id: sale.quantity}, owner=sale.owner)


def read_available(goods_ids: set[int]) -> Mapping[int, int]:
    """The pieces that are available now, by goods_id; empty when the database has gone away meanwhile."""
    try:
        return {goods_id: row.available for goods_id, row in read_stock(sorted(goods_ids), lock=False).items()}
    except (OperationalError, InterfaceError) as error:
        if not is_outage(error):
            raise
        log.warning("stock_unread", goods_ids=sorted(goods_ids), error=repr(error))
        return {}


def moved(outcome: Outcome, number: int, shows: int | None, available: Mapping[int, int]) -> Moved:
    """The answer. What was done and cannot be shown is unknown: "busy" would be untrue."""
    if shows is None or not outcome.done:
        return Moved(outcome, number)
    return Moved(outcome, number, available[shows]) if shows in available else Moved(UNKNOWN, number)
