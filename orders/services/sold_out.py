"""Sold out is cheap: who wants what was gone a moment ago is refused by what is known, without a look at it again.

The order of refusals stays: first what is wrong with the command itself, then its key, then the stock.
"""

from collections.abc import Iterable, Sequence

from django.db import Error

from charites.common.errors import KeyReused
from orders import catalogue
from orders.payloads import PlaceOrder
from orders.rows import find_keys
from orders.services.placing import Placed, check_command, count, read_repeated, refused_all
from stock import sold_out
from stock.errors import NotEnoughStock
from stock.selectors import list_stock


def refuse_at_once(command: PlaceOrder) -> None:
    """Raises NotEnoughStock where that is known and no key could have an order. It touches no database."""
    if command.idempotency_key is None and (error := known_shortage(command)):
        count([Placed(error=error)])
        raise error


def answer_sold_out(commands: Sequence[PlaceOrder]) -> dict[int, Placed]:
    """The results of commands with keys for what was sold out a moment ago, by index. The keys are looked up first, all
    at once: whoever bought the last piece and lost the reply gets that order. Who came without one was answered before,
    or is here to look.

    The stock is read anew before the keys. It may be back, and be taken at this moment by the first call with a key:
    whoever is told "not enough" then would believe that there is no order.
    """
    known = {
        index: error
        for index, command in enumerate(commands)
        if command.idempotency_key is not None and (error := known_shortage(command))
    }
    keyed = {index: commands[index] for index in known}
    try:
        back = stock_is_back(keyed.values()) if keyed else set()
        for index in [index for index, command in keyed.items() if back & command.quantities.keys()]:
            del known[index], keyed[index]
        stored = find_keys(keyed.values()) if keyed else {}
    except Error as error:
        return refused_all(known, error)
    results = {index: Placed(error=error) for index, error in known.items()}
    repeated = {}
    for index, command in keyed.items():
        key = (command.user_id, command.idempotency_key)
        if key in stored and stored[key] == command.digest():
            repeated[index] = key
        elif key in stored:
            results[index] = Placed(error=KeyReused(key=command.idempotency_key))
    results |= read_repeated(repeated)
    count(results.values())
    return results


def stock_is_back(commands: Iterable[PlaceOrder]) -> set[int]:
    """Which of the products that commands want are there again."""
    goods_ids = sorted({goods_id for command in commands for goods_id in command.quantities})
    return {row.goods_id for row in list_stock(goods_ids=goods_ids) if row.available > 0}


def known_shortage(command: PlaceOrder) -> NotEnoughStock | None:
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
        check_command(command, recalled)
    except Exception:  # noqa: BLE001 (whoever looks again says what is wrong)
        return None
    return NotEnoughStock(goods_id=goods_id, requested=pieces, available=0)
