"""Rooms, and what lies on the shelf of each."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from charites.common.admin import Report, Section, confirmed, section
from charites.common.admin_products import ProductAdmin
from goods import selectors, services
from goods.admin.marked import MarkedRowsAdmin, deleted
from goods.models import Room, RoomGoods


def shown_pinned(entry: Any) -> str:
    return "✓" if entry.pinned else ""


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
