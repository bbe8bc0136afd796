"""Strategies with one thing wrong, for the race to find out. Its processes import them from here."""

import os
from collections.abc import Sequence

from django.db.models import F

from stock.models import Stock
from stock.moves import Line, Move, Outcome, Participant
from stock.strategies.atomic_update import AtomicUpdate
from stock.strategies.naive import Naive
from stock.strategies.statements import Reading


class ClaimsToBeSafe(Naive):
    name = "claims_to_be_safe"
    safe = True


class WithoutGuard(AtomicUpdate):
    """`atomic_update` with the guard removed from its UPDATE: only the table's CHECK is left."""

    name = "without_guard"

    def change(self, change: Line, reading: Reading | None) -> int | None:
        rows = Stock.objects.filter(goods_id=change.goods_id)
        moved = {"available": F("available") + change.available, "reserved": F("reserved") + change.reserved}
        changed = rows.update(**moved, version=F("version") + 1)
        return rows.values_list("available", flat=True).get() if changed else None


class Refusing(AtomicUpdate):
    """Sells one piece in two: the others are refused although there are pieces left."""

    name = "refusing"

    def move(self, moves: Sequence[Move], participant: Participant) -> list[Outcome]:
        impossible = [line._replace(available=-(10**6)) for line in moves[0].lines]
        if moves[0].order_id % 2:
            moves = [Move(moves[0].order_id, moves[0].step, tuple(impossible), moves[0].key)]
        return super().move(moves, participant)


class Dying(AtomicUpdate):
    name = "dying"

    def move(self, moves: Sequence[Move], participant: Participant) -> list[Outcome]:
        os.write(2, b"famous last words\n")
        os._exit(3)
