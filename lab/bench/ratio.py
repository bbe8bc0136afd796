"""Ratios measured side by side in one run: on a shared machine an absolute figure is worth nothing an hour later."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from lab.bench.native import Load
from lab.bench.stage import Stage, cpu_seconds

FULL_SECONDS = 5  # a turn of at least so long: everything in its full size; a quick run has shorter ones


def nothing() -> None:
    """No preparation."""


@dataclass(frozen=True)
class Contestant:
    """Something that is loaded for some seconds; `load` says what was carried out. `pids` are all who work for it
    beside the servers; None: they are not ours to look at. `prepare` comes before each load and is not measured."""

    name: str
    load: Callable[[int], Load]
    pids: Sequence[int] | None
    prepare: Callable[[], object] = nothing


@dataclass
class Ratio:
    """One line of the report. `floor`: short of it something is broken; `goal`: what is wanted. Where the goal is lower
    than the floor, less is better. `is_sound`: whether the load was what the name says; if not, nothing is reached."""

    name: str
    floor: float
    goal: float
    rounds: list[float] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    is_sound: bool = True

    @property
    def median(self) -> float:
        return median(self.rounds)

    @property
    def is_reached(self) -> bool:
        return self.reached(self.floor) >= 1

    def reached(self, bound: float) -> float:
        """How much of the floor or the goal the median reaches: 1 is all of it, 2 is twice as good."""
        if not self.is_sound:
            return 0
        return bound / self.median if self.goal < self.floor else self.median / bound

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "median": round(self.median, 3),
            "range": [round(min(self.rounds), 3), round(max(self.rounds), 3)],
            "floor": self.floor,
            "goal": self.goal,
            "details": self.details,
            "is_sound": self.is_sound,
        }


class Rates:
    """Contestants in turn, there and back (A B B A), round after round. `of`: what each got a second in each round;
    `micros`: the microseconds of CPU of an answer in each turn, `server_micros` what the servers have of them."""

    def __init__(self, stage: Stage, contestants: Sequence[Contestant], *, rounds: int, seconds: int) -> None:
        self.of: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
        self.micros: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
        self.server_micros: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
        for contestant in contestants:  # warm
            contestant.prepare()
            contestant.load(1)
        for _ in range(rounds):
            sums = dict.fromkeys(self.of, 0.0)
            for contestant in [*contestants, *reversed(contestants)]:
                contestant.prepare()
                pids, servers = ([], []) if contestant.pids is None else (contestant.pids, stage.servers())
                spent, by_servers = cpu_seconds(pids), cpu_seconds(servers)
                load = contestant.load(seconds)
                by_servers = (cpu_seconds(servers) - by_servers) / max(1, load.answers) * 1e6
                own = (cpu_seconds(pids) - spent) / max(1, load.answers) * 1e6
                self.micros[contestant.name].append(own + by_servers)
                self.server_micros[contestant.name].append(by_servers)
                sums[contestant.name] += load.rate / 2
            for name, rate in sums.items():
                self.of[name].append(rate)

    def ratio(self, name: str, ours: str, theirs: str, *, floor: float, goal: float) -> Ratio:
        rounds = [mine / other for mine, other in zip(self.of[ours], self.of[theirs], strict=True)]
        return Ratio(name, floor, goal, rounds, [self.describe(ours), self.describe(theirs)])

    def describe(self, name: str) -> str:
        cpu = f", {median(self.micros[name]):.0f} µs of CPU each" if any(self.micros[name]) else ""
        return f"{name}: {median(self.of[name]):,.0f}/s{cpu}"
