"""Look, then write: how it is done first, and wrong.

How it works: the stock is read, compared in Python, and the result of a subtraction is written back. There is no
transaction:

    SELECT num FROM shopping_stock WHERE goods_id = ?          -- 5
    UPDATE shopping_stock SET num = 4 WHERE goods_id = ?       -- whatever it is by now

Guarantees nothing: two buyers who read 5 both write 4, and two pieces are sold for one. The column never shows it: it
never falls below zero, however many orders were accepted. Count the receipts, not the column. And because every
statement commits by itself, an error half way leaves an order without its stock.

Costs: nothing, which is why it looks fast.

Use it never; the server refuses to start with it. It is here to be raced. The classic mistakes are all here: no
transaction, no guard, a computed value instead of a relative one.
"""

from collections.abc import Sequence
from contextlib import nullcontext

from stock.moves import Line, Move, Outcome, Participant
from stock.strategies.atomic_update import AtomicUpdate
from stock.strategies.guarded import Guarded
from stock.strategies.statements import Reading, add, write_computed


class Naive(Guarded):
    name = "naive"
    safe = False
    locks_next_reads = False
    begin = nullcontext

    def move(self, moves: Sequence[Move], participant: Participant) -> list[Outcome]:
        """Only taking stock is done wrong; what ends a reservation is written as `atomic_update` does."""
        takers = [move for move in moves if move.step.takes]
        others = [move for move in moves if not move.step.takes]
        taken = dict(zip(takers, super().move(takers, participant), strict=True))
        ended = dict(zip(others, AtomicUpdate().move(others, participant), strict=True))
        return [(taken | ended)[move] for move in moves]

    def change(self, change: Line, reading: Reading | None) -> int | None:
        return write_computed(change, reading) if reading else add(change)
