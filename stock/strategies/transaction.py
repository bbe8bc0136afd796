"""Look, then write, inside a transaction: a widespread belief, and wrong.

How it works: as `naive`, between BEGIN and COMMIT:

    BEGIN
    SELECT num FROM shopping_stock WHERE goods_id = ?
    UPDATE shopping_stock SET num = 4 WHERE goods_id = ?
    COMMIT

Guarantees that an order and its stock change are written together or not at all, and nothing else. A transaction does
not stop others from reading the same 5: under READ COMMITTED, and under MySQL's REPEATABLE READ as well, a plain SELECT
takes no lock. On SQLite, BEGIN IMMEDIATE lets only one writer in at a time, so there it happens to be exact.

Costs: as `atomic_update`, without being right.

Use it never; the server refuses to start with it. The classic mistake is the belief that a transaction is a lock.
"""

from stock.moves import Line
from stock.strategies.guarded import Guarded
from stock.strategies.statements import Reading, add, write_computed


class Transaction(Guarded):
    name = "transaction"
    safe = False
    locks_next_reads = False

    def change(self, change: Line, reading: Reading | None) -> int | None:
        return write_computed(change, reading) if reading else add(change)
