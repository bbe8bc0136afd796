"""The ways to take stock, one file each. `STOCK_STRATEGY` chooses."""

import os
from functools import cache

from django.conf import settings

from stock.strategies.atomic_update import AtomicUpdate
from stock.strategies.group_commit import GroupCommit
from stock.strategies.naive import Naive
from stock.strategies.optimistic import Optimistic
from stock.strategies.pessimistic import Pessimistic
from stock.strategies.redis_lock import RedisLock
from stock.strategies.strategy import Strategy
from stock.strategies.transaction import Transaction

STRATEGIES: dict[str, type[Strategy]] = {
    strategy.name: strategy
    for strategy in (Naive, Transaction, Pessimistic, Optimistic, RedisLock, AtomicUpdate, GroupCommit)
}


@cache
def get_strategy(name: str) -> Strategy:
    """Returns the process's one instance of a strategy. Raises KeyError for an unknown name."""
    return STRATEGIES[name]()


def current_strategy() -> Strategy:
    """Returns the strategy that `STOCK_STRATEGY` names."""
    return get_strategy(settings.STOCK_STRATEGY)


# A forked child has none of its parent's threads, so it starts with instances of its own.
os.register_at_fork(after_in_child=get_strategy.cache_clear)
