"""How a strategy did in a race: counts, times, and the verdict."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lab.race.race_plan import Plan

SHORTEST_SECONDS = 1.0  # of what a rate can be told
EXACT, OVERSOLD, STRANDED, OVER_LIMIT = "exact", "oversold", "stranded", "over limit"


class Answer(NamedTuple):
    """What one buyer was told: sold, refused, limited, busy or error. Times in seconds, on one clock."""

    order_id: int
    told: str
    begun: float
    ended: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What buyers have after a race with a limit, as their orders say. `pieces`: (buyer, goods_id) -> pieces; `buyers`:
    order_id -> buyer; `broken`: what the audit found."""

    pieces: dict[tuple[int, int], int]
    buyers: dict[int, int]
    broken: list[str]

    @property
    def most(self) -> int:
        """The most pieces of a product that one buyer has."""
        return max(self.pieces.values(), default=0)

    def after(self, order_id: int, basket: dict[int, int]) -> int:
        """The most pieces of a product that the buyer of an attempt would have with it, too."""
        return max(self.pieces.get((self.buyers[order_id], goods_id), 0) + n for goods_id, n in basket.items())


@dataclass(frozen=True, slots=True)
class Result:
    """One strategy's race. Dictionaries are by goods_id, in pieces.

    `expected` is the verdict that it must get; None where either will do. `retries` is None where nobody can tell.
    `claims` are (seconds since the start, pieces left according to the column).
    """

    strategy: str
    safe: bool
    expected: str | None
    plan: Plan
    baskets: dict[int, dict[int, int]]
    answers: list[Answer]
    receipts: dict[int, int]
    column_left: int
    retries: dict[str, int] | None
    claims: list[tuple[float, int]] = field(default_factory=list)
    held: Held | None = None

    @property
    def began(self) -> float:
        return min(answer.begun for answer in self.answers)

    @property
    def stock(self) -> int:
        """Pieces that there were, of all goods together."""
        return self.plan.stock * self.plan.goods

    @property
    def sold(self) -> int:
        """Pieces that accepted orders hold: the receipts are counted, as the column cannot be believed."""
        return sum(self.receipts.values())

    @property
    def oversold(self) -> int:
        return sum(max(0, sold - self.plan.stock) for sold in self.receipts.values())

    def told(self, *kinds: str) -> int:
        """How many buyers were told so."""
        return sum(answer.told in kinds for answer in self.answers)

    @property
    def errors(self) -> int:
        """Buyers who met an error, and pieces by which the receipts differ from what buyers were told."""
        accepted = sum(pieces for _at, pieces in self.acceptances())
        return self.told("error") + abs(self.sold - accepted)

    def acceptances(self) -> list[tuple[float, int]]:
        """(seconds since the start, pieces) of each accepted order, in order of time."""
        accepted = [answer for answer in self.answers if answer.told == "sold"]
        return sorted((a.ended - self.began, sum(self.baskets[a.order_id].values())) for a in accepted)

    @property
    def seconds(self) -> float:
        """From the start to the last answer."""
        return max(answer.ended for answer in self.answers) - self.began

    @property
    def has_rate(self) -> bool:
        """Whether it took long enough to say how many orders a second."""
        accepted = self.acceptances()
        return bool(accepted) and accepted[-1][0] >= SHORTEST_SECONDS

    @property
    def orders_per_second(self) -> float:
        """Accepted orders per second, until the last of them was accepted."""
        accepted = self.acceptances()
        return len(accepted) / accepted[-1][0] if accepted else 0.0

    def milliseconds(self, *kinds: str) -> list[float]:
        """How long the buyers who were told so (everybody: none named) waited, sorted."""
        return sorted((a.ended - a.begun) * 1000 for a in self.answers if not kinds or a.told in kinds)

    def percentile(self, percent: int) -> float:
        """The time within which so many percent of the buyers had their answer, in milliseconds (nearest rank)."""
        waits = self.milliseconds()
        return waits[max(0, -(-len(waits) * percent // 100) - 1)]

    @property
    def verdict(self) -> str:
        if self.oversold:
            return OVERSOLD
        if self.held and self.held.most > self.plan.limit_per_buyer:
            return OVER_LIMIT
        left = {goods_id: self.plan.stock - sold for goods_id, sold in self.receipts.items()}
        refused = [self.baskets[answer.order_id] for answer in self.answers if answer.told == "refused"]
        stranded = any(all(left[goods_id] >= n for goods_id, n in basket.items()) for basket in refused)
        return STRANDED if stranded or self.limited_early else EXACT

    @property
    def limited_early(self) -> bool:
        """Whether a buyer was told of the limit who does not even have as much at the end."""
        limited = [answer.order_id for answer in self.answers if answer.told == "limited"]
        limit = self.plan.limit_per_buyer
        return any(self.held.after(n, self.baskets[n]) <= limit for n in limited) if self.held else False

    @property
    def fault(self) -> str | None:
        """Why this result fails the race, in words; None when it is as it should be."""
        if self.expected and self.verdict != self.expected:
            return f"{self.strategy} should have been {self.expected} and was {self.verdict}."
        if self.safe and self.errors:
            return f"{self.strategy} met {self.errors} errors, such as {self.first_error()}."
        if self.safe and self.column_left != self.stock - self.sold:
            return f"{self.strategy}: the column claims {self.column_left} left, and {self.stock - self.sold} are."
        if self.held and self.held.broken:
            return f"{self.strategy}: the audit names {', '.join(self.held.broken)}."
        return None

    def first_error(self) -> str:
        kinds = Counter(answer.why for answer in self.answers if answer.told == "error")
        return kinds.most_common(1)[0][0] if kinds else "answers that differ from the receipts"

    def as_json(self) -> dict[str, Any]:
        return {
            "strategy": self.strategy,
            "stock": self.stock,
            "buyers": len(self.answers),
            "sold": self.sold,
            "oversold": self.oversold,
            "column_left": self.column_left,
            "refused": self.told("refused"),
            "busy": self.told("busy"),
            "retries": None if self.retries is None else sum(self.retries.values()),
            "deadlocks": None if self.retries is None else self.retries.get("deadlock", 0),
            "errors": self.errors,
            "orders_per_s": round(self.orders_per_second, 1),
            "p50_ms": round(self.percentile(50), 2),
            "p95_ms": round(self.percentile(95), 2),
            "p99_ms": round(self.percentile(99), 2),
            "verdict": self.verdict,
            **(self._limit_as_json(self.held) if self.held else {}),
        }

    def _limit_as_json(self, held: Held) -> dict[str, Any]:
        return {
            "limit_per_buyer": self.plan.limit_per_buyer,
            "limited": self.told("limited"),
            "most_of_a_buyer": held.most,
        }


@dataclass(frozen=True, slots=True)
class Race:
    """All results, and what they were measured on."""

    plan: Plan
    database: str
    durability: dict[str, str]
    machine: str
    results: list[Result]

    @property
    def faults(self) -> list[str]:
        return [result.fault for result in self.results if result.fault]

    def as_json(self) -> dict[str, Any]:
        return {
            "database": self.database,
            "durability": self.durability,
            "concurrency": {"processes": self.plan.processes, "threads": self.plan.threads},
            "strategies": [result.as_json() for result in self.results],
        }
