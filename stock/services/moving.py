"""Moves of stock, under the configured strategy, and the steps of an order that lives elsewhere."""

from collections.abc import Iterable, Mapping, Sequence

from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from charites.common.ids import next_id
from charites.common.models import MAX_LINES
from charites.common.transactions import reading_the_answer
from stock.models import Stock
from stock.moves import Move, Outcome, Participant, confirm, deduct, reserve, roll_back
from stock.records import RecordParticipant
from stock.selectors import get_stock
from stock.services.checks import check_goods_id, check_order_id, check_quantities
from stock.strategies import current_strategy


def move(moves: Sequence[Move], *, participant: Participant | None = None) -> list[Outcome]:
    """Applies moves under the configured strategy, with the participant's rows in the same transaction.

    Returns one outcome per move, in order, and never raises for one of them. Call it outside any transaction.
    """
    return current_strategy().move(moves, RecordParticipant(participant))


def reserve_stock(*, order_id: int, quantities: Mapping[int, int]) -> None:
    """Reserves all of it or nothing (goods_id -> pieces); the same again is answered as done.

    Raises NotEnoughStock, StockNotFound, StockRolledBack, RecordConflict, StockBusy, OutcomeUnknown, Invalid.
    """
    check_order_id(order_id)
    check_quantities(quantities)
    raise_unless_done(move([reserve(order_id, quantities)]))


def confirm_stock(*, order_id: int) -> None:
    """Makes what the order reserved sold; again is answered as done. Raises RecordConflict, StockBusy."""
    check_order_id(order_id)
    raise_unless_done(move([confirm(order_id)]))


def roll_back_stock(*, order_id: int, goods_ids: Iterable[int]) -> None:
    """Gives back what the order reserved, by what the records hold; again, or before the reservation, is fine.

    Raises RecordConflict when the stock was sold (or there is no record, and no goods are named), StockBusy, Invalid.
    """
    check_order_id(order_id)
    goods_ids = set(goods_ids)
    if len(goods_ids) > MAX_LINES:
        raise Invalid("items", _("must be 1 to %(limit)s lines"), limit=MAX_LINES)
    for goods_id in goods_ids:
        check_goods_id(goods_id)
    raise_unless_done(move([roll_back(order_id, goods_ids=goods_ids)]))


def reserve_one(*, order_id: int, goods_id: int, quantity: int) -> Stock:
    """Reserves pieces of one product for an order, and returns the stock after it. Raises as `reserve_stock`."""
    reserve_stock(order_id=order_id, quantities={goods_id: quantity})
    with reading_the_answer():
        return get_stock(goods_id=goods_id)


def deduct_stock(*, goods_id: int, quantity: int) -> tuple[int, Stock]:
    """Sells without an order. Returns the receipt's id and the stock after it. Not idempotent.

    Raises NotEnoughStock, StockNotFound, StockBusy, OutcomeUnknown, Invalid.
    """
    check_quantities({goods_id: quantity})
    receipt_id = next_id()
    raise_unless_done(move([deduct(receipt_id, {goods_id: quantity})]))
    with reading_the_answer():
        return receipt_id, get_stock(goods_id=goods_id)


def raise_unless_done(outcomes: Sequence[Outcome]) -> None:
    """Raises the error of the first move that was not carried out."""
    for outcome in outcomes:
        if error := outcome.as_error():
            raise error
