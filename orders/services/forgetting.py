"""Forgetting who bought: the name, phone and address of orders that have ended become empty, for good.

Amounts, goods and numbers stay: the ledger is as true as before. The digest of the request goes, too, as whoever knows
the rest of an order could guess at it; its idempotency key stays used.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import structlog
from django.db.models import F
from django.db.models.functions import Now

from charites.common.transactions import run
from orders import selectors
from orders.errors import OrdersOpen

log = structlog.get_logger(__name__)

STEP = 500  # orders in one transaction
BLANK = {"receive_name": "", "receive_phone": "", "receive_address": "", "request_digest": ""}


def forget_buyer(*, user_id: int, actor: str) -> Iterator[int]:
    """Empties the personal data of one user's orders, step by step; yields in how many there was some. Again is fine.

    Raises OrdersOpen, and changes nothing, as long as one of them is unpaid, or paid and not completed; between two
    steps Busy, OutcomeUnknown.
    """
    if still_open := selectors.list_open_numbers(user_id=user_id):
        raise OrdersOpen(order_ids=", ".join(map(str, still_open)))
    total = 0
    for page in selectors.pages_with_personal_data(user_id=user_id, page=STEP):
        total += (done := blank(page, actor))
        yield done
    log.info("personal_data_forgotten", user_id=user_id, orders=total, actor=actor)


def forget_order(*, order_id: int, actor: str) -> int:
    """The same for one order; returns 1 or, when there was nothing, 0. Raises OrderNotFound, OrdersOpen."""
    found = selectors.get_order(order_id=order_id, user_id=None).order
    if found.status not in selectors.ENDED:
        raise OrdersOpen(order_ids=str(order_id))
    done = blank([order_id], actor) if selectors.has_personal_data(found) else 0
    log.info("personal_data_forgotten", order_id=order_id, user_id=found.user_id, orders=done, actor=actor)
    return done


def forget_old(*, before: datetime, actor: str) -> Iterator[int]:
    """Empties the personal data of orders that were placed and ended before a time, step by step.

    Yields after each step how many orders it was in: whoever stops in the middle has forgotten what was counted.
    """
    total = 0
    for page in selectors.pages_of_old_personal_data(before=before, page=STEP):
        total += (done := blank(page, actor))
        yield done
    log.info("old_personal_data_forgotten", before=before.isoformat(), orders=total, actor=actor)


def blank(order_ids: Sequence[int], actor: str) -> int:
    """Empties these orders, should they have ended, in one transaction; returns how many."""
    ended = selectors.in_statuses(*selectors.ENDED).filter(order_id__in=order_ids)
    changes = {**BLANK, "updated_by": actor, "version": F("version") + 1, "updated_at": Now()}
    return run(lambda: ended.update(**changes), name="forget") if order_ids else 0
