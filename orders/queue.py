"""The queue in front of placing: what arrives while a batch is being placed is the next batch.

Everybody who places one order for a caller who waits comes through here, from threads and from coroutines: catalogue,
keys, numbers, rows and stock are then one statement each a batch.
"""

import os
from collections.abc import Sequence

from django.conf import settings
from django.db import Error

from charites.common import clock
from charites.common.batches import Batches, Bounds, Unserved
from charites.common.errors import Busy, OutcomeUnknown
from orders.payloads import PlaceOrder
from orders.services.placing import Placed, place_orders, refused_all


def place_batch(commands: Sequence[PlaceOrder]) -> list[Placed]:
    """Places what queued up, by one look at the clock. One result per command, in order."""
    try:
        now = clock.now()
    except Error as error:
        return list(refused_all(range(len(commands)), error).values())
    return place_orders(commands=commands, now=now)


def bounds() -> Bounds:
    return Bounds(settings.STOCK_GROUP_CAP, settings.STOCK_GROUP_QUEUE)


PLACING: Batches[PlaceOrder, Placed] = Batches("placing", place_batch, bounds)
os.register_at_fork(after_in_child=PLACING.forget)


def place_next(*, command: PlaceOrder) -> Placed:
    """Places one order with those of others that come now. Raises its error, Busy, OutcomeUnknown.

    Call it outside any transaction.
    """
    (outcome,) = PLACING.call([command], seconds=settings.STOCK_GROUP_WAIT_SECONDS)
    if isinstance(outcome, Unserved):
        raise OutcomeUnknown if outcome is Unserved.UNKNOWN else Busy
    if outcome.error:
        raise outcome.error
    return outcome
