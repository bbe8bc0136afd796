"""Rooms, and what lies on the shelf of each."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _

from charites.common.admin import Report, Run, actor_of, carry_out, confirmed, question_page
from charites.common.admin_products import ProductAdmin, products_of
from charites.common.forms import CapitalLabels, ChangesOfPage, check_links
from charites.common.picture_field import PictureField, UploadForm
from charites.common.pictures import may_upload, unless_refused
from goods import selectors, services
from goods.admin.into_room import told
from goods.admin.marked import MarkedRowsAdmin, deleted
from goods.admin.shelf import ADDED, PinForm, ShelfForm, TakeOutForm, UnpinForm, read_shelf
from goods.errors import GoodsNotInRoom
from goods.models import Room


def shown_pinned(entry: Any) -> str:
    return "✓" if entry.pinned else ""


def pin(_admin: Any, request: HttpRequest, rows: list[Room], form: forms.Form) -> Report:
    services.pin_goods(room_id=rows[0].room_id, goods_id=form.cleaned_data["pin"])
    return Report(done=rows)


def unpin(_admin: Any, request: HttpRequest, rows: list[Room], form: forms.Form) -> Report:
    return unpinned(rows[0], form.cleaned_data["unpin"])


def unpinned(room: Room, goods_id: int) -> Report:
    """Unpins a product in a room, and says where another one, or none, is pinned there by now."""
    if services.unpin_goods(room_id=room.room_id, goods_id=goods_id):
        return Report(done=[room])
    return Report(notes=[_("Product %(goods_id)s was not pinned.") % {"goods_id": goods_id}])


def take_out(_admin: Any, request: HttpRequest, rows: list[Room], form: forms.Form) -> Report:
    room_id, goods_id = rows[0].room_id, form.cleaned_data["goods_id"]
    there = services.remove_room_goods(room_id=room_id, goods_ids=[goods_id], actor=actor_of(request))
    return Report(done=rows) if there else Report(notes=[not_listed(room_id, goods_id)])


def not_listed(room_id: int, goods_id: int) -> str:
    return GoodsNotInRoom(goods_id=goods_id, room_id=room_id).message


class RoomForm(ShelfForm, ChangesOfPage, CapitalLabels, UploadForm):
    upload = PictureField(label=_("another cover"))

    def clean_cover(self) -> str:
        cover: str = self.cleaned_data["cover"]
        check_links(self, "cover", [cover] if cover else [])
        return cover


@admin.register(Room)
class RoomAdmin(ProductAdmin, MarkedRowsAdmin):
    form = RoomForm
    change_form_template = "goods/room_form.html"
    product_id_field = "current_goods_id"
    list_display = ("room_id", "title", "host_name", "status", "pinned_product", "started_at", deleted)
    list_display_links = ("room_id", "title")
    list_filter = ("status", "is_deleted", "started_at")
    ordering = ("room_id",)
    id_fields = ("room_id", "current_goods_id")
    prefix_fields = ("title", "host_name")
    fields = (
        *("room_id", "title", "host_name", "cover", "upload", "status", "started_at"),
        *("pinned_product", "is_deleted"),
    )
    # What is pinned must be in the room's list, so an action changes it, under the lock of the room.
    readonly_fields = ("pinned_product", "is_deleted")
    actions = ("unpin",)

    class Media:
        js = ("goods/room.js",)

    @admin.display(description=_("pinned goods"), ordering="current_goods_id")
    def pinned_product(self, room: Room) -> str:
        return self.product(room)

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """As that of products."""
        return to_field == "room_id" or bool(super().to_field_allowed(request, to_field))

    def get_fields(self, request: HttpRequest, obj: Room | None = None) -> Any:
        may_change = obj is None or self.has_change_permission(request, obj)
        return [name for name in self.fields if name != "upload" or (may_change and may_upload())]

    def get_readonly_fields(self, request: HttpRequest, obj: Room | None = None) -> tuple[str, ...]:
        return ("room_id", *self.readonly_fields) if obj else self.readonly_fields

    def get_urls(self) -> list[Any]:
        shelf = path("<path:object_id>/shelf/", self.admin_site.admin_view(self.change_shelf), name="goods_room_shelf")
        page = self.admin_site.admin_view(self.take_out_page)
        return [shelf, path("<path:object_id>/take-out/", page, name="goods_room_take_out"), *super().get_urls()]

    def may_order(self, request: HttpRequest) -> bool:
        return request.user.has_perm("goods.change_roomgoods")

    def get_form(self, request: HttpRequest, obj: Room | None = None, change: bool = False, **options: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **options)
        if obj:
            form.entries = selectors.list_entries(room_id=obj.room_id)
            may_change = self.has_change_permission(request, obj)
            form.may_move = may_change and self.may_order(request)
            form.may_add = may_change and request.user.has_perm("goods.add_roomgoods")
        return form

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        room = options.get("obj")
        if room:
            may_pin = self.has_change_permission(request, room)
            may_take_out = may_pin and self.may_order(request)
            form = context["adminform"].form
            context["shelf"] = read_shelf(form, may_pin=may_pin, may_take_out=may_take_out)
        return super().render_change_form(request, context, *args, **options)

    def change_shelf(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Pins a product of the room's list, or unpins it, and shows the room's page again."""
        room = self.get_object(request, object_id) if request.method == "POST" else None
        if room is None:
            raise Http404
        if not self.has_change_permission(request, room):
            raise PermissionDenied
        form: forms.Form
        run: Run
        form, run = (PinForm(request.POST), pin) if "pin" in request.POST else (UnpinForm(request.POST), unpin)
        if form.is_valid():
            carry_out(self, request, [room], form, run)
        else:
            faults = [f"{form[name].label}: {fault}" for name, errors in form.errors.items() for fault in errors]
            self.message_user(request, " ".join(faults), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:goods_room_change", args=[room.pk]))

    def take_out_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks whether a product is to leave the room's list, then takes it out and shows the room's page again."""
        room = self.get_object(request, object_id)
        form = TakeOutForm(request.POST or request.GET)
        if room is None or not form.is_valid():
            raise Http404
        if not (self.has_change_permission(request, room) and self.may_order(request)):
            raise PermissionDenied
        if request.method != "POST":
            return self.ask_to_take_out(request, room, form)
        carry_out(self, request, [room], form, take_out)
        return HttpResponseRedirect(reverse("admin:goods_room_change", args=[room.pk]))

    def ask_to_take_out(self, request: HttpRequest, room: Room, form: TakeOutForm) -> HttpResponse:
        names = [f"{product.title} · {room}" for product in products_of([form.cleaned_data["goods_id"]]).values()]
        question = _("Take this product out of the list of the room, and unpin it?")
        page = reverse("admin:goods_room_change", args=[room.pk])
        above = {"title": str(room), "page": page}
        return question_page(self, request, form, question, names=names, label=_("Take out"), cancel=page, above=above)

    def save_model(self, request: HttpRequest, obj: Room, form: Any, change: bool) -> None:
        columns = [name for name in form.changed_data if name in self.fields and name != "upload"]
        values = {name: form.cleaned_data[name] for name in columns}
        if form.uploaded:
            obj.cover = values["cover"] = form.uploaded
        with unless_refused(form.uploaded):
            if change:
                wanted, moved, actor = form.cleaned_data.get(ADDED, []), form.moved(), actor_of(request)
                added = services.change_room(room_id=obj.room_id, values=values, moved=moved, added=wanted, actor=actor)
                if wanted:
                    there = [goods_id for goods_id in wanted if goods_id not in added]
                    self.message_user(request, told(obj, added, there), messages.INFO)
            else:
                services.add_room(room=obj)

    def mark(self, request: HttpRequest, rows: list[Any]) -> None:
        services.delete_rooms(room_ids=[room.room_id for room in rows])

    @admin.action(description=_("Unpin the product of the room"), permissions=["operate"])
    @confirmed(_("Unpin the product of this room?"), one=True)
    def unpin(self, request: HttpRequest, rows: list[Room], form: forms.Form) -> Report:
        if pinned := rows[0].current_goods_id:
            return unpinned(rows[0], pinned)
        return Report(notes=[_("Nothing is pinned in this room.")])
