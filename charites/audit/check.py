"""A rule, and what was found of those who break it."""

from dataclasses import dataclass, field

MAX_IDS = 100  # named of each check; the rest is counted


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. `sql` selects the key of every row that breaks it; it may use %(currency)s, and two times: what is
    older than %(grace_end)s is past its grace period, and what is older than %(patient)s also if the payment provider
    was not answering."""

    id: str
    meaning: str
    sql: str


@dataclass(slots=True)
class Result:
    """What one check found: how many rows, and the ids of the first of them (columns of a key joined by '/').

    `database`: whose it is, by service, such as "stock"; "orders + stock" of a comparison of two.
    """

    check: Check
    database: str
    total: int = 0
    ids: list[str] = field(default_factory=list)
