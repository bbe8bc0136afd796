"""The queue in front of placing: what arrives while a batch is being placed is the next batch.

Everybody who places one order for a caller who waits comes through here, from threads and from coroutines: catalogue,
keys, numbers, rows and stock are then one statement each a batch.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import Error

from charites.common import clock, logs
from charites.common.batches import Batches, Bounds
from charites.common.callers import Unserved
from charites.common.errors import OutcomeUnknown, Why, busy
from charites.common.threads import AT_ONCE
from orders.payloads import PlaceOrder
from orders.services.placing import Placed, place_orders, refused_all
from orders.services.sold_out import answer_sold_out, refuse_at_once


class Queued(NamedTuple):
    """A command, and where it comes from."""

    command: PlaceOrder
    origin: logs.Origin


def in_queue(command: PlaceOrder) -> Queued:
    """A command of the request that is under way here. Raises NotEnoughStock where that is known already."""
    refuse_at_once(command, clock.carried())
    return Queued(command, logs.current_origin())


def place_batch(batch: Sequence[Queued]) -> list[Placed]:
    """Places what queued up, by one look at the clock. One result per command, in order.

    What it logs, and the headers of its messages, name the requests of the batch.
    """
    commands = [item.command for item in batch]
    with logs.batch_context([item.origin.request_id for item in batch], orders=len(batch)):
        try:
            now = clock.now()
        except Error as error:
            return list(refused_all(range(len(commands)), error).values())
        answered = answer_sold_out(commands, now)
        rest = [item for index, item in enumerate(batch) if index not in answered]
        placed = iter(place_queued(rest, now) if rest else [])
        return [answered[index] if index in answered else next(placed) for index in range(len(commands))]


def place_queued(batch: Sequence[Queued], now: datetime) -> list[Placed]:
    """Places the orders of a batch, each of which has its own origin."""
    return place_orders(commands=[item.command for item in batch], now=now, origins=[item.origin for item in batch])


def bounds() -> Bounds:
    """Where stock is another service, its calls go out side by side: a batch is no larger than that, so that one which
    hangs holds up few others."""
    cap = settings.STOCK_GROUP_CAP if settings.ORDER_FLOW == "local" else min(settings.STOCK_GROUP_CAP, AT_ONCE)
    return Bounds(cap, settings.STOCK_GROUP_QUEUE)


PLACING: Batches[Queued, Placed] = Batches("placing", place_batch, bounds)
os.register_at_fork(after_in_child=PLACING.forget)


def place_next(*, command: PlaceOrder) -> Placed:
    """Places one order with those of others that come now. Raises its error, Busy, OutcomeUnknown.

    Call it outside any transaction.
    """
    return placed(PLACING.call([in_queue(command)], seconds=settings.STOCK_GROUP_WAIT_SECONDS))


async def place_soon(*, command: PlaceOrder) -> Placed:
    """The same for asyncio: it waits without a thread."""
    return placed(await PLACING.acall([in_queue(command)], seconds=settings.STOCK_GROUP_WAIT_SECONDS))


def placed(outcomes: Sequence[Placed | Unserved]) -> Placed:
    """What became of one command. Raises its error."""
    (outcome,) = outcomes
    if isinstance(outcome, Unserved):
        raise OutcomeUnknown if outcome is Unserved.UNKNOWN else busy(Why.QUEUE)
    if outcome.error:
        raise outcome.error
    return outcome
