"""Everything that changes stock. `move` is the hot path; the rest is for staff and services."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid, KeyReused
from charites.common.ids import next_id
from charites.common.models import KEY_LENGTH, MAX_INT64, MAX_LINES
from stock.errors import NotEnoughStock, StockChanged, StockNotFound
from stock.models import Stock, StockAdjustment
from stock.records import RecordWriter
from stock.selectors import get_stock
from stock.strategies import contract, current_strategy
from stock.strategies.contract import Move, Outcome, Writer


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An inbound or manual change of one goods by `delta` pieces, or (with `target`) up or down to that many.

    `version`: refuse unless the row still has the version that the caller read.
    """

    goods_id: int
    reason: str
    actor: str
    delta: int = 0
    target: int | None = None
    version: int | None = None
    idempotency_key: str | None = None


def move(moves: Sequence[Move], *, writer: Writer | None = None) -> list[Outcome]:
    """Applies moves under the configured strategy, with the writer's rows in the same transaction.

    Returns one outcome a move, in order, and never raises for one of them. Call it outside any transaction.
    """
    return current_strategy().move(moves, RecordWriter(writer))


def reserve_stock(*, order_id: int, quantities: Mapping[int, int]) -> None:
    """Reserves all of it or nothing (goods_id -> pieces); the same again is answered as done.

    Raises NotEnoughStock, StockNotFound, StockRolledBack, RecordConflict, StockBusy, OutcomeUnknown, Invalid.
    """
    check_order_id(order_id)
    check_quantities(quantities)
    raise_unless_done(move([contract.reserve(order_id, quantities)]))


def confirm_stock(*, order_id: int) -> None:
    """Makes what the order reserved sold; again is answered as done. Raises RecordConflict, StockBusy."""
    check_order_id(order_id)
    raise_unless_done(move([contract.confirm(order_id)]))


def roll_back_stock(*, order_id: int, goods_ids: Iterable[int]) -> None:
    """Gives back what the order reserved, by what the records hold; again, or before the reservation, is fine.

    Raises RecordConflict when the stock was sold (or there is no record, and no goods are named), StockBusy, Invalid.
    """
    check_order_id(order_id)
    goods_ids = set(goods_ids)
    if len(goods_ids) > MAX_LINES:
        raise Invalid("items", _("must be 1 to %(limit)s lines"), limit=MAX_LINES)
    for goods_id in goods_ids:
        check_goods_id(goods_id)
    raise_unless_done(move([contract.roll_back(order_id, goods_ids=goods_ids)]))


def deduct_stock(*, goods_id: int, quantity: int) -> tuple[int, Stock]:
    """Sells without an order. Returns the receipt's id and the stock after it. Not idempotent.

    Raises NotEnoughStock, StockNotFound, StockBusy, OutcomeUnknown, Invalid.
    """
    check_quantities({goods_id: quantity})
    receipt_id = next_id()
    raise_unless_done(move([contract.deduct(receipt_id, {goods_id: quantity})]))
    return receipt_id, get_stock(goods_id=goods_id)


def adjust_stock(*, adjustments: Sequence[Adjustment]) -> list[Stock]:
    """Applies adjustments in one transaction and returns the rows as they are afterwards, in the order given.

    Stock rows come into being here and nowhere else. An adjustment whose key was used for the same change before is
    not applied again. Raises NotEnoughStock (below zero), StockChanged (version), KeyReused, Invalid.
    """
    for adjustment in adjustments:
        check_adjustment(adjustment)
    try:
        apply_once(adjustments)
    except IntegrityError:
        # Somebody stored one of the keys meanwhile, for a goods whose row is not among those we lock: now it is seen.
        apply_once(adjustments)
    goods_ids = {adjustment.goods_id for adjustment in adjustments}
    stored = {row.goods_id: row for row in Stock.objects.filter(goods_id__in=goods_ids)}
    return [stored[adjustment.goods_id] for adjustment in adjustments]


def apply_once(adjustments: Sequence[Adjustment]) -> None:
    """One transaction: lock the rows, leave out what is known, log the rest and apply it."""
    with transaction.atomic():
        rows, created = lock_rows({adjustment.goods_id for adjustment in adjustments})
        known = known_keys(adjustments)
        log = []
        for adjustment in adjustments:
            row = rows[adjustment.goods_id]
            if is_repeated(adjustment, known):
                continue
            delta = delta_of(adjustment, row)
            if delta or row.goods_id in created:
                log.append(as_row(adjustment, delta))
                if adjustment.idempotency_key:
                    known[adjustment.idempotency_key] = log[-1]
                created.discard(row.goods_id)
                row.available += delta
        StockAdjustment.objects.bulk_create(log)
        apply_adjustments(log)


def lock_rows(goods_ids: set[int]) -> tuple[dict[int, Stock], set[int]]:
    """Locks the stock rows in goods_id order, making those that are missing; returns them and which are new."""
    locked = Stock.objects.select_for_update().filter(goods_id__in=goods_ids).order_by("goods_id")
    rows = {row.goods_id: row for row in locked}
    missing = goods_ids - rows.keys()
    if not missing:
        return rows, set()
    # The exclusive lock of ON DUPLICATE KEY UPDATE settles a race of two first adjustments.
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
    keys = [adjustment.idempotency_key for adjustment in adjustments if adjustment.idempotency_key]
    stored = StockAdjustment.objects.filter(idempotency_key__in=keys) if keys else []
    return {str(row.idempotency_key): row for row in stored}


def is_repeated(adjustment: Adjustment, known: Mapping[str, StockAdjustment]) -> bool:
    """Whether the key was used for this change before. Raises KeyReused when it was used for another."""
    stored = known.get(adjustment.idempotency_key) if adjustment.idempotency_key else None
    if stored and (stored.goods_id, stored.reason) != (adjustment.goods_id, adjustment.reason):
        raise KeyReused(key=adjustment.idempotency_key)
    if stored and adjustment.target is None and stored.delta != adjustment.delta:
        raise KeyReused(key=adjustment.idempotency_key)
    return stored is not None


def delta_of(adjustment: Adjustment, row: Stock) -> int:
    """How many pieces to add to the locked row."""
    if adjustment.version is not None and adjustment.version != row.version:
        raise StockChanged(goods_id=row.goods_id)
    delta = adjustment.delta if adjustment.target is None else adjustment.target - row.available
    if row.available + delta < 0:
        raise NotEnoughStock(goods_id=row.goods_id, requested=-delta, available=row.available)
    if row.available + row.reserved + row.sold + delta > MAX_INT64:
        raise Invalid("delta", _("makes the stock larger than %(limit)s"), limit=MAX_INT64)
    return delta


def as_row(adjustment: Adjustment, delta: int) -> StockAdjustment:
    return StockAdjustment(
        goods_id=adjustment.goods_id,
        delta=delta,
        reason=adjustment.reason,
        actor=adjustment.actor,
        idempotency_key=adjustment.idempotency_key or None,
    )


def apply_adjustments(log: Sequence[StockAdjustment]) -> None:
    """One guarded, relative UPDATE a row of the log, in goods_id order, under the row locks."""
    for row in sorted(log, key=lambda row: row.goods_id):
        matched = Stock.objects.filter(goods_id=row.goods_id, available__gte=-row.delta)
        changed = matched.update(
            available=F("available") + row.delta, version=F("version") + 1, updated_at=timezone.now()
        )
        if not changed:
            raise StockNotFound(goods_id=row.goods_id)


def raise_unless_done(outcomes: Sequence[Outcome]) -> None:
    """Raises the error of the first move that was not carried out."""
    for outcome in outcomes:
        if not outcome.done and outcome.error:
            raise outcome.error


def check_order_id(order_id: int) -> None:
    if not 0 < order_id <= MAX_INT64:
        raise Invalid("order_id", _("is missing or out of range"))


def check_quantities(quantities: Mapping[int, int]) -> None:
    """Raises Invalid unless there are 1 to 100 goods with 1 to 2^63-1 pieces each."""
    if not 0 < len(quantities) <= MAX_LINES:
        raise Invalid("items", _("must be 1 to %(limit)s lines"), limit=MAX_LINES)
    for goods_id, number in quantities.items():
        check_goods_id(goods_id)
        if not 0 < number <= MAX_INT64:
            raise Invalid("quantity", _("must be 1 or more, and fit into an int64"))


def check_goods_id(goods_id: int) -> None:
    if not 0 < goods_id <= MAX_INT64:
        raise Invalid("goods_id", _("is missing or out of range"))


def check_adjustment(adjustment: Adjustment) -> None:
    check_goods_id(adjustment.goods_id)
    if adjustment.target is not None and not 0 <= adjustment.target <= MAX_INT64:
        raise Invalid("available", _("must be 0 or more, and fit into an int64"))
    if abs(adjustment.delta) > MAX_INT64:
        raise Invalid("delta", _("must fit into an int64"))
    if not adjustment.reason.strip() or len(adjustment.reason) > 255:
        raise Invalid("reason", _("must be 1 to 255 characters"))
    if adjustment.idempotency_key:
        check_key(adjustment.idempotency_key)


def check_key(key: str) -> None:
    """An idempotency key: 1 to 64 printable ASCII characters, as databases compare other ones too generously."""
    if not 0 < len(key) <= KEY_LENGTH or not key.isascii() or not key.isprintable() or key != key.strip():
        raise Invalid("idempotency_key", _("must be 1 to %(limit)s printable ASCII characters"), limit=KEY_LENGTH)
