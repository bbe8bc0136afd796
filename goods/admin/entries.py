"""What stands in the lists of rooms."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.options import TO_FIELD_VAR
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from charites.common.admin import OperatorAdmin, Report, actor_of, confirmed
from charites.common.admin_products import ProductAdmin
from charites.common.errors import ServiceError
from goods import selectors, services
from goods.admin.marked import COMMON_FIELDS, deleted
from goods.admin.rooms import not_listed, shown_pinned
from goods.models import Goods, Room, RoomGoods
from goods.services import Entry


class LookUp(forms.NumberInput):
    """A number beside which a list with titles opens, in a window that brings the chosen one back: what Django does for
    foreign keys, of which there are none here."""

    template_name = "goods/look_up.html"

    def __init__(self, model: type[Model], to_field: str) -> None:
        super().__init__()
        self.model, self.to_field = model, to_field

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        page = reverse(f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}_changelist")
        query = urlencode([(TO_FIELD_VAR, self.to_field)])
        return super().get_context(name, value, attrs) | {"list_url": f"{page}?{query}"}


LOOK_UPS = {"room_id": (Room, "room_id"), "goods_id": (Goods, "goods_id")}


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

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Django's admin has widgets of its own for integers, and passes over those of the form."""
        if widget := LOOK_UPS.get(db_field.name):
            options["widget"] = LookUp(*widget)
        return super().formfield_for_dbfield(db_field, request, **options)

    def response_add(self, request: HttpRequest, obj: RoomGoods, post_url_continue: str | None = None) -> HttpResponse:
        """Whoever adds another one adds it to the same room."""
        answer = super().response_add(request, obj, post_url_continue)
        if "_addanother" in request.POST:
            return HttpResponseRedirect(f"{request.path}?{urlencode({'room_id': obj.room_id})}")
        return answer

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
        room_id, goods_ids = rows[0].room_id, [entry.goods_id for entry in rows]
        there = services.remove_room_goods(room_id=room_id, goods_ids=goods_ids, actor=actor_of(request))
        notes = [not_listed(room_id, goods_id) for goods_id in goods_ids if goods_id not in there]
        return Report(done=[entry for entry in rows if entry.goods_id in there], notes=notes)
