"""What other systems may want to hear of: told inside the transaction that causes it, so that it commits with it.

The apps announce; who keeps and delivers it registers here when Django starts, since no app but orders knows messaging.
Nothing is kept of what nobody has subscribed to. Why: docs/adr/0037-webhooks.md.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.utils.functional import Promise

from charites.common.transactions import joined

Data = Mapping[str, Any]  # JSON, with ids as strings
Read = Callable[[Sequence[str]], Mapping[str, Data]]


class Kind(NamedTuple):
    """A kind of event: its name for receivers, and what it means, for people. `read`: where what is told stands in rows
    that stay as they are, events are kept as their keys, and this returns the data of each key once it is needed."""

    name: str
    meaning: str | Promise  # translated for who reads it
    read: Read | None = None


class Announcement(NamedTuple):
    """One event. `key`: of what it is about; events of one key reach a receiver in the order of their commits. `data`:
    None where its kind reads it later."""

    kind: Kind
    key: str
    data: Data | None = None


KINDS: dict[str, Kind] = {}  # by name; all that are declared
Wanted = Callable[[], frozenset[str]]
Store = Callable[[Sequence[Announcement]], None]
_wanted: Wanted = frozenset
_store: Store = lambda announcements: None  # noqa: E731 (until somebody registers)


def declare(name: str, meaning: str | Promise, read: Read | None = None) -> Kind:
    """Makes a kind known to those who subscribe."""
    KINDS[name] = Kind(name, meaning, read)
    return KINDS[name]


def register(wanted: Wanted, store: Store) -> None:
    """Says who keeps announcements: the names of the kinds that somebody wants now, and a function that stores them in
    the caller's transaction."""
    global _wanted, _store  # noqa: PLW0603 (once, when Django starts)
    _wanted, _store = wanted, store


def is_wanted(*kinds: Kind) -> bool:
    """Whether it is worth to put such an announcement together."""
    wanted = _wanted()
    return bool(wanted) and any(kind.name in wanted for kind in kinds)


def announce(announcements: Iterable[Announcement]) -> None:
    """Keeps what somebody wants of these, inside the caller's transaction, as one row. (The one strategy that has none,
    to show what comes of it, gets one for this.)"""
    wanted = _wanted()
    if chosen := [announcement for announcement in announcements if announcement.kind.name in wanted]:
        with joined(savepoint=False):
            _store(chosen)
