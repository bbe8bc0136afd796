"""Inbound and manual changes of stock. Stock rows come into being here and nowhere else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import uuid4

from django.db import IntegrityError, connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from charites.common import hints
from charites.common.errors import Invalid, KeyReused
from charites.common.models import MAX_INT64, REASON_LENGTH
from charites.common.text import TextRule, check_key, check_texts
from charites.common.transactions import Stale, Undone, run
from stock import sold_out
from stock.announcements import Change, announce_changes
from stock.errors import NotEnoughStock, StockChanged, StockNotFound
from stock.events import STOCK_ADJUSTED
from stock.models import Stock, StockAdjustment
from stock.services.checks import check_goods_id

REASON = TextRule("reason", REASON_LENGTH)
UNNAMED = "unnamed:"  # how a key begins that nobody gave


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A change of one product by `delta` pieces, or (with `target`) up or down to that many available.

    `version`: refuse unless the row still has the version that the caller read. `may_add`: else the product has to be
    counted already.
    """

    goods_id: int
    reason: str
    actor: str
    delta: int = 0
    target: int | None = None
    version: int | None = None
    idempotency_key: str | None = None
    may_add: bool = True


class Adjusted(NamedTuple):
    """`rows`: the stock as it is then, in the order of the adjustments. `new`: the products of those that this call has
    applied: the others were before."""

    rows: list[Stock]
    new: frozenset[int]


def adjust_stock(*, adjustments: Sequence[Adjustment]) -> Adjusted:
    """Applies adjustments, all or none, in one transaction.

    An adjustment whose key was used for the same change before is not applied again. One without a key gets one that
    nobody knows: by it a COMMIT without a reply is looked up.

    Raises NotEnoughStock (below zero), StockChanged (version), StockNotFound (`may_add`), KeyReused, Invalid, Busy,
    OutcomeUnknown.
    """
    for adjustment in adjustments:
        check_adjustment(adjustment)
    call = uuid4().hex
    named = [
        adjustment if adjustment.idempotency_key else replace(adjustment, idempotency_key=f"{UNNAMED}{call}:{index:06}")
        for index, adjustment in enumerate(adjustments)
    ]
    log: list[StockAdjustment] = []
    try:
        rows = run(lambda: apply_adjustments(named, log), name="adjust_stock", find=lambda: find_adjustments(named))
    finally:
        goods_ids = {adjustment.goods_id for adjustment in adjustments}
        sold_out.forget(goods_ids)
        hints.tell(goods=goods_ids)
    for row in log:
        STOCK_ADJUSTED.tell(str(row.goods_id), row.delta)
    return Adjusted(rows, frozenset(row.goods_id for row in log))


def apply_adjustments(adjustments: Sequence[Adjustment], log: list[StockAdjustment]) -> list[Stock]:
    """Between BEGIN and COMMIT: lock the rows, leave out what is known, log the rest, apply it. Fills the log anew."""
    log.clear()
    refuse_new_rows([adjustment.goods_id for adjustment in adjustments if not adjustment.may_add])
    rows, created = lock_rows({adjustment.goods_id for adjustment in adjustments})
    known = known_keys(adjustments)
    for adjustment in adjustments:
        row = rows[adjustment.goods_id]
        if is_repeated(adjustment, known):
            continue
        delta = delta_of(adjustment, row)
        if delta or row.goods_id in created or is_named(adjustment):
            log.append(as_row(adjustment, delta))
            known[str(adjustment.idempotency_key)] = log[-1]
            created.discard(row.goods_id)
            row.available += delta
    insert_log(log)
    change_rows(log)
    announce_changes(Change(goods_id, by, rows[goods_id].available) for goods_id, by in totals(log).items())
    return read_rows(adjustments)


def find_adjustments(adjustments: Sequence[Adjustment]) -> list[Stock] | Undone:
    """After a COMMIT without a reply: the rows, if the keys are stored, which waits for whoever is storing them.

    All keys that the callers know, for these changes: some may be stored from before. Of the others those that changed
    nothing are not stored, so one is enough.
    """
    keys = [adjustment.idempotency_key for adjustment in adjustments]
    rows = StockAdjustment.objects.filter(idempotency_key__in=keys).order_by("idempotency_key").select_for_update()
    stored = {str(row.idempotency_key): row for row in rows}
    named = [adjustment for adjustment in adjustments if is_named(adjustment)]
    unnamed = {str(adjustment.idempotency_key) for adjustment in adjustments} - {str(a.idempotency_key) for a in named}
    is_done = all(is_same(stored.get(str(a.idempotency_key)), a) for a in named)
    return read_rows(adjustments) if is_done and (not unnamed or unnamed & stored.keys()) else Undone.BUSY


def read_rows(adjustments: Sequence[Adjustment]) -> list[Stock]:
    goods_ids = {adjustment.goods_id for adjustment in adjustments}
    rows = {row.goods_id: row for row in Stock.objects.filter(goods_id__in=goods_ids)}
    return [rows[adjustment.goods_id] for adjustment in adjustments]


def refuse_new_rows(goods_ids: Sequence[int]) -> None:
    """Raises StockNotFound unless there is a row for each of the products; rows never go."""
    if goods_ids:
        found = set(Stock.objects.filter(goods_id__in=goods_ids).values_list("goods_id", flat=True))
        for goods_id in goods_ids:
            if goods_id not in found:
                raise StockNotFound(goods_id=goods_id)


def lock_rows(goods_ids: set[int]) -> tuple[dict[int, Stock], set[int]]:
    """Locks the stock rows in goods_id order, making those that are missing; returns them and which are new."""
    locked = Stock.objects.select_for_update().filter(goods_id__in=goods_ids).order_by("goods_id")
    rows = {row.goods_id: row for row in locked}
    missing = goods_ids - rows.keys()
    if not missing:
        return rows, set()
    # The exclusive lock of ON DUPLICATE KEY UPDATE decides a race of two first adjustments.
    Stock.objects.bulk_create(
        [Stock(goods_id=goods_id) for goods_id in sorted(missing)],
        update_conflicts=True,
        update_fields=["goods_id"],
        unique_fields=["goods_id"] if connection.features.supports_update_conflicts_with_target else None,
    )
    with_first = StockAdjustment.objects.filter(goods_id__in=missing).values_list("goods_id", flat=True)
    return {row.goods_id: row for row in locked.all()}, missing - set(with_first)


def known_keys(adjustments: Sequence[Adjustment]) -> dict[str, StockAdjustment]:
    """The stored adjustments under the given idempotency keys."""
    keys = [adjustment.idempotency_key for adjustment in adjustments if is_named(adjustment)]
    stored = StockAdjustment.objects.filter(idempotency_key__in=keys) if keys else []
    return {str(row.idempotency_key): row for row in stored}


def is_named(adjustment: Adjustment) -> bool:
    """Whether the caller knows the key, and may come back with it."""
    return not str(adjustment.idempotency_key).startswith(UNNAMED)


def is_repeated(adjustment: Adjustment, known: Mapping[str, StockAdjustment]) -> bool:
    """Whether the key was used for this change before. Raises KeyReused when it was used for another."""
    stored = known.get(str(adjustment.idempotency_key))
    if stored and not is_same(stored, adjustment):
        raise KeyReused(key=adjustment.idempotency_key)
    return stored is not None


def is_same(stored: StockAdjustment | None, adjustment: Adjustment) -> bool:
    """Whether a stored row is this very change, by the same hand: two people may think of one key."""
    if stored is None:
        return False
    if (stored.goods_id, stored.reason, stored.actor) != (adjustment.goods_id, adjustment.reason, adjustment.actor):
        return False
    if adjustment.target is None:
        return stored.target is None and stored.delta == adjustment.delta
    return stored.target == adjustment.target


def delta_of(adjustment: Adjustment, row: Stock) -> int:
    """How many pieces to add to the locked row."""
    if adjustment.version is not None and adjustment.version != row.version:
        raise StockChanged(goods_id=row.goods_id)
    delta = adjustment.delta if adjustment.target is None else adjustment.target - row.available
    if row.available + delta < 0:
        raise NotEnoughStock(goods_id=row.goods_id, requested=-delta, available=row.available)
    if row.available + row.reserved + row.sold + delta > MAX_INT64:
        field = "delta" if adjustment.target is None else "available"
        raise Invalid(field, _("makes the stock larger than %(limit)s"), limit=MAX_INT64)
    return delta


def as_row(adjustment: Adjustment, delta: int) -> StockAdjustment:
    return StockAdjustment(
        goods_id=adjustment.goods_id,
        delta=delta,
        target=adjustment.target,
        reason=adjustment.reason,
        actor=adjustment.actor,
        idempotency_key=adjustment.idempotency_key,
    )


def insert_log(log: Sequence[StockAdjustment]) -> None:
    """Stores the adjustments. Raises Stale when somebody stored one of the keys meanwhile, for a product whose row is
    not among those we lock: the next try sees it."""
    try:
        StockAdjustment.objects.bulk_create(sorted(log, key=lambda row: str(row.idempotency_key)))
    except IntegrityError as error:
        raise Stale("idempotency key") from error


def change_rows(log: Sequence[StockAdjustment]) -> None:
    """One guarded, relative UPDATE per row of the log, in goods_id order, under the row locks."""
    for row in sorted(log, key=lambda row: row.goods_id):
        matched = Stock.objects.filter(goods_id=row.goods_id, available__gte=-row.delta)
        changed = matched.update(available=F("available") + row.delta, version=F("version") + 1, updated_at=Now())
        if not changed:
            raise Stale(row.goods_id)


def totals(log: Sequence[StockAdjustment]) -> dict[int, int]:
    """goods_id -> by how many pieces it changes."""
    sums: Counter[int] = Counter()
    for row in log:
        sums[row.goods_id] += row.delta
    return dict(sums)


def check_adjustment(adjustment: Adjustment) -> None:
    check_goods_id(adjustment.goods_id)
    if adjustment.target is not None and not 0 <= adjustment.target <= MAX_INT64:
        raise Invalid("available", _("must be 0 or more, and fit into an int64"))
    if abs(adjustment.delta) > MAX_INT64:
        raise Invalid("delta", _("must fit into an int64"))
    check_texts((REASON, adjustment.reason))
    if adjustment.idempotency_key is not None:
        check_key(adjustment.idempotency_key)
        if not is_named(adjustment):
            raise Invalid("idempotency_key", _("may not begin with %(prefix)s"), prefix=UNNAMED)
