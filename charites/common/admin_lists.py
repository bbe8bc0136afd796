"""Lists of the admin over tables of any size: what a page costs does not depend on how long the table is.

A list that begins with its newest rows has the newest ten thousand. A filter whose index goes on in the order of the
list is applied before, so it has as many of its kind; what a filter with any index finds is listed whole, unless there
is much of it; other filters look at the newest two hundred thousand. A search finds numbers and keys among all rows,
and other texts among as many as a filter.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from django.contrib import messages
from django.contrib.admin import ModelAdmin, ShowFacets
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.paginator import Page, Paginator
from django.db.models import DateTimeField, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from charites.common.replicas import may_be_old, wants_fresh
from charites.common.text import whole

LISTED = 10_000
LOOKED_AT = 200_000  # where rows have to be read to know whether they are meant
MOST_FOUND = 1_000  # by each column that the search looks at
EQUAL = ("", "__exact", "__in", "__isnull", "__id__exact")  # what a list is asked about a column, or a relation
WITHIN = ("__gte", "__lt", "__lte")  # and about a time, besides
SEARCH_IS_CUT = "search_is_cut"  # on a request: its search has not looked at, or not found, everything


class Total(NamedTuple):
    """A sum over what is listed, for people, and what there is to say of a part of it."""

    of_all: str
    of_part: str


class AskedList(ChangeList):
    """A list whose address somebody may have made by hand."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(request, *args, **kwargs)
        except (OverflowError, ValueError, DisallowedModelAdminLookup) as error:
            if not request.GET:
                raise
            # Of an address that was made by hand: the year 99999, or a column that nobody is asked for.
            raise IncorrectLookupParameters from error


class NewestRows(AskedList):
    """The rows of one list. `is_cut`: there are older ones. `total`: of all that is listed, on every page."""

    model_admin: "ListAdmin"
    is_cut = False
    total: Total | None = None

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        if self.query or not self.model_admin.newest_by:
            self.is_cut = getattr(request, SEARCH_IS_CUT, False)
            return rows
        admin = self.model_admin
        if self.is_rare(self.narrowed(request, admin.indexed_filters)):
            return rows
        has_others = any(spec.used_parameters and not named(spec, admin.ordered_filters) for spec in self.filter_specs)
        kind = self.narrowed(request, admin.ordered_filters)
        newest = admin.among_newest(kind, most=LOOKED_AT if has_others else LISTED)
        self.is_cut = newest is not None
        return rows if newest is None else rows.filter(newest)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = self.model_admin.completed(list(self.result_list))
        self.total = self.model_admin.total_of(self.queryset)

    def narrowed(self, request: HttpRequest, names: Sequence[str]) -> QuerySet[Any]:
        """What the chosen filters among these leave of all rows."""
        rows = self.root_queryset
        for spec in self.filter_specs:
            if named(spec, names) and spec.used_parameters:
                rows = cast("QuerySet[Any]", spec.queryset(request, rows))
        return rows

    def is_rare(self, rows: QuerySet[Any]) -> bool:
        """Whether some filter has left rows that are no more than may be looked at."""
        is_whole = rows is self.root_queryset
        return not is_whole and rows.order_by().values("pk")[: LOOKED_AT + 1].count() <= LOOKED_AT


def named(spec: Any, names: Sequence[str]) -> bool:
    """Whether a filter is that of one of these columns, or has one of these names of its own."""
    return (getattr(spec, "field_path", None) or getattr(spec, "parameter_name", None)) in names


class KeysFirst(Paginator):  # type: ignore[type-arg]
    """Finds the keys of a page before its rows: the rows of the pages before it are not read."""

    def page(self, number: int | str) -> Page[Any]:
        page, rows = super().page(number), cast("QuerySet[Any]", self.object_list)
        keys = cast("QuerySet[Any]", page.object_list).values_list("pk", flat=True)
        page.object_list = rows.filter(pk__in=list(keys))
        return page


class AskedAdmin(ModelAdmin):  # type: ignore[type-arg]
    """Lists that are asked only what their own pages ask."""

    id_fields: Sequence[str] = ()  # integers that the search box finds by equality
    key_fields: Sequence[str] = ()  # texts with an index, that it finds by how they begin

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AskedList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what filters and links ask for: Django lets whoever sees a list try every other comparison of every
        column, such as patterns that take the database hours, or receivers letter by letter."""
        filters = [str(getattr(known, "parameter_name", known)) for known in self.get_list_filter(request)]
        times = [column.name for column in self.opts.fields if isinstance(column, DateTimeField)]
        asked = {name + kind for name in (*filters, *self.id_fields, *self.key_fields) for kind in EQUAL}
        return lookup in asked | {name + kind for name in filters if name in times for kind in WITHIN}

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *where: Any) -> HttpResponse | None:
        """Refuses keys that no row has. Every model in the admin has a number for one."""
        if any(whole(key) is None for key in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            self.message_user(request, _("What was chosen is not on this list. Nothing was done."), messages.ERROR)
            return None
        return super().response_action(request, queryset, *where)


class ListAdmin(AskedAdmin):
    """Lists and searches that bear large tables."""

    paginator = KeysFirst
    change_list_template = "charites_common/change_list.html"
    show_facets = ShowFacets.NEVER  # a count for every choice of every filter
    show_full_result_count = False  # a second count of the whole table for every search
    prefix_fields: Sequence[str] = ()  # texts without one
    search_user_id = False
    search_help_text = _("Finds numbers and names of users that are typed whole, and other texts by how they begin.")
    indexed_filters: Sequence[str] = ()  # an index begins with them
    ordered_filters: Sequence[str] = ()  # and goes on with the column that the list is in the order of

    @property
    def newest_by(self) -> str | None:
        """The column that a list of newest rows is in the order of; catalogues are listed whole."""
        first = str(self.ordering[0]) if self.ordering else ""
        return first[1:] if first.startswith("-") else None

    def among_newest(self, rows: QuerySet[Any], *, most: int) -> Q | None:
        """The condition that selects the newest of these rows; None when there are no others."""
        name = str(self.newest_by)
        values = rows.order_by(f"-{name}").values_list(name, flat=True)
        last = list(values[most - 1 : most + 1])
        # From both sides: of rows of the past, those that came after them are not looked at again.
        return Q(**{f"{name}__gte": last[0], f"{name}__lte": values[0]}) if len(last) > 1 else None

    def completed(self, rows: Sequence[Any]) -> list[Any]:
        """Returns the rows of one page with what else is shown of them."""
        return list(rows)

    def total_of(self, rows: QuerySet[Any]) -> Total | None:
        """Returns a sum over what is listed; None: there is nothing to add up."""
        return None

    def described(self, row: Any) -> str:
        """What a row is called where an action asks first. The row comes from `completed`."""
        return str(row)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestRows

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        # The right to see it is looked up at the writer, and remembered.
        if request.method != "GET" or wants_fresh(request) or not self.has_view_or_change_permission(request):
            return super().changelist_view(request, extra_context)
        return self._list_that_may_be_old(request, extra_context)

    @may_be_old
    def _list_that_may_be_old(self, request: HttpRequest, extra_context: dict[str, Any] | None) -> Any:
        page = super().changelist_view(request, extra_context)
        return page.render() if isinstance(page, TemplateResponse) else page  # or it would be read elsewhere, later

    def prefixes_for(self, request: HttpRequest) -> Sequence[str]:
        """The texts without an index in which this operator may look."""
        return self.prefix_fields

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return [*self.id_fields, *self.key_fields, *self.prefixes_for(request)]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Finds by indexed equality and prefixes; Django's own search compares every number as a text.

        Column by column: an OR over several would read the whole table.
        """
        term = search_term.strip()
        if not term:
            return queryset, False
        found: set[int] = set()
        prefixes = self.prefixes_for(request)
        newest = self.newest_of_all() if prefixes else None
        is_cut = newest is not None
        for rows in self.matching(queryset, term, prefixes, newest):
            keys = rows.values_list("pk", flat=True)[: MOST_FOUND + 1]
            is_cut = is_cut or len(keys) > MOST_FOUND
            found.update(keys[:MOST_FOUND])
        setattr(request, SEARCH_IS_CUT, is_cut)
        return queryset.filter(pk__in=found), False

    def matching(
        self, rows: QuerySet[Any], term: str, prefixes: Sequence[str], newest: Q | None
    ) -> Iterator[QuerySet[Any]]:
        """The rows that a search may mean. `newest`: where `prefixes`, texts without an index, are looked for."""
        if (number := whole(term)) is not None:
            yield from (rows.filter(**{name: number}) for name in self.id_fields)
        if self.search_user_id:
            users = get_user_model().objects.filter(username=term).values_list("pk", flat=True)
            yield from (rows.filter(user_id=user_id) for user_id in users)
        yield from (rows.filter(**{f"{name}__istartswith": term}).order_by(name) for name in self.key_fields)
        if prefixes:
            begins = Q(*((f"{name}__istartswith", term) for name in prefixes), _connector=Q.OR)
            yield rows.filter(begins, newest or Q())

    def newest_of_all(self) -> Q | None:
        """The condition that selects the rows in which texts without an index are looked for; None: all."""
        return self.among_newest(self.model._default_manager.all(), most=LOOKED_AT) if self.newest_by else None
