"""What a way to take stock has to be."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from stock.moves import Move, Outcome, Participant


class Strategy(ABC):
    """A way to take stock. Safe for threads; one instance per process."""

    name: ClassVar[str]
    safe: ClassVar[bool] = True

    @abstractmethod
    def move(self, moves: Sequence[Move], participant: Participant) -> list[Outcome]:
        """Applies the moves and returns one outcome each, in order; never raises for one of them.

        Call it outside any transaction: it owns the outermost one, and may run all of it again.
        """
