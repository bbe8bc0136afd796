"""Facts of the business in the log: a line for each, written after its COMMIT, never for what was undone or repeated.

Each app declares its own in `events.py`; docs/events.md lists them all. Every line has `request_id`, `actor`
(`customer:5`, `sweep`) and `ms`, the time since that request or round began. Ids are texts: 64 bits are more than most
readers of JSON take. What people are called, where they live and what they type stands in no line.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from charites.common.logs import Access, Origin, current_origin

LOGGER = "charites.events"
failures = structlog.get_logger(LOGGER)
ON_EVERY_LINE: Final = ("request_id", "actor", "ms")


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of fact: its name, what it means, and the fields of its lines beside those that every line has."""

    name: str
    meaning: str
    fields: tuple[str, ...]
    is_failure: bool = False

    def __post_init__(self) -> None:
        EVENTS[self.name] = self

    def tell(self, *values: Any, origin: Origin | None = None) -> None:
        """Writes one line; the values in the order of the fields. Call it after the commit."""
        self.tell_all([values], [origin or current_origin()])

    def tell_all(self, rows: Iterable[tuple[Any, ...]], origins: Iterable[Origin]) -> None:
        """Writes a line a row, each with its origin."""
        lines = [self._line(row, origin) for row, origin in zip(rows, origins, strict=True)]
        if self.is_failure:
            for line in lines:
                failures.error(self.name, **line)
        elif lines:
            Access.log.tell(lines, event=self.name, logger=LOGGER)

    def _line(self, row: tuple[Any, ...], origin: Origin) -> dict[str, Any]:
        line = {"request_id": origin.request_id, "actor": origin.actor, "ms": origin.ms()}
        line.update(zip(self.fields, row, strict=True))
        return line


EVENTS: dict[str, Event] = {}  # by name; all that are declared
