"""The steps of stock one by one, past any queue: reserve, confirm, roll back, sell."""

from collections.abc import Iterable, Mapping

from stock import services
from stock.models import SHOP
from stock.moves import Move


def reserve_stock(*, order_id: int, quantities: Mapping[int, int], owner: str = SHOP) -> None:
    """Reserves all of it or nothing (goods_id -> pieces); the same again is answered as done.

    Raises NotEnoughStock, StockNotFound, StockRolledBack, RecordConflict, StockBusy, OutcomeUnknown, Invalid.
    """
    move_one(services.reserving(order_id=order_id, quantities=quantities, owner=owner))


def confirm_stock(*, order_id: int, owner: str = SHOP) -> None:
    """Makes what the order reserved sold; again is answered as done. Raises RecordConflict, ReservationOfAnother,
    StockBusy."""
    move_one(services.confirming(order_id=order_id, owner=owner))


def roll_back_stock(*, order_id: int, goods_ids: Iterable[int], owner: str = SHOP) -> None:
    """Gives back what the order reserved; again, or before the reservation, is fine.

    Raises RecordConflict when the stock was sold (or there is no record, and no goods are named), ReservationOfAnother,
    StockBusy, Invalid.
    """
    move_one(services.rolling_back(order_id=order_id, goods_ids=goods_ids, owner=owner))


def deduct_stock(*, goods_id: int, quantity: int) -> services.Moved:
    """Sells without an order. Returns the receipt's number and the stock after it. Not idempotent.

    Raises NotEnoughStock, StockNotFound, StockBusy, OutcomeUnknown, Invalid.
    """
    return move_one(services.selling(goods_id=goods_id, quantity=quantity, owner=SHOP), shows=goods_id)


def move_one(what: Move | services.Sale, *, shows: int | None = None) -> services.Moved:
    (answer,) = services.move_asked([services.Asked(what, shows)])
    return answer.done()
