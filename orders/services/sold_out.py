"""Sold out is cheap: who wants what was gone a moment ago is refused by what is known, without a look at it again.

The order of refusals stays: first what is wrong with the command itself, then its key, then the stock.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import Error

from orders import catalogue
from orders.payloads import PlaceOrder
from orders.services.checking import check_command
from orders.services.placing import Placed, count, find_stored, refused_all
from stock import sold_out
from stock.errors import NotEnoughStock
from stock.selectors import list_stock


def refuse_at_once(command: PlaceOrder, now: datetime | None) -> None:
    """Raises NotEnoughStock where that is known and no key could have an order. It touches no database. `now`: None
    while nobody has asked the database for its time."""
    if command.idempotency_key is None and now is not None and (error := known_shortage(command, now)):
        count([Placed(error=error)])
        raise error


def answer_sold_out(commands: Sequence[PlaceOrder], now: datetime) -> dict[int, Placed]:
    """The results of commands with keys for what was sold out a moment ago, by index. The keys are looked up first, all
    at once: whoever bought the last piece and lost the reply gets that order. Who came without one was answered before,
    or is here to look.

    The stock is read anew before the keys. It may be back, and be taken at this moment by the first call with a key:
    whoever is told "not enough" then would believe that there is no order.
    """
    known = {
        index: error
        for index, command in enumerate(commands)
        if command.idempotency_key is not None and (error := known_shortage(command, now))
    }
    keyed = {index: commands[index] for index in known}
    try:
        back = stock_is_back(keyed.values()) if keyed else set()
        for index in [index for index, command in keyed.items() if back & command.quantities.keys()]:
            del known[index], keyed[index]
    except Error as error:
        return refused_all(known, error)
    results = {index: Placed(error=error) for index, error in known.items()} | find_stored(keyed)
    count(results.values())
    return results


def stock_is_back(commands: Iterable[PlaceOrder]) -> set[int]:
    """Which of the products that commands want are there again."""
    goods_ids = sorted({goods_id for command in commands for goods_id in command.quantities})
    return {row.goods_id for row in list_stock(goods_ids=goods_ids) if row.available > 0}


def known_shortage(command: PlaceOrder, now: datetime) -> NotEnoughStock | None:
    """The refusal of a command for one product that was sold out a moment ago, if all else is right with it."""
    if len(command.quantities) != 1:
        return None
    ((goods_id, pieces),) = command.quantities.items()
    if not sold_out.is_known(goods_id):
        return None
    recalled = catalogue.recall(goods_id=goods_id, room_id=command.room_id)
    if recalled is None:
        return None
    try:
        check_command(command, recalled, now)
    except Exception:  # noqa: BLE001 (whoever looks again says what is wrong)
        return None
    return NotEnoughStock(goods_id=goods_id, requested=pieces, available=0)
