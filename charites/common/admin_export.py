"""What a list of the admin shows, as a file: the rows that the filters leave, in the order of the list.

It takes a permission of its own beside that to see the rows, since a file leaves the shop. The log says who took how
much.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from charites.common import clock
from charites.common.admin_lists import ListAdmin
from charites.common.spreadsheets import Amount, Cell, Unwritable, as_csv, as_xlsx

log = structlog.get_logger(__name__)

EXPORT_LISTS = "orders.export_lists"
MOST_ROWS = 10_000
ROWS_AT_ONCE = 500


class Kind(NamedTuple):
    content_type: str
    write: Callable[[Sequence[str], Iterator[Sequence[Cell]]], bytes]


KINDS = {
    "csv": Kind("text/csv; charset=utf-8", as_csv),
    "xlsx": Kind("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", as_xlsx),
}


class Column(NamedTuple):
    """A column of a file. `name` is the same in every language, and says what an amount or a time is in."""

    name: str
    value: Callable[[Any], Cell]


def column(name: str) -> Column:
    return Column(name, lambda row: getattr(row, name))


def word(name: str, words: type[Enum]) -> Column:
    """Of a number that has a name."""
    return Column(name, lambda row: words(getattr(row, name)).name.lower())


def time(name: str) -> Column:
    return Column(f"{name} ({timezone.get_current_timezone_name()})", lambda row: getattr(row, name))


def price(name: str) -> Column:
    """Of an amount in the shop's currency."""
    return Column(f"{name} ({settings.CURRENCY})", lambda row: Amount(getattr(row, name), settings.CURRENCY))


def amount(name: str) -> Column:
    """Of an amount in the currency of the row."""
    return Column(name, lambda row: Amount(getattr(row, name), row.currency))


class ExportAdmin(ListAdmin):
    """A list that is there as CSV and XLSX, too."""

    def export_columns(self, request: HttpRequest) -> Sequence[Column]:
        """What stands in the file, for this operator."""
        raise NotImplementedError

    def exported(self, rows: Sequence[Any]) -> list[Any]:
        """Returns some rows with what else the file says of them."""
        return self.completed(rows)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(self.has_view_permission(request) and request.user.has_perm(EXPORT_LISTS))

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        export = path("export.<slug:kind>", self.admin_site.admin_view(self.export), name=name)
        return [export, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        kinds = KINDS if self.has_export_permission(request) else ()
        exports = {"exports": kinds, "most_exported": f"{MOST_ROWS:,}"}
        return super().changelist_view(request, {**(extra_context or {}), **exports})

    def export(self, request: HttpRequest, kind: str) -> HttpResponse:
        """Answers the file; for a filter that there is not, the list, as the list itself does; for what such a file
        cannot hold, the list with the reason."""
        if not self.has_export_permission(request) or kind not in KINDS:
            raise PermissionDenied
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse(page))
        keys = list(rows.values_list("pk", flat=True)[: MOST_ROWS + 1])
        is_cut, keys = len(keys) > MOST_ROWS, keys[:MOST_ROWS]
        columns = self.export_columns(request)
        try:
            body = KINDS[kind].write([name for name, _value in columns], self.export_rows(rows, keys, columns))
        except Unwritable as reason:
            self.message_user(request, str(reason), messages.ERROR)
            return HttpResponseRedirect(reverse(page, query=request.GET))
        log.info("admin_export", actor=f"staff:{request.user.pk}", model=self.opts.label, kind=kind, rows=len(keys))
        answer = HttpResponse(body, content_type=KINDS[kind].content_type)
        name = file_name(f"{self.opts.model_name}{f'-first-{MOST_ROWS}' if is_cut else ''}", kind)
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        add_never_cache_headers(answer)
        return answer

    def export_rows(
        self, rows: QuerySet[Any], keys: Sequence[Any], columns: Sequence[Column]
    ) -> Iterator[Sequence[Cell]]:
        """Yields the cells of the rows with these keys, some rows at a time."""
        for start in range(0, len(keys), ROWS_AT_ONCE):
            some = keys[start : start + ROWS_AT_ONCE]
            found = {row.pk: row for row in self.exported(list(rows.order_by().filter(pk__in=some)))}
            for row in [found[key] for key in some if key in found]:
                yield [value(row) for _name, value in columns]


def file_name(name: str, kind: str) -> str:
    return f"{name}-{timezone.localtime(clock.now()):%Y%m%d-%H%M}.{kind}"
