"""Times as texts."""

from datetime import UTC, datetime

YEARS = range(2000, 2100)  # in which orders are placed and money is captured: other times are mistakes


def as_utc(moment: datetime) -> str:
    """A time in UTC, as ISO 8601 says it: 2026-11-11T12:00:00Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
