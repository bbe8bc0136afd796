"""The page on which a delivery is booked: lines of products and pieces, shown with titles first, then done, all or
nothing."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from charites.common.admin import OperatorAdmin, actor_of, as_text, record_or_say
from charites.common.admin_products import Product, newest_products, products_of
from charites.common.errors import ServiceError
from charites.common.forms import CapitalLabels, TypedField
from charites.common.models import MAX_INT64, REASON_LENGTH
from charites.common.spreadsheets import Unreadable
from charites.common.text import whole
from stock import selectors, services
from stock.admin.receive_plan import COLUMNS, MOST_LINES, Plan, make_plan, titled, words_of
from stock.services import Adjustment

NEWEST_LOOKED_AT, NEWEST_SHOWN = 1_000, 50
PIECES = re.compile(r"\s*-?[0-9]*\s*")
FIELD = re.compile(r"pieces-([1-9][0-9]*)")


class PiecesField(forms.IntegerField):
    """A number in the digits that a line may have."""

    def to_python(self, value: Any) -> int | None:
        if not PIECES.fullmatch(str(value or "")):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class ReceiveForm(CapitalLabels, forms.Form):
    """What came, and why. `newest`: products without stock, each with a field of its own; whatever comes back with a
    number has one, too: somebody may have received some of it since the page was made."""

    lines = forms.CharField(
        label=gettext_lazy("lines of goods_id and pieces"),
        required=False,
        widget=forms.Textarea({"rows": 6, "cols": 40, "placeholder": "101 20\n102 5"}),
    )
    file = forms.FileField(label=gettext_lazy("CSV or XLSX"), required=False)
    reason = TypedField(label=gettext_lazy("reason"), max_length=REASON_LENGTH)

    def __init__(self, *args: Any, newest: Mapping[int, Product], **options: Any) -> None:
        super().__init__(*args, **options)
        others = [goods_id for goods_id in numbers_in(self.data) if goods_id not in newest]
        found = products_of(others)
        self.products: dict[int, Product | None] = {**newest, **{goods_id: found.get(goods_id) for goods_id in others}}
        for goods_id, product in self.products.items():
            title = product.title if product else str(goods_id)
            pieces = PiecesField(label=title, required=False, min_value=1, max_value=MAX_INT64)
            pieces.widget.attrs["aria-label"] = title
            self.fields[name_of(goods_id)] = pieces

    def typed(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yields what came, however it was said: a line as people know it, and its words. Raises Unreadable."""
        for number, line in enumerate(self.cleaned_data["lines"].splitlines(), start=1):
            words = [word for word in re.split(r"[\s,;，；]+", line) if word]
            if words and tuple(words) != COLUMNS:
                yield str(number), words
        if file := self.cleaned_data["file"]:
            yield from words_of(file)
        for goods_id in self.products:
            if pieces := self.cleaned_data.get(name_of(goods_id)):
                yield str(goods_id), [str(goods_id), str(pieces)]

    def rows(self) -> list[tuple[Any, str, int]]:
        """For the template: the fields of the products, each beside its product."""
        return [(self[name_of(goods_id)], titled(product), goods_id) for goods_id, product in self.products.items()]


def name_of(goods_id: int) -> str:
    return f"pieces-{goods_id}"


def numbers_in(data: Mapping[str, Any]) -> list[int]:
    """The products for which a form that was sent holds pieces in fields of their own."""
    typed = [match[1] for name in data if (match := FIELD.fullmatch(name)) and data[name].strip()]
    return [number for text in typed if (number := whole(text))]


class ReceiveAdmin(OperatorAdmin):
    """Stock with a page on which deliveries are booked."""

    change_list_template = "stock/stock_list.html"

    def get_urls(self) -> list[Any]:
        page = path("receive/", self.admin_site.admin_view(self.receive_page), name="stock_stock_receive")
        return [page, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        may_receive = {"may_receive": self.has_operate_permission(request)}
        return super().changelist_view(request, {**(extra_context or {}), **may_receive})

    def receive_page(self, request: HttpRequest) -> HttpResponse:
        if not self.has_operate_permission(request):
            raise PermissionDenied
        newest = self.without_stock() if self.has_add_permission(request) else {}
        if request.method != "POST":
            wanted = request.GET.get("goods_id", "")
            lines = "" if whole(wanted) is None else f"{wanted} "
            return self.show(request, ReceiveForm(newest=newest, initial={"lines": lines}))
        form = ReceiveForm(request.POST, request.FILES, newest=newest)
        if not form.is_valid():
            return self.show(request, form)
        try:
            plan = make_plan(list(form.typed()), may_add=self.has_add_permission(request))
        except Unreadable as reason:
            form.add_error("file", str(reason))
            return self.show(request, form)
        key = request.POST.get("key", "")
        if plan.faults or not key:
            return self.show(request, form, plan, uuid4().hex)
        if request.POST.get("mark") != plan.mark(reason=form.cleaned_data["reason"], key=key):
            self.message_user(request, _("Something has changed meanwhile: look at it again."), messages.WARNING)
            return self.show(request, form, plan, uuid4().hex)
        return self.receive(request, form, plan, key)

    def without_stock(self) -> dict[int, Product]:
        """The newest products that are not counted yet, where they are known here."""
        newest = newest_products(NEWEST_LOOKED_AT)
        counted = {stock.goods_id for stock in selectors.list_stock(goods_ids=list(newest))} if newest else set()
        left = [(goods_id, product) for goods_id, product in newest.items() if goods_id not in counted]
        return dict(left[:NEWEST_SHOWN])

    def receive(self, request: HttpRequest, form: ReceiveForm, plan: Plan, key: str) -> HttpResponse:
        """Does what the page has shown: once, however often its button is pressed."""
        reason, actor, may_add = form.cleaned_data["reason"], actor_of(request), self.has_add_permission(request)
        adjustments = [
            Adjustment(
                step.goods_id,
                reason,
                actor,
                delta=step.pieces,
                idempotency_key=f"{key}:{step.goods_id}",
                may_add=may_add,
            )
            for step in plan.steps
        ]
        try:
            rows, new = services.adjust_stock(adjustments=adjustments)
        except (ServiceError, DatabaseError) as error:
            self.message_user(request, as_text(error), messages.ERROR)
            return self.show(request, form, plan, key)
        booked = [stock for stock in rows if stock.goods_id in new]
        record_or_say(self, request, lambda: booked, action="receive", reason=reason)
        counts = {"pieces": f"{plan.pieces:,}", "products": len(plan.steps)}
        text = _("Received: pieces %(pieces)s, of products %(products)s.") % counts
        self.message_user(request, text, messages.SUCCESS)
        wanted = urlencode([("goods_id__in", ",".join(str(step.goods_id) for step in plan.steps))])
        return HttpResponseRedirect(f"{reverse('admin:stock_stock_changelist')}?{wanted}")

    def show(self, request: HttpRequest, form: ReceiveForm, plan: Plan | None = None, key: str = "") -> HttpResponse:
        mark = plan.mark(reason=form.cleaned_data["reason"], key=key) if plan else ""
        context = {
            **self.admin_site.each_context(request),
            **{"title": _("Receive stock"), "opts": self.opts, "media": self.media, "form": form, "plan": plan},
            **{"key": key, "mark": mark, "most": MOST_LINES},
        }
        return TemplateResponse(request, "stock/receive.html", context)
