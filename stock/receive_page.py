"""The page on which a delivery is booked: lines of products and pieces, shown with titles first, then done, all or
nothing."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
from charites.common.admin_products import Product, knows_products, newest_products, product_link, products_of
from charites.common.errors import ServiceError
from charites.common.forms import CapitalLabels, TypedField
from charites.common.models import MAX_INT64, REASON_LENGTH
from charites.common.spreadsheets import Unreadable, read_table
from charites.common.text import whole
from stock import selectors, services
from stock.models import Stock
from stock.services import Adjustment

MOST_LINES = 200  # rows that are locked together
NEWEST_LOOKED_AT, NEWEST_SHOWN = 1_000, 50
COLUMNS = ("goods_id", "pieces")


@dataclass(frozen=True, slots=True)
class Fault:
    line: str
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one product; `before` is None where it is not counted yet."""

    goods_id: int
    product: Product | None
    pieces: int
    before: int | None

    @property
    def title(self) -> str:
        return product_link(self.product, self.product.title) if self.product else ""

    @property
    def after(self) -> int:
        return (self.before or 0) + self.pieces


@dataclass(slots=True)
class Plan:
    """What would be done; nothing, where there are faults."""

    steps: list[Step] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def lines(self) -> str:
        """As they could have been typed."""
        return "\n".join(f"{step.goods_id} {step.pieces}" for step in self.steps)

    @property
    def pieces(self) -> int:
        return sum(step.pieces for step in self.steps)


class ReceiveForm(CapitalLabels, forms.Form):
    """What came, and why. `newest`: products without stock, each with a field of its own."""

    lines = forms.CharField(
        label=gettext_lazy("lines of goods_id and pieces"),
        required=False,
        widget=forms.Textarea({"rows": 6, "cols": 40, "placeholder": "101 20\n102 5"}),
    )
    file = forms.FileField(label=gettext_lazy("CSV or XLSX"), required=False)
    reason = TypedField(label=gettext_lazy("reason"), max_length=REASON_LENGTH)

    def __init__(self, *args: Any, newest: dict[int, Product], **options: Any) -> None:
        super().__init__(*args, **options)
        for goods_id, product in newest.items():
            pieces = forms.IntegerField(label=product.title, required=False, min_value=1, max_value=MAX_INT64)
            pieces.widget.attrs["aria-label"] = product.title
            self.fields[f"pieces-{goods_id}"] = pieces
        self.newest = newest

    def typed(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yields what came, however it was said: a line as people know it, and its words. Raises Unreadable."""
        for number, line in enumerate(self.cleaned_data["lines"].splitlines(), start=1):
            words = [word for word in re.split(r"[\s,;，；]+", line) if word]
            if words and tuple(words) != COLUMNS:
                yield str(number), words
        if file := self.cleaned_data["file"]:
            yield from words_of(file)
        for goods_id in self.newest:
            if pieces := self.cleaned_data.get(f"pieces-{goods_id}"):
                yield str(goods_id), [str(goods_id), str(pieces)]

    def rows(self) -> list[tuple[Any, str]]:
        """For the template: the fields of the newest products, each beside its product."""
        links = {goods_id: product_link(product, product.title) for goods_id, product in self.newest.items()}
        return [(self[f"pieces-{goods_id}"], link, goods_id) for goods_id, link in links.items()]  # type: ignore[misc]


def words_of(file: Any) -> Iterator[tuple[str, Sequence[str]]]:
    """The lines of a file, with a header or without. Raises Unreadable."""
    header, *lines = read_table(file.read(), most=MOST_LINES)
    if set(COLUMNS) <= set(header.cells):
        places = [header.cells.index(name) for name in COLUMNS]
    elif all(whole(cell) is not None for cell in header.cells):
        places, lines = [0, 1], [header, *lines]
    else:
        raise Unreadable(_("The first line of the file has to name the columns goods_id and pieces."))
    for line in lines:
        cells = [*line.cells, *[""] * len(header.cells)]
        yield str(line.number), [cells[place] for place in places]


def make_plan(typed: Sequence[tuple[str, Sequence[str]]], *, may_add: bool) -> Plan:
    """Returns what these lines would do, or all that is wrong with them."""
    plan = Plan()
    if len(typed) > MOST_LINES:
        plan.faults.append(Fault("", _("There are more than %(most)s rows.") % {"most": MOST_LINES}))
        return plan
    read: dict[int, tuple[str, int]] = {}
    for line, words in typed:
        if len(words) != len(COLUMNS) or not all(whole(word) for word in words):
            plan.faults.append(
                Fault(line, _("“%(text)s” is not a product and its pieces.") % {"text": " ".join(words)})
            )
        elif (goods_id := int(words[0])) in read:
            faulty = {"goods_id": goods_id, "line": read[goods_id][0]}
            plan.faults.append(Fault(line, _("Product %(goods_id)s is in line %(line)s, too.") % faulty))
        else:
            read[goods_id] = (line, int(words[1]))
    products = products_of(read)
    counted = {stock.goods_id: stock.available for stock in selectors.list_stock(goods_ids=list(read))}
    for goods_id, (line, pieces) in read.items():
        if goods_id not in counted and knows_products() and goods_id not in products:
            plan.faults.append(Fault(line, _("There is no product %(goods_id)s.") % {"goods_id": goods_id}))
        elif goods_id not in counted and not may_add:
            text = _("Product %(goods_id)s has no stock yet, and you may not add any.")
            plan.faults.append(Fault(line, text % {"goods_id": goods_id}))
        else:
            plan.steps.append(Step(goods_id, products.get(goods_id), pieces, counted.get(goods_id)))
    if not typed:
        plan.faults.append(Fault("", _("Type at least one line.")))
    return plan


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
        if plan.faults or not re.fullmatch("[0-9a-f]{32}", key):
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
            stored: list[Stock] = services.adjust_stock(adjustments=adjustments)
        except (ServiceError, DatabaseError) as error:
            self.message_user(request, as_text(error), messages.ERROR)
            return self.show(request, form, plan, key)
        record_or_say(self, request, lambda: stored, action="receive", reason=reason)
        counts = {"pieces": f"{plan.pieces:,}", "products": len(plan.steps)}
        text = _("Received: pieces %(pieces)s, of products %(products)s.") % counts
        self.message_user(request, text, messages.SUCCESS)
        wanted = urlencode([("goods_id__in", ",".join(str(step.goods_id) for step in plan.steps))])
        return HttpResponseRedirect(f"{reverse('admin:stock_stock_changelist')}?{wanted}")

    def show(self, request: HttpRequest, form: ReceiveForm, plan: Plan | None = None, key: str = "") -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **{"title": _("Receive stock"), "opts": self.opts, "media": self.media, "form": form, "plan": plan},
            **{"key": key, "most": MOST_LINES},
        }
        return TemplateResponse(request, "stock/receive.html", context)
