"""What this process remembers of goods and rooms for a moment, and forgets when they change here."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from charites.common.recent import Recent
from charites.common.replies import MOST, SECONDS, Replies

Key = TypeVar("Key", bound=Hashable)

_all: list[Recent[Any, Any]] = []


def replies(make: Callable[[Key], bytes]) -> Replies[Key]:
    """Replies made from goods and rooms."""
    recent: Recent[Key, bytes] = Recent(SECONDS, MOST)
    _all.append(recent)
    return Replies(make, recent)


def clear() -> None:
    """Forgets everything, as if nothing had ever been read."""
    for recent in _all:
        recent.clear()


def forget() -> None:
    """For whoever has changed goods, rooms or their lists, after the commit."""
    for recent in _all:
        recent.forget()
