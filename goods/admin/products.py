"""Products: what is sold, for how much, and when."""

from collections.abc import Collection, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms.models import construct_instance
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from charites.common.admin import Report, actor_of, confirmed
from charites.common.admin_export import Column, ExportAdmin
from charites.common.admin_products import Product, stock_page_of
from charites.common.admin_sections import Section, section
from charites.common.forms import CapitalLabels, ChangesOfPage, MoneyField, TypedJSONField, check_links
from charites.common.money import money
from charites.common.picture_field import PictureField, UploadForm
from charites.common.pictures import may_upload, unless_refused
from goods import selectors, services
from goods.admin.file_columns import file_columns
from goods.admin.import_page import ImportAdmin
from goods.admin.into_room import IntoRoomForm, put_into
from goods.admin.marked import COMMON_FIELDS, MarkedRowsAdmin, deleted
from goods.models import Goods, RoomGoods
from goods.typed import is_list_of_texts


def find_products(goods_ids: Collection[int]) -> dict[int, Product]:
    found = selectors.list_titles(goods_ids=goods_ids)
    return {goods_id: Product(page, title, is_deleted) for goods_id, page, title, is_deleted in found}


def find_newest_products(limit: int) -> dict[int, Product]:
    return {goods_id: Product(page, title) for goods_id, page, title in selectors.list_newest_titles(limit=limit)}


def thumbnails(addresses: Sequence[str]) -> str:
    """Pictures as pictures, in a size to know them by."""
    return format_html_join(
        " ", '<img class="thumbnail" src="{}" alt="" loading="lazy">', ((address,) for address in addresses)
    )


class TextListField(TypedJSONField):
    """A JSON list of texts; the API promises one."""

    def to_python(self, value: Any) -> Any:
        return [] if value in self.empty_values else super().to_python(value)

    def clean(self, value: Any) -> Any:
        cleaned = super().clean(value)
        if not is_list_of_texts(cleaned):
            raise forms.ValidationError(_('This must be a JSON list of texts, such as ["/a.svg", "/b.svg"].'))
        return cleaned


class ObjectField(TypedJSONField):
    """A JSON object; the API promises one."""

    def clean(self, value: Any) -> Any:
        cleaned = super().clean(value)
        if cleaned is None:
            return {}
        if not isinstance(cleaned, dict):
            raise forms.ValidationError(_('This must be a JSON object, such as {"colour": "teal"}.'))
        return cleaned


LIST = _('A JSON list of texts, such as ["/a.svg", "/b.svg"].')
OBJECT = _('A JSON object, such as {"colour": "teal"}.')


class GoodsForm(CapitalLabels, UploadForm):
    """A product, typed or from a line of a file."""

    price = MoneyField(label=_("price"), least=1)
    market_price = MoneyField(label=_("market price"), initial=0)
    upload = PictureField(label=_("picture to add"))
    head_imgs = TextListField(label=_("addresses of the pictures"), required=False, initial=list, help_text=LIST)
    videos = TextListField(label=_("videos"), required=False, initial=list, help_text=LIST)
    detail = TextListField(label=_("detail"), required=False, initial=list, help_text=LIST)
    ext_json = ObjectField(label=_("further data"), required=False, initial=dict, help_text=OBJECT)

    def clean_head_imgs(self) -> list[str]:
        return self.links("head_imgs")

    def clean_videos(self) -> list[str]:
        return self.links("videos")

    def links(self, name: str) -> list[str]:
        links: list[str] = self.cleaned_data[name]
        check_links(self, name, links)
        return links

    def clean(self) -> dict[str, Any]:
        typed: dict[str, Any] = super().clean() or self.cleaned_data
        starts_at, ends_at = typed.get("sale_starts_at"), typed.get("sale_ends_at")
        if starts_at and ends_at and ends_at <= starts_at:
            self.add_error("sale_ends_at", _("The sale must end after it has started."))
        return typed


class GoodsPageForm(ChangesOfPage, GoodsForm):
    """A product on a page of its own, which may stand open for hours."""


class GoodsLineForm(GoodsForm):
    """A product of a line of a file, among many: the database is not asked about each. Which of them there are the plan
    knows, and what the table's constraints say, the fields and `clean` have said before."""

    def _post_clean(self) -> None:
        exclude = self._get_validation_exclusions()  # type: ignore[attr-defined]
        try:
            self.instance = construct_instance(self, self.instance, self._meta.fields, self._meta.exclude)
            self.instance.full_clean(exclude, validate_unique=False, validate_constraints=False)
        except ValidationError as error:
            self._update_errors(error)  # type: ignore[attr-defined]


PRICE, PAGE = _("Price"), _("Page")


@admin.register(Goods)
class GoodsAdmin(ImportAdmin, ExportAdmin, MarkedRowsAdmin):
    form, line_form = GoodsPageForm, GoodsLineForm
    change_list_template = "goods/goods_list.html"
    change_form_template = "goods/goods_form.html"
    list_display = (
        "goods_id",
        "picture",
        "title",
        "brand_name",
        "shown_price",
        "shown_market_price",
        "status",
        deleted,
        "updated_at",
    )
    list_display_links = ("goods_id", "title")
    list_filter = ("status", "is_deleted", "updated_at")
    ordering = ("goods_id",)
    id_fields = ("goods_id", "code")
    prefix_fields = ("title", "brand_name")
    readonly_fields = ("pictures", "is_deleted", *COMMON_FIELDS)
    fieldsets = (
        (None, {"fields": ("goods_id", "status", "title", "brief", "brand_name", "category_id", "code")}),
        (PRICE, {"fields": ("price", "market_price")}),
        (_("Sale"), {"fields": ("limit_per_buyer", "sale_starts_at", "sale_ends_at")}),
        (PAGE, {"fields": ("pictures", "head_imgs", "videos", "detail", "ext_json")}),
        (_("Row"), {"fields": ("is_deleted", *COMMON_FIELDS), "classes": ("collapse",)}),
    )
    actions = ("put_on_sale", "take_off_sale", "put_into_room")
    history_words = {"import_goods": _("Import products"), "room_id": _("room"), "number": _("room")}

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Who looks for a product in a window of its own wants its id, not the key of its row."""
        return to_field == "goods_id" or bool(super().to_field_allowed(request, to_field))

    @admin.display(description=_("picture"))
    def picture(self, goods: Goods) -> str:
        return thumbnails(goods.head_imgs[:1])

    @admin.display(description=_("pictures"))
    def pictures(self, goods: Goods) -> str:
        return thumbnails(goods.head_imgs)

    @admin.display(description=_("price"), ordering="price")
    def shown_price(self, goods: Goods) -> str:
        return money(goods.price)

    @admin.display(description=_("market price"), ordering="market_price")
    def shown_market_price(self, goods: Goods) -> str:
        return money(goods.market_price)

    def get_fieldsets(self, request: HttpRequest, obj: Goods | None = None) -> Any:
        """Who may only look sees the prices as the list shows them; who may change adds a picture, where one can."""
        if obj is None or self.has_change_permission(request, obj):
            upload = {"fields": ("pictures", "upload", "head_imgs", "videos", "detail", "ext_json")}
            return [(name, upload if name == PAGE and may_upload() else options) for name, options in self.fieldsets]
        prices = {"fields": ("shown_price", "shown_market_price")}
        return [(name, prices if name == PRICE else options) for name, options in self.fieldsets]

    def get_readonly_fields(self, request: HttpRequest, obj: Goods | None = None) -> tuple[str, ...]:
        return ("goods_id", *self.readonly_fields) if obj else self.readonly_fields

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        if goods := options.get("obj"):
            context["stock_url"] = stock_page_of(goods.goods_id, request.user)
        return super().render_change_form(request, context, *args, **options)

    def export_columns(self, request: HttpRequest) -> Sequence[Column]:
        return file_columns()

    def sections(self, obj: Goods) -> list[Section]:
        entries = selectors.list_entries_of_goods(goods_id=obj.goods_id)
        return [section(_("In the lists of rooms"), RoomGoods, entries, "room_id", "weight")]

    def save_model(self, request: HttpRequest, obj: Goods, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in form.changed_data if name != "upload"}
        picture, actor = form.uploaded, actor_of(request)
        with unless_refused(picture):
            if change:
                services.change_goods(goods_id=obj.goods_id, values=values, added_picture=picture, actor=actor)
            else:
                services.add_goods(goods=obj, added_picture=picture, actor=actor)

    def mark(self, request: HttpRequest, rows: list[Any]) -> None:
        services.delete_goods(goods_ids=[goods.goods_id for goods in rows], actor=actor_of(request))

    @admin.action(description=_("Put the goods on sale"), permissions=["operate"])
    @confirmed(_("Put these goods on sale?"))
    def put_on_sale(self, request: HttpRequest, rows: list[Goods], form: forms.Form) -> Report:
        return self.set_status(request, rows, Goods.Status.ON_SALE)

    @admin.action(description=_("Take the goods off sale"), permissions=["operate"])
    @confirmed(_("Take these goods off sale? Orders that were placed before go on."))
    def take_off_sale(self, request: HttpRequest, rows: list[Goods], form: forms.Form) -> Report:
        return self.set_status(request, rows, Goods.Status.OFF_SALE)

    def set_status(self, request: HttpRequest, rows: list[Goods], status: Goods.Status) -> Report:
        goods_ids = [goods.goods_id for goods in rows]
        changed = services.set_goods_status(goods_ids=goods_ids, status=status, actor=actor_of(request))
        left = ", ".join(str(goods_id) for goods_id in goods_ids if goods_id not in changed)
        text = _("Left as they were: products %(products)s.") % {"products": left}
        return Report(done=[goods for goods in rows if goods.goods_id in changed], notes=[text] if left else [])

    def has_list_permission(self, request: HttpRequest) -> bool:
        """What lies in a room is a row of its own; Django asks this for actions with `permissions=["list"]`."""
        return request.user.has_perm("goods.add_roomgoods")

    @admin.action(description=_("Put into a room"), permissions=["list"])
    @confirmed(
        _("Put these goods into which room? They come behind what is there, in this order."), form_class=IntoRoomForm
    )
    def put_into_room(self, request: HttpRequest, rows: list[Goods], form: IntoRoomForm) -> Report:
        return put_into(self, request, rows, form)
