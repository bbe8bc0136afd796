"""Results of races that nobody ran."""

from lab.race.race_plan import Plan
from lab.race.results import EXACT, Answer, Race, Result

GOODS_ID = 7


def result(
    strategy: str = "atomic_update",
    *,
    told: list[str],
    plan: Plan | None = None,
    receipts: int | None = None,
    column_left: int | None = None,
    expected: str | None = EXACT,
    safe: bool = True,
) -> Result:
    """One buyer every 10 ms, who waits for 1, 2, 3, ... ms. The ledger agrees with the answers unless told
    otherwise."""
    plan = plan or Plan(stock=3, buyers=len(told), processes=1, threads=2)
    answers = [Answer(n, kind, 5 + n / 100, 5 + n / 100 + (n + 1) / 1000) for n, kind in enumerate(told)]
    sold = told.count("sold") * plan.quantity if receipts is None else receipts
    return Result(
        strategy=strategy,
        safe=safe,
        expected=expected,
        plan=plan,
        baskets={n: {GOODS_ID: plan.quantity} for n in range(len(told))},
        answers=answers,
        receipts={GOODS_ID: sold},
        column_left=plan.stock - sold if column_left is None else column_left,
        retries={"deadlock": 2, "stale": 3},
        claims=[(0.0, plan.stock), (0.02, plan.stock - 1)],
    )


def race(*results: Result, database: str = "MariaDB 10.11.9") -> Race:
    durability = {"log_bin": "ON", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1"}
    return Race(results[0].plan, database, durability, "2 cores <&> Linux", list(results))
