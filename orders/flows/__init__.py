"""The ways to place, pay and close an order; ORDER_FLOW names the module.

`local`: orders and stock share a database, one transaction does all. The others are for the split form, in which stock
is another service: `half_message`, and `direct`, which leaks and is here to show why.
"""

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module

from django.conf import settings

from stock.moves import Move, Outcome

Flow = Callable[[Sequence[Move]], list[Outcome]]


def carry_out(moves: Sequence[Move]) -> list[Outcome]:
    """Places, pays or closes orders, with their stock; one outcome per move, in order. Never raises for one of them.

    Call it outside any transaction.
    """
    return find_flow(settings.ORDER_FLOW)(moves)


@cache
def find_flow(name: str) -> Flow:
    """Returns the `carry_out` of a flow. Those of the split form are loaded only where they are used."""
    flow: Flow = import_module(f"orders.flows.{name}").carry_out
    return flow
