"""Lists over REST: a page at a time, with the addresses of the pages beside it."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.request import Request

from charites.common.models import DEFAULT_PAGE, MAX_PAGE
from charites.common.pages import Cursor, Item, Page
from charites.common.rest.fields import IdField, StrictSerializer, WholeNumberField

LIMIT = f"how many; {DEFAULT_PAGE} when left out"


class PagedSerializer(StrictSerializer):
    """Which page: the base of what a list is asked for."""

    before = IdField(required=False, help_text="only ids below this one; `next` and `previous` are filled in for you")
    after = IdField(required=False, help_text="only ids above this one")
    limit = WholeNumberField(required=False, min_value=1, max_value=MAX_PAGE, help_text=LIMIT)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "before" in attrs and "after" in attrs:
            raise serializers.ValidationError({"after": _("cannot be asked for together with before")})
        return attrs


class PageSerializer(serializers.Serializer[Any]):
    """The base of the answer."""

    next = serializers.CharField(allow_null=True, help_text="the address of the next page; null on the last one")
    previous = serializers.CharField(allow_null=True, help_text="the address of the page before; null on the first one")


def cursor_of(query: dict[str, Any]) -> Cursor:
    """Takes which page is asked for out of a checked query."""
    return Cursor(query.pop("before", None), query.pop("after", None), query.pop("limit", DEFAULT_PAGE))


def links(request: Request, page: Page[Item], id_of: Callable[[Item], int], *, upwards: bool = False) -> dict[str, Any]:
    """The addresses of the pages beside one; `upwards`: the list goes from low ids to high ones."""
    if not page.items:
        return {"next": None, "previous": None}
    onwards, back = ("after", "before") if upwards else ("before", "after")
    return {
        "next": address(request, {onwards: id_of(page.items[-1])}) if page.has_next else None,
        "previous": address(request, {back: id_of(page.items[0])}) if page.has_previous else None,
    }


def address(request: Request, cursor: Mapping[str, int]) -> str:
    query = request.query_params.copy()
    for name in ("before", "after"):
        query.pop(name, None)
    query.update({name: str(value) for name, value in cursor.items()})
    return f"{request.path}?{query.urlencode(safe=':,')}"
