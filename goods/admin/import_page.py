"""The page that takes products from a file: first it shows what would change, then that is done, all or nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from charites.common.admin import OperatorAdmin, actor_of, as_text, record_or_say
from charites.common.errors import Invalid, ServiceError
from charites.common.spreadsheets import Line, Unreadable, read_table
from charites.common.strict_json import read_text
from goods import selectors, services
from goods.admin.file_columns import COLUMNS
from goods.admin.import_plan import Plan, make_plan
from goods.models import Goods

MOST_ROWS = 500
OVERHEAD_BYTES = 8 * 1024  # of a request, beside the rows that it brings back


class FileForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("CSV or XLSX"))


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file on their way through the page that shows what they would do."""

    lines: Sequence[Line]

    def packed(self) -> str:
        """As text; Raises Unreadable when a request could not bring it back."""
        text = json.dumps(self.lines, ensure_ascii=False, separators=(",", ":"))
        most = settings.REQUEST_MAX_BYTES - OVERHEAD_BYTES
        if len(text.encode()) > most:
            raise Unreadable(_("There is more text than %(most)s KB.") % {"most": most // 1024})
        return text

    @staticmethod
    def unpacked(text: str) -> "Rows":
        """Raises Unreadable: whoever sends it may have written anything."""
        try:
            lines = [checked(number, cells) for number, cells in read_text(text)]
        except (Invalid, ValueError, TypeError) as error:
            raise Unreadable(_("What was shown did not come back. Send the file again.")) from error
        if not lines:
            raise Unreadable(_("What was shown did not come back. Send the file again."))
        if len(lines) > MOST_ROWS + 1:
            raise Unreadable(_("There are more than %(most)s rows.") % {"most": MOST_ROWS})
        return Rows(lines)


def checked(number: Any, cells: Any) -> Line:
    """A line, as `packed` has written it. Raises TypeError."""
    if type(number) is not int or not isinstance(cells, list) or not all(isinstance(cell, str) for cell in cells):
        raise TypeError(number, cells)
    return Line(number, cells)


class ImportAdmin(OperatorAdmin):
    """Products that come from a file, whose lines are forms: `line_form`."""

    line_form: Any

    def get_urls(self) -> list[Any]:
        page = path("import/", self.admin_site.admin_view(self.import_page), name="goods_goods_import")
        return [page, *super().get_urls()]

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        may_import = {"may_import": self.has_import_permission(request)}
        return super().changelist_view(request, {**(extra_context or {}), **may_import})

    def import_page(self, request: HttpRequest) -> HttpResponse:
        if not self.has_import_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self.show_import(request, FileForm())
        form = FileForm(request.POST, request.FILES)
        try:
            if "rows" in request.POST:
                return self.import_rows(request, Rows.unpacked(request.POST["rows"]))
            if not form.is_valid():
                return self.show_import(request, form)
            rows = Rows(read_table(form.cleaned_data["file"].read(), most=MOST_ROWS))
            return self.show_import(request, form, rows, self.plan(request, rows))
        except Unreadable as reason:
            self.message_user(request, str(reason), messages.ERROR)
            return self.show_import(request, FileForm())

    def plan(self, request: HttpRequest, rows: Rows) -> Plan:
        forms_by_kind = {
            is_new: self.get_form(
                request, None if is_new else Goods(), change=not is_new, form=self.line_form, fields=list(COLUMNS)
            )
            for is_new in (True, False)
        }

        def make_form(goods: Goods | None, data: Any) -> Any:
            return forms_by_kind[goods is None](data, instance=goods)

        return make_plan(rows.lines, make_form)

    def import_rows(self, request: HttpRequest, rows: Rows) -> HttpResponse:
        """Does what the page has shown; shows it anew where that is another thing by now, or nothing was done."""
        plan = self.plan(request, rows)
        if plan.faults or plan.mark != request.POST.get("mark"):
            self.message_user(request, _("Something has changed meanwhile: look at it again."), messages.WARNING)
            return self.show_import(request, FileForm(), rows, plan)
        try:
            overtaken = services.store_goods(added=plan.added, changed=plan.changed, actor=actor_of(request))
        except (ServiceError, DatabaseError) as error:
            self.message_user(request, as_text(error), messages.ERROR)
            return self.show_import(request, FileForm(), rows, self.plan(request, rows))
        if overtaken:
            self.message_user(request, _("Something has changed meanwhile: look at it again."), messages.WARNING)
            return self.show_import(request, FileForm(), rows, self.plan(request, rows))
        ids = [step.goods.goods_id for step in plan.steps]
        record_or_say(self, request, lambda: selectors.list_stored(goods_ids=ids), action="import_goods")
        counts = {"added": len(plan.added), "changed": len(plan.changed)}
        text = _("Products added: %(added)s. Products changed: %(changed)s.") % counts
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:goods_goods_changelist"))

    def show_import(
        self, request: HttpRequest, form: FileForm, rows: Rows | None = None, plan: Plan | None = None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **{"title": _("Import products"), "opts": self.opts, "media": self.media, "form": form, "plan": plan},
            **{"rows": rows and rows.packed(), "columns": COLUMNS, "currency": settings.CURRENCY},
            **{"most": MOST_ROWS, "most_bytes": settings.REQUEST_MAX_BYTES - OVERHEAD_BYTES},
        }
        return TemplateResponse(request, "goods/import.html", context)
