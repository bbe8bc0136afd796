"""Stock records are written here: what every order took, as the proof behind the counts. Those of archived orders are
added up in `services/archiving.py`, and nobody else writes any."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from charites.common.rows import SetStatement
from charites.common.transactions import expect_rows
from stock.errors import RecordConflict, ReservationOfAnother, StockRolledBack
from stock.models import SHOP, StockRecord
from stock.moves import NO_RULES, OK, REPEATED, Line, Move, Outcome, Participant, Rules, Status, Step

Record = StockRecord
RESERVED, ROLLED_BACK, DEDUCTED = Record.Status.RESERVED, Record.Status.ROLLED_BACK, Record.Status.DEDUCTED
FINAL = {Step.CONFIRM: DEDUCTED, Step.ROLL_BACK: ROLLED_BACK}
WORDS = {
    Step.RESERVE: _("reserved"),
    Step.CONFIRM: _("confirmed"),
    Step.ROLL_BACK: _("rolled back"),
    Step.DEDUCT: _("deducted"),
}
TAKEN = {
    Step.RESERVE: (RESERVED.value, Record.Source.ORDER.value),
    Step.DEDUCT: (DEDUCTED.value, Record.Source.RECEIPT.value),
}
NAMELESS = "service:0"
INSERT_RECORDS = SetStatement(
    """
    INSERT INTO shopping_stock_record (
        order_id, goods_id, num, status, kind, owner,
        created_at, updated_at, created_by, updated_by, version, is_deleted
    )
    SELECT order_id, goods_id, num, status, kind, owner,
        {now}, {now}, '', '', 0, FALSE
    FROM {sent}
    """,
    sent={
        "order_id": "number",
        "goods_id": "number",
        "num": "number",
        "status": "number",
        "kind": "text",
        "owner": "text",
    },
)


@dataclass(frozen=True, slots=True)
class RecordParticipant:
    """Wraps the caller's participant: its rows first, then the records, in the lock order order -> record -> stock.

    Without an inner participant (stock's own interface, where orders live elsewhere) the records alone settle repeats.
    Two of them around the same inner participant are equal: their moves may share a batch.
    """

    inner: Participant | None = None

    def settle(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        if self.inner:
            return self.inner.settle(moves)
        return settle_by_records(moves)

    def rules(self, moves: Sequence[Move]) -> Rules:
        return self.inner.rules(moves) if self.inner else NO_RULES

    def write(self, moves: Sequence[Move]) -> list[Move]:
        accepted = self.inner.write(moves) if self.inner else list(moves)
        insert_records([move for move in accepted if move.step.takes])
        lines = finish_records([move for move in accepted if not move.step.takes])
        return [
            move if move.step.takes else replace(move, lines=lines[move])
            for move in accepted
            if move.step.takes or lines[move]
        ]

    def find(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        if self.inner:
            return self.inner.find(moves)
        groups = read_locked(moves)
        return {move: OK for move in moves if is_there(move, groups[move.order_id])}


def records_of(moves: Sequence[Move]) -> QuerySet[StockRecord]:
    """The records of all these orders, in lock order."""
    return Record.objects.filter(order_id__in=[move.order_id for move in moves]).order_by("order_id", "goods_id")


class Held(NamedTuple):
    """What a record holds."""

    pk: int
    order_id: int
    goods_id: int
    num: int
    status: int
    owner: str


def held(records: QuerySet[StockRecord]) -> list[Held]:
    """Reads records."""
    return [Held(*row) for row in records.values_list(*Held._fields)]


def read_locked(moves: Sequence[Move]) -> dict[int, list[Held]]:
    """Locks the records of all these orders; returns them by order."""
    return by_order(held(records_of(moves).select_for_update()))


def by_order(records: Iterable[Held]) -> dict[int, list[Held]]:
    """Groups records by order."""
    groups: dict[int, list[Held]] = defaultdict(list)
    for record in records:
        groups[record.order_id].append(record)
    return groups


def settle_by_records(moves: Sequence[Move]) -> dict[Move, Outcome]:
    """Answers reservations that arrive again, and those whose roll back was faster."""
    reserves = [move for move in moves if move.step is Step.RESERVE]
    groups = by_order(held(records_of(reserves))) if reserves else {}
    return {move: judge_reserve(move, groups[move.order_id]) for move in reserves if move.order_id in groups}


def judge_reserve(move: Move, records: Sequence[Held]) -> Outcome:
    """A reservation meets records of its order: the same again, too late, somebody else's, or something else."""
    if any(record.status == ROLLED_BACK for record in records):
        return Outcome(Status.FAILED, StockRolledBack, {"order_id": move.order_id})
    if not all(is_owner(move, record) for record in records):
        return Outcome(Status.FAILED, ReservationOfAnother, {"order_id": move.order_id})
    if {record.goods_id: record.num for record in records} == {line.goods_id: line.reserved for line in move.lines}:
        return REPEATED
    words = {"order_id": move.order_id, "wanted": WORDS[Step.RESERVE], "found": _("reserved with other lines")}
    return Outcome(Status.FAILED, RecordConflict, words)


def insert_records(moves: Sequence[Move]) -> None:
    """Inserts the records of moves that take stock, sorted by their unique key. Raises IntegrityError for repeats."""
    INSERT_RECORDS.insert(
        [
            (move.order_id, line.goods_id, -line.available, *TAKEN[move.step], move.owner)
            for move in sorted(moves, key=lambda move: move.order_id)
            for line in move.lines
        ]
    )


def finish_records(moves: Sequence[Move]) -> dict[Move, tuple[Line, ...]]:
    """Confirms and rolls back, by what the records hold. Returns what each move changes; nothing: done before.

    Raises RecordConflict for a move that its records do not allow, ReservationOfAnother where they are somebody else's.
    """
    if not moves:
        return {}
    groups = read_locked(moves)
    mine = {move: own_records(move, groups[move.order_id]) for move in moves}  # or a stranger would leave a tombstone
    early = [move for move in moves if move.step is Step.ROLL_BACK and lacks_record(move, mine[move])]
    if early:
        insert_tombstones(early)
        groups |= read_locked(early)
    changed: dict[Step, list[int]] = defaultdict(list)
    lines = {}
    for move in moves:
        open_records = judge_finish(move, own_records(move, groups[move.order_id]))
        changed[move.step] += [record.pk for record in open_records]
        lines[move] = tuple(finished_line(move.step, record) for record in open_records)
    for step, keys in changed.items():
        rows = Record.objects.filter(pk__in=keys, status=RESERVED)
        ended = rows.update(status=FINAL[step], version=F("version") + 1, updated_at=Now())
        expect_rows(ended, len(keys))
    return lines


def lacks_record(move: Move, records: Sequence[Held]) -> bool:
    """Whether some of what a move is about has no record yet."""
    return not {line.goods_id for line in move.lines} <= {record.goods_id for record in records}


def insert_tombstones(moves: Sequence[Move]) -> None:
    """Leaves a row where the reservation has not arrived yet; where it came meanwhile, nothing changes (the row gets
    locked)."""
    tombstones = [
        Record(order_id=move.order_id, goods_id=line.goods_id, num=0, status=ROLLED_BACK, owner=move.owner)
        for move in sorted(moves, key=lambda move: move.order_id)
        for line in move.lines
    ]
    if tombstones:
        with_target = connection.features.supports_update_conflicts_with_target
        Record.objects.bulk_create(
            tombstones,
            update_conflicts=True,
            update_fields=["goods_id"],
            unique_fields=["order_id", "goods_id"] if with_target else None,
        )


def is_owner(move: Move, record: Held) -> bool:
    """Whether a record is the caller's to end. The orders service of the version before had no name, and signed as
    service:0."""
    return record.owner == move.owner or (move.owner, record.owner) == (SHOP, NAMELESS)


def own_records(move: Move, records: Sequence[Held]) -> list[Held]:
    """The records that a move is about. Raises ReservationOfAnother when it wants what others hold.

    Somebody else's tombstone holds nothing: it neither keeps the caller from anything nor stands for its own record.
    """
    mine = [record for record in records if is_owner(move, record)]
    others = [record for record in records if record.num and not is_owner(move, record)]
    named = {line.goods_id for line in move.lines}
    if others and (not mine or any(record.goods_id in named for record in others)):
        raise ReservationOfAnother(order_id=move.order_id)
    return mine or list(records)


def judge_finish(move: Move, records: Sequence[Held]) -> list[Held]:
    """Returns the records that the move ends. Raises RecordConflict when there are none, or they ended otherwise."""
    wrong = DEDUCTED if move.step is Step.ROLL_BACK else ROLLED_BACK
    if not records or any(record.status == wrong for record in records):
        found = Record.Status(wrong).label if records else _("not reserved")
        raise RecordConflict(order_id=move.order_id, wanted=WORDS[move.step], found=found)
    return [record for record in records if record.status == RESERVED]


def finished_line(step: Step, record: Held) -> Line:
    """What ending one record does to its product."""
    if step is Step.CONFIRM:
        return Line(record.goods_id, 0, -record.num, record.num)
    return Line(record.goods_id, record.num, -record.num, 0)


def is_there(move: Move, records: Sequence[Held]) -> bool:
    """Whether a move whose COMMIT had no reply was carried out."""
    if move.step is Step.RESERVE:
        return bool(records) and judge_reserve(move, records) is REPEATED
    wanted = {Step.CONFIRM: DEDUCTED, Step.ROLL_BACK: ROLLED_BACK, Step.DEDUCT: DEDUCTED}
    records = [record for record in records if is_owner(move, record)]
    return bool(records) and all(record.status == wanted[move.step] for record in records)
