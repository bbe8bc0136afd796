"""The direct way, which leaks: reserve at the stock service, then insert the order. For demonstrations.

A process that dies between the two leaves a reservation that no order pays for or gives back, and nobody knows of it.
`manage.py order_faults` shows that beside `half_message`. Paying and closing are as there.
"""

from collections.abc import Sequence

from orders.flows import half_message
from orders.payloads import Placing
from stock.moves import OK, Move, Outcome


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
    return settled | answers | half_message.write_orders(reserved, half_message.PARTICIPANT)
