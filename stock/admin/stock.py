"""Stock, its records and its adjustments, as staff see them."""

from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from charites.common.admin import MAX_SECTION_ROWS, ReadOnlyAdmin, Report, actor_of, confirmed
from charites.common.admin_export import Column, ExportAdmin, column, time
from charites.common.admin_products import ProductAdmin
from charites.common.admin_sections import Section, section
from charites.common.auth import Permission
from charites.common.forms import CapitalLabels, TypedField
from charites.common.models import MAX_INT64, REASON_LENGTH
from stock import selectors, services
from stock.admin.receive_page import ReceiveAdmin
from stock.models import Stock, StockAdjustment, StockRecord
from stock.services import Adjustment


def count_available(goods_ids: Collection[int]) -> dict[int, int]:
    return {stock.goods_id: stock.available for stock in selectors.list_stock(goods_ids=list(goods_ids))}


def stock_page(goods_id: int, user: Any) -> str | None:
    """Of a product that is not counted yet, the page that receives its first pieces, for who may add them."""
    if not user.has_perm("stock.view_stock"):
        return None
    if rows := selectors.list_stock(goods_ids=[goods_id]):
        return reverse("admin:stock_stock_change", args=[rows[0].pk])
    if not user.has_perms([Permission.CHANGE_STOCK, Permission.ADD_STOCK]):
        return None
    return f"{reverse('admin:stock_stock_receive')}?{urlencode({'goods_id': goods_id})}"


class AdjustForm(CapitalLabels, forms.Form):
    """How many pieces came in or went, and why."""

    delta = forms.IntegerField(
        label=_("change"),
        min_value=-MAX_INT64,
        max_value=MAX_INT64,
        help_text=_("Pieces to add; negative: pieces to take away."),
    )
    reason = TypedField(label=_("reason"), max_length=REASON_LENGTH)
    # The page is sent once, however often its button is pressed.
    key = forms.CharField(widget=forms.HiddenInput, max_length=32, initial=lambda: uuid4().hex)

    def adjustment(self, goods_id: int, actor: str) -> Adjustment:
        """Returns what the form asks for, for one product."""
        return Adjustment(
            goods_id,
            reason=self.cleaned_data["reason"],
            actor=actor,
            delta=self.cleaned_data["delta"],
            idempotency_key=f"{self.cleaned_data['key']}:{goods_id}",
        )


class FirstStockForm(AdjustForm, forms.ModelForm):
    """A product that is counted from now on: its row comes into being with its first adjustment."""

    class Meta:
        model = Stock
        fields = ("goods_id",)


@admin.register(Stock)
class StockAdmin(ExportAdmin, ProductAdmin, ReceiveAdmin):
    form = FirstStockForm
    list_display = ("goods_id", "product", "available", "reserved", "sold", "version", "updated_at")
    list_filter = ("updated_at",)
    ordering = ("goods_id",)
    id_fields = ("goods_id",)
    actions = ("adjust",)
    history_words = {"receive": _("Receive stock"), "delta": _("change"), "reason": _("reason")}

    def has_change_permission(self, request: HttpRequest, obj: Stock | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Stock | None = None) -> bool:
        return False

    def export_columns(self, request: HttpRequest) -> Sequence[Column]:
        title = Column("title", lambda stock: stock.known_product and stock.known_product.title)
        counts = [column(name) for name in ("available", "reserved", "sold")]
        return [column("goods_id"), title, *counts, time("updated_at")]

    def get_fields(self, request: HttpRequest, obj: Stock | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("goods_id", "delta", "reason", "key")
        return ("product", "available", "reserved", "sold", "version", "created_at", "updated_at")

    def sections(self, obj: Stock) -> list[Section]:
        rows = selectors.list_adjustments(goods_id=obj.goods_id, limit=MAX_SECTION_ROWS)
        return [
            section(_("Adjustments, newest first"), StockAdjustment, rows, "delta", "reason", "actor", "created_at")
        ]

    def page_to_repeat(self, request: HttpRequest) -> str:
        """The form as it was sent, with its key: sent again, it is carried out once."""
        fields = {name: request.POST[name] for name in self.get_fields(request) if name in request.POST}
        return f"{request.path}?{urlencode(fields)}"

    def save_model(self, request: HttpRequest, obj: Stock, form: Any, change: bool) -> None:
        stored = services.adjust_stock(adjustments=[form.adjustment(obj.goods_id, actor_of(request))]).rows
        obj.pk, obj.available = stored[0].pk, stored[0].available  # which the message on the next page names

    @admin.action(description=_("Adjust the stock"), permissions=["operate"])
    @confirmed(_("Adjust the stock of each of these goods?"), form_class=AdjustForm)
    def adjust(self, request: HttpRequest, rows: list[Stock], form: AdjustForm) -> Report:
        adjustments = [form.adjustment(stock.goods_id, actor_of(request)) for stock in rows]
        new = services.adjust_stock(adjustments=adjustments).new
        before = ", ".join(str(stock.goods_id) for stock in rows if stock.goods_id not in new)
        text = _("Done before, and not again: products %(products)s.") % {"products": before}
        return Report(done=[stock for stock in rows if stock.goods_id in new], notes=[text] if before else [])


@admin.register(StockRecord)
class StockRecordAdmin(ProductAdmin, ReadOnlyAdmin):
    list_display = ("id", "order_id", "product", "num", "status", "kind", "owner", "created_at")
    list_filter = ("status", "kind", "created_at")
    ordering = ("-id",)
    id_fields = ("order_id", "goods_id")
    fields = ("order_id", "product", "num", "status", "kind", "owner", "created_at", "updated_at")


@admin.register(StockAdjustment)
class StockAdjustmentAdmin(ProductAdmin, ReadOnlyAdmin):
    list_display = ("id", "product", "delta", "reason", "actor", "created_at")
    list_filter = ("created_at",)
    ordering = ("-id",)
    id_fields = ("goods_id",)
    prefix_fields = ("reason", "actor")
    fields = ("product", "delta", "target", "reason", "actor", "idempotency_key", "created_at", "updated_at")
