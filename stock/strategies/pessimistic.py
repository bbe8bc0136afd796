"""Lock first, then look.

How it works: the stock rows are read with a lock before anything else happens, so nobody changes them until commit:

    SELECT goods_id, num FROM shopping_stock WHERE goods_id IN (?, ...) ORDER BY goods_id FOR UPDATE

then the order is written and the same guarded UPDATE as everywhere moves the counts.

Guarantees: what was read is still true when it is written; no retries for stale reads. Locks are taken in goods_id
order, so two orders with the same goods never wait for each other crosswise.

Costs: the row is locked for the whole transaction - every statement of the order runs while all other buyers of the
goods wait. It is the slowest of the safe ones on one hot product. SQLite has no row locks: there BEGIN IMMEDIATE locks
the whole database, which is just as exact.

Use it when the decision needs more than a count, or when refusals must not be based on an unlocked read. The classic
mistakes: SELECT ... FOR UPDATE outside a transaction (the lock ends with the statement); looking up by a column without
an index (locks every row); locking in the order of the cart instead of goods_id (deadlocks).
"""

from stock.strategies.guarded import Guarded


class Pessimistic(Guarded):
    name = "pessimistic"
    locks_first_read = True
