"""By what the list of orders is filtered, beside its columns."""

from datetime import datetime
from itertools import chain
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from charites.common import clock
from charites.common.pages import Cursor
from charites.common.periods import TODAY, Period, period_of, words_between
from charites.common.text import whole
from goods import selectors as goods_selectors
from goods.models import Room
from orders import selectors
from orders.lists import OrderFilter, numbered_within, placed_within
from orders.models import Order

ROOMS_TO_FILTER_BY = 20  # of each status
LATER = 10_000  # orders that are looked at besides
LATELY = {TODAY: pgettext_lazy("placed", "Today"), "24h": _("Last 24 hours"), "7d": _("Last 7 days")}
FORMATS = {4: "Y", 7: "YEAR_MONTH_FORMAT", 10: "MONTH_DAY_FORMAT"}  # by the length of the word


class RoomFilter(admin.SimpleListFilter):
    """The first rooms that are live, and the first that are not, by their titles; any other by its number in the
    address."""

    title = _("room")
    parameter_name = "room"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        if "goods" not in settings.APPS:  # elsewhere there is no table of them
            return []
        cursor = Cursor(limit=ROOMS_TO_FILTER_BY)
        rooms = chain.from_iterable(goods_selectors.page_rooms(status, cursor).items for status in Room.Status)
        words = {str(room.room_id): room.title for room in rooms}
        if self.value() and self.value() not in words:
            words[str(self.value())] = str(self.value())
        return list(words.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if not self.value():
            return queryset
        room_id = whole(self.value())
        return queryset.none() if room_id is None else queryset.filter(room_id=room_id)


class RefundedFilter(admin.SimpleListFilter):
    """Whether money of an order has been sent back, or is on its way: its status does not say so."""

    title = pgettext_lazy("money", "refunded")
    parameter_name = "refunded"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, Any]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if not self.value():
            return queryset
        if self.value() not in ("yes", "no"):
            raise IncorrectLookupParameters
        return selectors.refunded(queryset, is_refunded=self.value() == "yes")


class PlacedFilter(admin.SimpleListFilter):
    """When an order was placed: lately, or in a year, a month, a day of those in which there were any.

    Django's own hierarchy of dates reads the whole table for that; here two orders say from when to when.
    """

    title = _("placed")
    parameter_name = "placed"
    has_many_after: bool | None = None

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, Any]]:
        span = selectors.find_span()
        past = words_between(*span, self.value() or "") if span else ()
        return [*LATELY.items(), *((word, date_format(starts_at, FORMATS[len(word)])) for word, starts_at in past)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if not self.value():
            return queryset
        period = period_of(self.value() or "", clock.now())
        if period is None:
            raise IncorrectLookupParameters
        wanted = OrderFilter(placed_from=period.starts_at, placed_until=self.known_end(period))
        rows = numbered_within(wanted, queryset).filter(placed_within(wanted))
        return rows.filter(created_at__lt=period.ends_at) if period.ends_at else rows

    def known_end(self, period: Period) -> datetime | None:
        """The end of a period, where numbers have to say which orders came after it. Of a few it can be seen: those of
        the demo that were placed in the past have numbers of the day on which they were made up."""
        if period.ends_at and self.has_many_after is None:
            self.has_many_after = selectors.count_placed_after(period.ends_at, most=LATER + 1) > LATER
        return period.ends_at if self.has_many_after else None
