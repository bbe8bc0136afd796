"""By what the list of orders is filtered, beside its columns."""

from itertools import chain

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from charites.common.pages import Cursor
from goods import selectors as goods_selectors
from goods.models import Room
from orders.models import Order

ROOMS_TO_FILTER_BY = 20  # of each status


class RoomFilter(admin.SimpleListFilter):
    """The first rooms that are live, and the first that are not, by their titles."""

    title = _("room")
    parameter_name = "room"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        if "goods" not in settings.APPS:  # elsewhere there is no table of them
            return []
        cursor = Cursor(limit=ROOMS_TO_FILTER_BY)
        rooms = chain.from_iterable(goods_selectors.page_rooms(status, cursor).items for status in Room.Status)
        return [(str(room.room_id), room.title) for room in rooms]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        known = self.value() in {number for number, _title in self.lookup_choices}
        return queryset.filter(room_id=self.value()) if known else queryset
