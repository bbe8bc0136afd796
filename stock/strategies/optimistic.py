"""Write only if nobody else has: a version column in the WHERE.

How it works: the row is read without a lock, with its version. The write happens only where the version is still that:

    SELECT num, version FROM shopping_stock WHERE goods_id = ?
    UPDATE shopping_stock SET num = num - ?, version = version + 1 WHERE goods_id = ? AND version = ?

No row matched means that somebody else was there: all of it is undone and done again, from a fresh read, with
exponential back-off and jitter, until `STOCK_OPTIMISTIC_DEADLINE_SECONDS` have passed. Then the caller is told that the
stock changed too often (40010009, retryable); nothing was taken.

Guarantees: exact, as long as every writer of the row raises the version.

Costs: nothing while nobody competes. On one hot product most tries are wasted: of n buyers who read the same version,
one wins, and the work of all others is thrown away.

Use it where conflicts are rare and a decision takes longer than a statement. The classic mistakes: retrying inside the
same transaction, which under REPEATABLE READ reads the same old row for ever; a writer that forgets to raise the
version; a version column that is too small (a smallint is used up after 32,767 changes); retrying without jitter.
"""

from django.conf import settings

from charites.common.transactions import Limits
from stock.errors import StockContended
from stock.moves import Line, Outcome, Status
from stock.strategies.guarded import Guarded
from stock.strategies.statements import Reading, add, add_if_unchanged

MOST_TRIES = 10_000  # the deadline is what ends it


class Optimistic(Guarded):
    name = "optimistic"
    locks_next_reads = False
    gave_up = Outcome(Status.BUSY, StockContended)

    @property
    def limits(self) -> Limits:  # type: ignore[override]
        return Limits(MOST_TRIES, settings.STOCK_OPTIMISTIC_DEADLINE_SECONDS)

    def change(self, change: Line, reading: Reading | None) -> int | None:
        return add_if_unchanged(change, reading) if reading else add(change)
