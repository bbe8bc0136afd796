"""A rule, and what was found of those who break it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. `sql` selects the key of every row that breaks it; it may use %(settled)s, the time before which
    everything has had its time to settle, and %(currency)s."""

    id: str
    meaning: str
    sql: str


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found: how many rows, and the ids of the first of them (columns of a key joined by '/')."""

    check: Check
    total: int
    ids: list[str]
