"""Times on the pages, as they are without scripts."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from live.templatetags.live_times import when

EAST = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("day", "2026-11-11 12:00 UTC"),
        ("moment", "2026-11-11 12:00:05 UTC"),
        ("minute", "12:00 UTC"),
        ("second", "12:00:05 UTC"),
    ],
)
def test_moment_is_shown_in_utc_and_says_itself_exactly(form: str, text: str) -> None:
    for moment in (datetime(2026, 11, 11, 12, 0, 5, tzinfo=UTC), datetime(2026, 11, 11, 20, 0, 5, tzinfo=EAST)):
        assert when(moment, form) == f'<time datetime="2026-11-11T12:00:05+00:00" data-when="{form}">{text}</time>'
