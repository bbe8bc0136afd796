"""Orders and stock in one database: each step is one transaction that writes the order and moves its stock."""

from collections.abc import Sequence

from orders.participant import OrderParticipant
from stock import services as stock
from stock.moves import Move, Outcome

PARTICIPANT = OrderParticipant()


def carry_out(moves: Sequence[Move]) -> list[Outcome]:
    """Places, pays or closes orders, with their stock; one outcome per move, in order."""
    return stock.move(moves, participant=PARTICIPANT)
