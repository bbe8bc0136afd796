"""Units that store groups of these names, the errors of a database, and the runner's clock."""

from collections.abc import Mapping, Sequence

from django.contrib.auth.models import Group
from django.db import OperationalError, connection

from charites.common.transactions import Undone, Unit

DEADLOCK = OperationalError(1213, "Deadlock found")
CUT = OperationalError(2013, "Lost connection")
TOO_MANY = OperationalError(1040, "Too many connections")
NO_SUCH_VALUE = OperationalError(1366, "Incorrect string value")


class Time:
    """The runner's clock: nothing waits, and `seconds` is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Names(Unit[str, str]):
    """Stores groups of these names. `fails`: what the tries raise, one after the other, after they have written;
    `bad`: names whose transaction raises, whenever it is run."""

    name = "names"

    def __init__(self, *fails: Exception | None, bad: Mapping[str, Exception] | None = None) -> None:
        self.fails, self.bad = list(fails), bad or {}
        self.tried: list[tuple[list[str], int]] = []
        self.known: dict[str, str] = {}
        self.asked_before: list[tuple[list[str], int]] = []
        self.asked_after: list[list[str]] = []
        self.can_find = True

    def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
        self.asked_before.append((list(items), attempt))
        return {item: self.known[item] for item in items if item in self.known}

    def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
        self.tried.append((list(items), attempt))
        Group.objects.bulk_create(Group(name=item) for item in items)
        if self.fails and (error := self.fails.pop(0)):
            raise error
        for item in items:
            if item in self.bad:
                raise self.bad[item]
        return dict.fromkeys(items, "done")

    def find(self, items: Sequence[str]) -> Mapping[str, str] | None:
        self.asked_after.append(list(items))
        assert connection.in_atomic_block
        stored = Group.objects.filter(name__in=items).select_for_update().values_list("name", flat=True)
        return dict.fromkeys(stored, "found") if self.can_find else None

    def undone(self, item: str, how: Undone, error: Exception) -> str:
        return f"{item} {how.value}: {error}"


def stored() -> list[str]:
    return sorted(Group.objects.values_list("name", flat=True))


def make_group() -> str:
    return Group.objects.create(name="a").name
