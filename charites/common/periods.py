"""Spans of time as people name them: today, the last days, a year, a month, a day; in the zone that is active."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from charites.common.times import YEARS

TODAY = "today"
LAST = {"24h": timedelta(hours=24), "7d": timedelta(days=7)}  # until now
DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """From a moment until before another; None: whatever comes."""

    starts_at: datetime
    ends_at: datetime | None = None


def period_of(word: str, now: datetime) -> Period | None:
    """Returns what a word means: `today`, a key of LAST, `2026`, `2026-11` or `2026-11-29`; None: nothing. Other years
    than those in which something happens take no time."""
    if word in LAST:
        return Period(now - LAST[word])
    if word == TODAY:
        return day_of(now)
    found = DATE.fullmatch(word)
    if not found:
        return None
    year, *rest = (int(part) for part in found.groups() if part)
    try:
        starts_at = moment(year, *rest)
    except ValueError:  # there is no such day
        return None
    if year not in YEARS:
        return Period(moment(YEARS[0]), moment(YEARS[0]))
    if len(rest) == 2:
        return day_of(starts_at)
    return Period(starts_at, month_after(starts_at) if rest else moment(year + 1))


def day_of(time: datetime) -> Period:
    """The day in which a moment lies; two of the year may have 23 or 25 hours."""
    local = timezone.localtime(time)
    day = moment(local.year, local.month, local.day)
    following = (day + timedelta(days=1)).date()
    return Period(day, moment(following.year, following.month, following.day))


def month_after(time: datetime) -> datetime:
    return moment(time.year + time.month // 12, time.month % 12 + 1)


def moment(year: int, month: int = 1, day: int = 1) -> datetime:
    """When a day begins."""
    return datetime(year, month, day, tzinfo=timezone.get_current_timezone())


def words_between(first: datetime, last: datetime, word: str) -> Iterator[tuple[str, datetime]]:
    """Yields the years from `first` to `last` if there are several, then the months of one year and the days of one
    month: of those that `word` names; a word that names none: the months of the last year. Each with its beginning."""
    first, last = timezone.localtime(first), timezone.localtime(last)
    found = DATE.fullmatch(word)
    year = int(found[1]) if found else last.year
    if first.year < last.year:
        yield from ((str(past), moment(past)) for past in range(first.year, last.year + 1) if past in YEARS)
    if year not in YEARS:
        return
    for month in range(1, 13):
        starts_at = moment(year, month)
        if first < month_after(starts_at) and starts_at <= last:
            yield f"{year}-{month:02}", starts_at
    if found and found[2] and 1 <= int(found[2]) <= 12:
        day = moment(year, int(found[2]))
        end = month_after(day)
        while day < end:
            if first < day + timedelta(days=1) and day <= last:
                yield f"{day:%Y-%m-%d}", day
            day += timedelta(days=1)
