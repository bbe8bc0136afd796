"""The direct way, which leaks: reserve at the stock service, then insert the order. For demonstrations.

A process that dies between the two leaves a reservation that no order pays for or gives back, and nobody knows of it.
What the rules of a sale refuse is given back, once: when stock does not answer then, it is lost as well. `manage.py
order_faults` shows that beside `half_message`. Paying and closing are as there.
"""

from collections.abc import Sequence

import structlog

from charites.common.errors import ServiceError
from orders import remote
from orders.flows import half_message
from orders.payloads import Placing
from stock.moves import OK, Move, Outcome, Status

log = structlog.get_logger(__name__)


def carry_out(moves: Sequence[Move]) -> list[Outcome]:
    """Places, pays or closes orders; one outcome per move, in order."""
    placings = [move for move in moves if isinstance(move.payload, Placing)]
    others = [move for move in moves if not isinstance(move.payload, Placing)]
    outcomes = place(placings) | half_message.pay_and_close(others)
    return [outcomes[move] for move in moves]


def place(moves: Sequence[Move]) -> dict[Move, Outcome]:
    """Reserves, then inserts; whatever happens in between is lost."""
    settled = half_message.PARTICIPANT.settle(moves)
    answers = half_message.reserve([move for move in moves if move not in settled])
    reserved = [move for move, answer in answers.items() if answer is OK]
    written = half_message.write_orders(reserved, half_message.PARTICIPANT)
    give_back([move for move, outcome in written.items() if outcome.status is Status.LIMITED])
    return settled | answers | written


def give_back(moves: Sequence[Move]) -> None:
    """Rolls back what was reserved for orders that the buyer may not have, once."""
    for move in moves:
        try:
            remote.roll_back_stock(order_id=move.order_id)
        except ServiceError as error:
            log.warning("reservation_not_given_back", order_id=move.order_id, error=repr(error))
