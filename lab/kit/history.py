"""What every client was told, beside what is true afterwards: each contradiction is a sentence.

Clients note each call before they make it and its answer when it comes (`History`). `read_truth` reads the rows once
everything has come to rest, and `contradictions` compares: "yes" means a row with these contents, "no" and "busy" mean
none, a call without an answer is resolved by asking again with the same key, the same key is the same order, no id
stands for two things. `miscounts` adds up the pieces.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

UNNAMED = "unnamed:"  # adjustments whose key no caller knows; see stock/services/adjusting.py
HOLDING, SOLD, CLOSED = (100,), (200, 400), 300


class Told(Enum):
    """What an answer says. Only one that is missing (or says that nobody knows) leaves a call open."""

    NEW = "yes, just now"
    OLD = "yes, before"
    YES = "yes"
    NO = "no"
    BUSY = "busy, nothing was done"
    NOTHING = "nothing"

    @property
    def is_yes(self) -> bool:
        return self in (Told.NEW, Told.OLD, Told.YES)


class Answer(NamedTuple):
    """`id`: what was made, in words of the shop; empty where an answer names nothing. `number`: that of a refusal."""

    told: Told
    id: str = ""
    number: int = 0


NO_ANSWER = Answer(Told.NOTHING)


@dataclass
class Call:
    """One call of one client. `key` names what it wants: the same key is the same wish."""

    client: str
    operation: str
    key: str
    contents: Mapping[str, Any]
    started: float
    ended: float = float("inf")
    answer: Answer = NO_ANSWER

    @property
    def told(self) -> Told:
        return self.answer.told

    @property
    def may_have_done_it(self) -> bool:
        """Whether this call, by what it was told, can be the one that had the effect."""
        return self.told in (Told.NEW, Told.YES, Told.NOTHING)


class History:
    """The calls of all clients, in the order in which they began. Nothing in it is ever changed or left out."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._mutex = threading.Lock()

    def begin(self, client: str, operation: str, key: str, contents: Mapping[str, Any]) -> Call:
        """Notes a call that is about to be made."""
        with self._mutex:
            self.calls.append(Call(client, operation, key, dict(contents), time.monotonic()))
            return self.calls[-1]

    def end(self, call: Call, answer: Answer) -> None:
        """Notes what came back, which may be nothing."""
        call.ended, call.answer = time.monotonic(), answer

    def told(self) -> Counter[Told]:
        """How often what was told."""
        return Counter(call.told for call in self.calls)

    def numbers(self, told: Told) -> set[int]:
        """The numbers that came with this answer."""
        return {call.answer.number for call in self.calls if call.told is told and call.answer.number}

    def summary(self) -> str:
        """What came of all calls, in words."""
        told = self.told()
        yes = sum(count for word, count in told.items() if word.is_yes)
        return (
            f"{len(self.calls)} calls by {len({call.client for call in self.calls})} customers: {yes} yes, "
            f"{told[Told.NO]} no, {told[Told.BUSY]} busy, {told[Told.NOTHING]} without an answer and asked again"
        )


class Effect(NamedTuple):
    """Something that is true now: a row, and whose call it comes from."""

    operation: str
    key: str
    id: str
    contents: Mapping[str, Any]


@dataclass
class Truth:
    """The rows after everything came to rest. All mappings go from a product's id to pieces; `stock`: available,
    reserved, sold."""

    effects: list[Effect] = field(default_factory=list)
    stock: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    added: Counter[int] = field(default_factory=Counter)
    held: Counter[int] = field(default_factory=Counter)
    sold: Counter[int] = field(default_factory=Counter)


def contradictions(calls: Iterable[Call], effects: Iterable[Effect]) -> list[str]:
    """Everything in which the rows differ from what clients were told, in words; nothing when all was true."""
    asked: dict[tuple[str, str], list[Call]] = defaultdict(list)
    done: dict[tuple[str, str], list[Effect]] = defaultdict(list)
    for call in calls:
        asked[call.operation, call.key].append(call)
    for effect in effects:
        done[effect.operation, effect.key].append(effect)
    found = [f"{' '.join(name)}: {what}" for name in sorted({*asked, *done}) for what in judge(asked[name], done[name])]
    return found + ids_of_two(asked, done)


def judge(calls: Sequence[Call], effects: Sequence[Effect]) -> Iterator[str]:
    """What is wrong with the calls of one key, and what they led to."""
    if len(effects) > 1:
        yield f"is there {len(effects)} times: {', '.join(effect.id for effect in effects)}"
    effect = effects[0] if effects else None
    if effect and not calls:
        yield f"{effect.id} is there, and nobody asked for it"
    if effect and calls and not any(call.told.is_yes or call.may_have_done_it for call in calls):
        yield f"{effect.id} is there, and everybody was told that nothing was done"
    for call in calls:
        if call.told.is_yes:
            yield from judge_yes(call, calls, effect)
        elif call.told is Told.NO and effect:
            yield from judge_no(call, calls, effect)
        elif call.told is Told.NOTHING and not is_resolved(call, calls):
            yield f"{call.client} had no answer, and nobody knows"


def judge_yes(call: Call, calls: Sequence[Call], effect: Effect | None) -> Iterator[str]:
    """A yes is a row, the one that was named, with what was asked for."""
    others = [other for other in calls if other is not call]
    if not effect:
        yield f"{call.client} was told {call.told.value!r} ({call.answer.id}), and it is not there"
        return
    if call.answer.id != effect.id:
        yield f"{call.client} was told {call.answer.id}, and it is {effect.id}"
    if call.contents != effect.contents:
        yield f"{call.client} was told {call.told.value!r} for {call.contents}, and {effect.contents} is there"
    if call.told is Told.NEW and any(other.told.is_yes and other.ended <= call.started for other in others):
        yield f"{call.client} was told 'just now' for what had been done before"
    if call.told is Told.NEW and any(other.told is Told.NEW and other.started > call.started for other in others):
        yield f"{call.client} was told 'just now', and so was somebody else"
    if call.told is Told.OLD and not any(other.may_have_done_it and other.started < call.ended for other in others):
        yield f"{call.client} was told 'before', and whoever asked before was told that nothing was done"


def judge_no(call: Call, calls: Sequence[Call], effect: Effect) -> Iterator[str]:
    """A no means that there is no such row, unless a call that began or ended later made it. Another wish under the
    same key is refused for good."""
    if call.contents != effect.contents:
        return
    makers = [other for other in calls if other.may_have_done_it and other.contents == effect.contents]
    if all(maker.ended <= call.started for maker in makers):
        yield f"{call.client} was told 'no' ({call.answer.number}) for what had been done: {effect.id}"


def is_resolved(call: Call, calls: Sequence[Call]) -> bool:
    """Whether the same was asked again, and answered with yes or no; busy is neither."""
    return any(other.started >= call.ended and (other.told.is_yes or other.told is Told.NO) for other in calls)


def ids_of_two(asked: Mapping[tuple[str, str], list[Call]], done: Mapping[tuple[str, str], list[Effect]]) -> list[str]:
    """Ids that stand for two things, or were told to two clients for two wishes."""
    names: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (operation, key), calls in asked.items():
        for call in calls:
            names[operation, call.answer.id].add(key)
    for (operation, key), effects in done.items():
        for effect in effects:
            names[operation, effect.id].add(key)
    return [
        f"{operation}: {name} stands for {' and '.join(sorted(keys))}"
        for (operation, name), keys in sorted(names.items())
        if name and len(keys) > 1
    ]


def miscounts(truth: Truth) -> list[str]:
    """Products whose pieces do not add up: what was added is available, held by open orders, or sold, once each."""
    found = []
    for goods_id in sorted({*truth.stock, *truth.added, *truth.held, *truth.sold}):
        available, reserved, sold = truth.stock.get(goods_id, (0, 0, 0))
        if available < 0:
            found.append(f"product {goods_id}: {available} available")
        for what, counted, rows in (
            ("added", available + reserved + sold, truth.added[goods_id]),
            ("reserved", reserved, truth.held[goods_id]),
            ("sold", sold, truth.sold[goods_id]),
        ):
            if counted != rows:
                found.append(f"product {goods_id}: {counted} {what} by its row, {rows} by what happened to it")
    return found


def read_truth(connection: Any) -> Truth:
    """Reads the rows of orders and stock over a connection of Django."""

    def rows(sql: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    truth = Truth()
    lines: dict[int, dict[str, int]] = defaultdict(dict)
    for order_id, goods_id, pieces in rows("SELECT order_id, goods_id, num FROM shopping_order_detail"):
        lines[order_id][str(goods_id)] = pieces
    orders = rows("SELECT order_id, user_id, idempotency_key, status, closed_by FROM shopping_order")
    for order_id, user_id, key, status, closed_by in orders:
        truth.effects.append(Effect("place", f"{user_id}/{key or order_id}", str(order_id), lines[order_id]))
        if status == CLOSED and closed_by == "user":
            truth.effects.append(Effect("cancel", str(order_id), str(order_id), {}))
        for goods_id, pieces in lines[order_id].items():
            truth.held[int(goods_id)] += pieces if status in HOLDING else 0
            truth.sold[int(goods_id)] += pieces if status in SOLD else 0
    for goods_id, delta, key in rows("SELECT goods_id, delta, idempotency_key FROM shopping_stock_adjustment"):
        truth.added[goods_id] += delta
        if not key.startswith(UNNAMED):
            truth.effects.append(Effect("adjust", key, "", {str(goods_id): delta}))
    for goods_id, *counts in rows("SELECT goods_id, num, `lock`, sold FROM shopping_stock"):
        truth.stock[goods_id] = (counts[0], counts[1], counts[2])
    return truth
