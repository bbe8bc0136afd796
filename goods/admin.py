"""Rooms, goods, and which of them a room presents. Deleting marks rows; a product keeps its id for good."""

from collections.abc import Collection
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from charites.common.admin import OperatorAdmin, Report, Section, actor_of, confirmed, section
from charites.common.admin_products import Product, ProductAdmin, register_products
from charites.common.errors import ServiceError
from charites.common.forms import CapitalLabels, MoneyField, TypedJSONField
from charites.common.money import money
from goods import selectors, services
from goods.models import Goods, Room, RoomGoods
from goods.services import Entry

COMMON_FIELDS = ("version", "created_at", "created_by", "updated_at", "updated_by")


def find_products(goods_ids: Collection[int]) -> dict[int, Product]:
    found = selectors.list_titles(goods_ids=goods_ids)
    return {goods_id: Product(page, title) for goods_id, page, title in found}


if "goods" in settings.APPS:  # elsewhere there is no table of them
    register_products(find_products)


@admin.display(description=_("deleted"), ordering="is_deleted")
def deleted(row: Any) -> str:
    """A mark where there is something to see; Django's icon for "no" is a red cross."""
    return "✓" if row.is_deleted else ""


def shown_pinned(entry: Any) -> str:
    return "✓" if entry.pinned else ""


class MarkedRowsAdmin(OperatorAdmin):
    """Rows that are marked as deleted, and from then on only shown."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not (obj and obj.is_deleted) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not (obj and obj.is_deleted) and super().has_delete_permission(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self.mark(request, list(queryset))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.mark(request, [obj])

    def mark(self, request: HttpRequest, rows: list[Any]) -> None:
        """Asks the service to mark these rows as deleted."""
        raise NotImplementedError


class TextListField(TypedJSONField):
    """A JSON list of texts; the API promises one."""

    def clean(self, value: Any) -> Any:
        cleaned = super().clean(value) or []
        if not isinstance(cleaned, list) or not all(isinstance(item, str) for item in cleaned):
            raise forms.ValidationError(_('This must be a JSON list of texts, such as ["a.svg", "b.svg"].'))
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


class GoodsForm(CapitalLabels, forms.ModelForm):
    price = MoneyField(label=_("price"), least=1)
    market_price = MoneyField(label=_("market price"), initial=0)
    head_imgs = TextListField(label=_("pictures"), required=False, initial=list)
    videos = TextListField(label=_("videos"), required=False, initial=list)
    detail = TextListField(label=_("detail"), required=False, initial=list)
    ext_json = ObjectField(label=_("further data"), required=False, initial=dict)


@admin.register(Goods)
class GoodsAdmin(MarkedRowsAdmin):
    form = GoodsForm
    list_display = (
        "goods_id",
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
    readonly_fields = ("is_deleted", *COMMON_FIELDS)
    fieldsets = (
        (None, {"fields": ("goods_id", "status", "title", "brief", "brand_name", "category_id", "code")}),
        (_("Price"), {"fields": ("price", "market_price")}),
        (_("Sale"), {"fields": ("limit_per_buyer", "sale_starts_at", "sale_ends_at")}),
        (_("Page"), {"fields": ("head_imgs", "videos", "detail", "ext_json")}),
        (_("Row"), {"fields": ("is_deleted", *COMMON_FIELDS), "classes": ("collapse",)}),
    )
    actions = ("put_on_sale", "take_off_sale")

    @admin.display(description=_("price"), ordering="price")
    def shown_price(self, goods: Goods) -> str:
        return money(goods.price)

    @admin.display(description=_("market price"), ordering="market_price")
    def shown_market_price(self, goods: Goods) -> str:
        return money(goods.market_price)

    def get_fieldsets(self, request: HttpRequest, obj: Goods | None = None) -> Any:
        """Who may only look sees the prices as the list shows them."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        prices = (_("Price"), {"fields": ("shown_price", "shown_market_price")})
        return [prices if name == prices[0] else (name, options) for name, options in self.fieldsets]

    def get_readonly_fields(self, request: HttpRequest, obj: Goods | None = None) -> tuple[str, ...]:
        return ("goods_id", *self.readonly_fields) if obj else self.readonly_fields

    def sections(self, obj: Goods) -> list[Section]:
        entries = selectors.list_entries_of_goods(goods_id=obj.goods_id)
        return [section(_("In the lists of rooms"), RoomGoods, entries, "room_id", "weight")]

    def save_model(self, request: HttpRequest, obj: Goods, form: Any, change: bool) -> None:
        if change:
            values = {name: form.cleaned_data[name] for name in form.changed_data}
            services.change_goods(goods_id=obj.goods_id, values=values, actor=actor_of(request))
        else:
            services.add_goods(goods=obj, actor=actor_of(request))

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
        services.set_goods_status(goods_ids=goods_ids, status=status, actor=actor_of(request))
        return Report(done=rows)


@admin.register(Room)
class RoomAdmin(ProductAdmin, MarkedRowsAdmin):
    product_id_field = "current_goods_id"
    list_display = ("room_id", "title", "host_name", "status", "pinned_product", "started_at", deleted)
    list_display_links = ("room_id", "title")
    list_filter = ("status", "is_deleted", "started_at")
    ordering = ("room_id",)
    id_fields = ("room_id", "current_goods_id")
    prefix_fields = ("title", "host_name")
    fields = ("room_id", "title", "host_name", "cover", "status", "started_at", "pinned_product", "is_deleted")
    # What is pinned must be in the room's list, so an action changes it, under the lock of the room.
    readonly_fields = ("pinned_product", "is_deleted")
    actions = ("unpin",)

    @admin.display(description=_("pinned goods"), ordering="current_goods_id")
    def pinned_product(self, room: Room) -> str:
        return self.product(room)

    def get_readonly_fields(self, request: HttpRequest, obj: Room | None = None) -> tuple[str, ...]:
        return ("room_id", *self.readonly_fields) if obj else self.readonly_fields

    def sections(self, obj: Room) -> list[Section]:
        entries = selectors.list_entries(room_id=obj.room_id)
        labels = {"goods_title": _("title"), "pinned": _("pinned")}
        names = ("goods_id", "goods_title", "weight", "pinned")
        return [section(_("The list of the room"), RoomGoods, entries, *names, labels=labels, pinned=shown_pinned)]

    def save_model(self, request: HttpRequest, obj: Room, form: Any, change: bool) -> None:
        if change:
            values = {name: form.cleaned_data[name] for name in form.changed_data}
            services.change_room(room_id=obj.room_id, values=values)
        else:
            services.add_room(room=obj)

    def mark(self, request: HttpRequest, rows: list[Any]) -> None:
        services.delete_rooms(room_ids=[room.room_id for room in rows])

    @admin.action(description=_("Unpin the product of the room"), permissions=["operate"])
    @confirmed(_("Unpin the product of this room?"), one=True)
    def unpin(self, request: HttpRequest, rows: list[Room], form: forms.Form) -> Report:
        services.pin_goods(room_id=rows[0].room_id, goods_id=None)
        return Report(done=rows)


class RoomGoodsForm(forms.ModelForm):
    def _get_validation_exclusions(self) -> set[str]:
        # Adding a product again revives its row, so a row that exists is no error.
        return {*super()._get_validation_exclusions(), "goods_id"}  # type: ignore[misc]  # private to Django

    def clean_room_id(self) -> int:
        return self.checked("room_id", lambda room_id: selectors.get_room(room_id=room_id))

    def clean_goods_id(self) -> int:
        return self.checked("goods_id", lambda goods_id: selectors.get_goods(goods_id=goods_id))

    def checked(self, name: str, find: Any) -> int:
        """Returns an id that a selector finds; its refusal becomes the message below the field."""
        number: int = self.cleaned_data[name]
        try:
            find(number)
        except ServiceError as error:
            raise forms.ValidationError(error.message) from error
        return number


@admin.register(RoomGoods)
class RoomGoodsAdmin(ProductAdmin, OperatorAdmin):
    form = RoomGoodsForm
    list_display = ("id", "room_id", "product", "weight", "pinned", deleted, "updated_at")
    list_filter = ("is_deleted", "updated_at")
    ordering = ("room_id", "-weight", "goods_id")
    id_fields = ("room_id", "goods_id")
    readonly_fields = ("is_deleted", *COMMON_FIELDS)
    actions = ("pin_goods", "take_out")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RoomGoods]:
        return selectors.with_goods(super().get_queryset(request))

    @admin.display(description=_("pinned"))
    def pinned(self, entry: Any) -> str:
        return shown_pinned(entry)

    def get_fields(self, request: HttpRequest, obj: RoomGoods | None = None) -> tuple[str, ...]:
        return ("room_id", "product" if obj else "goods_id", "weight", *self.readonly_fields)

    def get_readonly_fields(self, request: HttpRequest, obj: RoomGoods | None = None) -> tuple[str, ...]:
        return ("room_id", "product", *self.readonly_fields) if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # an action takes goods out of a list, and unpins them with it

    def save_model(self, request: HttpRequest, obj: RoomGoods, form: Any, change: bool) -> None:
        entry = Entry(obj.goods_id, obj.weight)
        stored = services.add_room_goods(room_id=obj.room_id, entries=[entry], actor=actor_of(request))
        obj.pk = stored[0].pk

    def has_pin_permission(self, request: HttpRequest) -> bool:
        """What is pinned is the room's; Django asks this for actions with `permissions=["pin"]`."""
        return request.user.has_perm("goods.change_room")

    @admin.action(description=_("Pin the product in its room"), permissions=["pin"])
    @confirmed(_("Pin this product in its room now?"), one=True)
    def pin_goods(self, request: HttpRequest, rows: list[RoomGoods], form: forms.Form) -> Report:
        entry = rows[0]
        services.pin_goods(room_id=entry.room_id, goods_id=entry.goods_id)
        return Report(done=rows)

    @admin.action(description=_("Take out of the list of the room"), permissions=["operate"])
    @confirmed(_("Take these goods out of the list of their room, and unpin what is pinned?"))
    def take_out(self, request: HttpRequest, rows: list[RoomGoods], form: forms.Form) -> Report:
        if len({entry.room_id for entry in rows}) > 1:
            return Report(errors=[_("Choose goods of one room only.")])
        goods_ids = [entry.goods_id for entry in rows]
        services.remove_room_goods(room_id=rows[0].room_id, goods_ids=goods_ids, actor=actor_of(request))
        return Report(done=rows)
