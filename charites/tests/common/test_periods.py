"""Spans of time by their names."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from charites.common.periods import Period, period_of, words_between

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _berlin():
    with timezone.override(BERLIN):
        yield


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "starts_at", "ends_at"),
    [
        ("today", at(2026, 11, 28, 23), at(2026, 11, 29, 23)),
        ("24h", at(2026, 11, 28, 12), None),
        ("7d", at(2026, 11, 22, 12), None),
        ("2026", at(2025, 12, 31, 23), at(2026, 12, 31, 23)),
        ("2026-12", at(2026, 11, 30, 23), at(2026, 12, 31, 23)),
        ("2026-03-29", at(2026, 3, 28, 23), at(2026, 3, 29, 22)),  # the clocks are put forward
        ("2026-10-25", at(2026, 10, 24, 22), at(2026, 10, 25, 23)),  # and back
        ("2099-12-31", at(2099, 12, 30, 23), at(2099, 12, 31, 23)),
    ],
)
def test_word_is_a_span_of_the_active_zone(word, starts_at, ends_at):
    assert period_of(word, NOON) == Period(starts_at, ends_at)


@pytest.mark.parametrize(
    "word", ["", "yesterday", "0000", "2026-13", "1999-13", "2026-00", "2026-02-29", "2026-1-1", "２０２６", "20261"]
)
def test_other_words_are_none(word):
    assert period_of(word, NOON) is None


@pytest.mark.parametrize("word", ["0001-01-01", "1969-12-31", "1999", "2100", "3000-12", "9999", "9999-12-31"])
def test_years_in_which_nothing_happens_take_no_time(word):
    period = period_of(word, NOON)

    assert period is not None
    assert period.starts_at == period.ends_at


def words(first: datetime, last: datetime, word: str) -> list[str]:
    return [found for found, _starts_at in words_between(first, last, word)]


def test_months_are_those_of_the_last_year_that_had_something():
    assert words(at(2026, 9, 30, 12), NOON, "") == ["2026-09", "2026-10", "2026-11"]
    assert words(at(2026, 9, 30, 23), NOON, "today") == ["2026-10", "2026-11"]  # it was October in Berlin


def test_years_are_named_where_there_are_several_and_months_are_those_of_the_chosen_one():
    assert words(at(2025, 11, 1), at(2026, 1, 5), "") == ["2025", "2026", "2026-01"]
    assert words(at(2025, 11, 1), at(2026, 1, 5), "2025") == ["2025", "2026", "2025-11", "2025-12"]
    assert words(at(2025, 11, 1), at(2026, 1, 5), "1999") == ["2025", "2026"]


def test_days_are_those_of_the_chosen_month():
    days = ["2026-11-27", "2026-11-28", "2026-11-29"]

    assert words(at(2026, 11, 27), NOON, "2026-11") == ["2026-11", *days]
    assert words(at(2026, 11, 27), NOON, "2026-11-28") == ["2026-11", *days]
    assert words(at(2026, 11, 27), NOON, "2026-13") == ["2026-11"]
