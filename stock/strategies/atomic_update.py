"""One guarded UPDATE decides.

How it works: stock is read before the transaction, without a lock, as a hint that refuses what obviously does not fit;
the rows of the order are written; then the database itself checks and takes, in one statement:

    UPDATE shopping_stock SET num = num - ?, `lock` = `lock` + ?, version = version + 1
    WHERE goods_id = ? AND num >= ?

Guarantees: never below zero, whatever runs beside it, because check and change are one statement under the row lock.
No row matched means that somebody was faster: all of it is undone and tried again, then with the row locked.

Costs: the row lock is held only from the UPDATE to the end of the commit, the shortest of all strategies with one
transaction per order. On one hot product the commits still queue behind each other.

Use it whenever there is no reason for something else. The classic mistakes: checking in Python and updating without
the guard; ignoring the row count; writing `num = <computed value>`; putting the UPDATE first, so that every other
statement of the transaction runs while all other buyers wait.
"""

from stock.strategies.guarded import Guarded


class AtomicUpdate(Guarded):
    name = "atomic_update"
    reads_ahead = True
