"""One buyer at a time, by a lock outside the database.

How it works: a lock for each product, in goods_id order, is taken in Redis before the transaction begins and released
after it has committed. Inside, the version that was read under the lock is the fence:

    SET charites:<shop>:stock-lock:<goods_id> <token> NX PX <lease>
    BEGIN; SELECT num, version ...; UPDATE shopping_stock SET num = num - ? WHERE goods_id = ? AND version = ?; COMMIT
    (if it is still ours) DEL charites:<shop>:stock-lock:<goods_id>, and wake the next in line

Guarantees: exact. The lock only keeps buyers from getting into each other's way. A lease that runs out under a holder
that was stopped gives two holders; the late one's write then finds another version, and is done again, now with the
row locked: it costs a retry, never a piece. That holds on one Redis and on a quorum (`STOCK_LOCK_REDIS_URLS`, three
or more) alike.

Costs: two more round trips an order and a second system that has to be up. Not obtained within
`STOCK_LOCK_WAIT_SECONDS`: 40010005, nothing was taken.

Use it to protect something that has no row to lock. The classic mistakes: releasing before the commit; releasing a
lock that has passed to somebody else; trusting the lease without a fence; reading before the lock is held; waiters that
poll.
"""

from collections.abc import Sequence

from charites.common.transactions import refuse_nested
from stock.errors import StockLockFailed
from stock.locks import holding
from stock.moves import Line, Move, Outcome, Participant, Status
from stock.strategies.guarded import Guarded, goods_taken
from stock.strategies.statements import Reading, add, add_if_unchanged


class RedisLock(Guarded):
    name = "redis_lock"

    def move(self, moves: Sequence[Move], participant: Participant) -> list[Outcome]:
        refuse_nested()
        try:
            with holding([str(goods_id) for goods_id in goods_taken(moves)]):
                return super().move(moves, participant)
        except StockLockFailed:
            return [Outcome(Status.BUSY, StockLockFailed)] * len(moves)

    def change(self, change: Line, reading: Reading | None) -> int | None:
        return add_if_unchanged(change, reading) if reading else add(change)
