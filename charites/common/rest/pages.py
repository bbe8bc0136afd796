"""Lists over REST: a page at a time, with the addresses of the pages beside it."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from charites.common.models import DEFAULT_PAGE, MAX_PAGE
from charites.common.pages import Cursor, Page, Turn
from charites.common.rest.endpoint import shown
from charites.common.rest.fields import IdField, StrictSerializer, WholeNumberField

LIMIT = f"how many; {DEFAULT_PAGE} when left out"


class PagedSerializer(StrictSerializer):
    """Which page: the base of what a list is asked for."""

    before = IdField(required=False, help_text="only ids below this one; `next` and `previous` are filled in for you")
    after = IdField(required=False, min_value=0, help_text="only ids above this one")
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


def paged(serializer_class: type[PageSerializer], request: Request, page: Page[Any], name: str) -> Response:
    """Answers a page: its items, by this name, and the addresses of the pages beside it."""
    links = {"next": address(request, page.next), "previous": address(request, page.previous)}
    return Response(shown(serializer_class, {name: page.items, **links}))


def address(request: Request, turn: Turn | None) -> str | None:
    if turn is None:
        return None
    query = request.query_params.copy()
    for name in ("before", "after"):
        query.pop(name, None)
    query[turn.way] = str(turn.number)
    return f"{request.path}?{query.urlencode(safe=':,')}"
