"""The queue in front of what others ask of stock: what arrives while a batch is being moved is the next batch.

Orders of this process do not come through here: orders/queue.py has placed them in batches before, and their stock
goes with them.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings

from charites.common import logs
from charites.common.batches import Batches, Bounds
from stock import sold_out
from stock.errors import NotEnoughStock
from stock.moves import Move
from stock.services import Asked, Moved, Sale, move_asked


class Queued(NamedTuple):
    """What is asked for, and the request that it came with."""

    asked: Asked
    request_id: str


def in_queue(what: Move | Sale, *, shows: int | None = None) -> Queued:
    """Something that the request under way here asks for. Raises NotEnoughStock for a sale of what was sold out a
    moment ago; reservations can be repeats, so they are looked up."""
    if isinstance(what, Sale) and sold_out.is_known(what.goods_id):
        raise NotEnoughStock(goods_id=what.goods_id, requested=what.quantity, available=0)
    return Queued(Asked(what, shows), logs.current_request_id())


def move_batch(batch: Sequence[Queued]) -> list[Moved]:
    """Moves what queued up. One answer each, in order."""
    with logs.batch_context([item.request_id for item in batch], moves=len(batch)):
        return move_asked([item.asked for item in batch])


def bounds() -> Bounds:
    return Bounds(settings.STOCK_GROUP_CAP, settings.STOCK_GROUP_QUEUE)


MOVING: Batches[Queued, Moved] = Batches("moving", move_batch, bounds)
os.register_at_fork(after_in_child=MOVING.forget)
