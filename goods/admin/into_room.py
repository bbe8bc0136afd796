"""Putting products into a room, from their list and from its page."""

import re
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from charites.common.admin import MAX_ROWS, Report, actor_of
from charites.common.forms import CapitalLabels
from charites.common.models import MAX_INT64
from charites.common.text import whole
from goods import selectors, services
from goods.errors import GoodsNotFound
from goods.models import Goods, Room

ROOMS_TO_CHOOSE_FROM = 200


class NumbersField(forms.CharField):
    """Numbers of products, however they are set apart; they have to exist."""

    def to_python(self, value: Any) -> list[int]:  # type: ignore[override]  # a list of what is typed
        words = re.split(r"[\s,;，；、]+", super().to_python(value) or "")
        numbers = list(dict.fromkeys(word for word in words if word))
        if wrong := [number for number in numbers if whole(number) is None]:
            raise forms.ValidationError(_("“%(text)s” is no number of a product.") % {"text": wrong[0]})
        if len(numbers) > MAX_ROWS:
            raise forms.ValidationError(_("At most %(most)s products at once.") % {"most": MAX_ROWS})
        goods_ids = [int(number) for number in numbers]
        known = {goods.goods_id for goods in selectors.list_goods(goods_ids=goods_ids)}
        if missing := [goods_id for goods_id in goods_ids if goods_id not in known]:
            raise forms.ValidationError(GoodsNotFound(goods_id=missing[0]).message)
        return goods_ids

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Django compares nothing typed with an empty text, and here that is an empty list."""
        return super().has_changed(initial or [], data)


class IntoRoomForm(CapitalLabels, forms.Form):
    """Which room. Where there are more than one can choose from, another one is named by its number."""

    room_id = forms.TypedChoiceField(label=_("room"), coerce=int, empty_value=None, required=False)
    number = forms.IntegerField(
        label=_("or another room, by its number"), required=False, min_value=1, max_value=MAX_INT64
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        rooms = selectors.list_newest_rooms(limit=ROOMS_TO_CHOOSE_FROM + 1)
        choices = [(room.room_id, f"{room.title} ({room.room_id})") for room in rooms[:ROOMS_TO_CHOOSE_FROM]]
        self.fields["room_id"].choices = [("", "---------"), *choices]  # type: ignore[attr-defined]
        if len(rooms) <= ROOMS_TO_CHOOSE_FROM:
            del self.fields["number"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        wanted = [number for number in (cleaned.get("room_id"), cleaned.pop("number", None)) if number]
        if not self.errors and len(wanted) != 1:
            raise forms.ValidationError(_("Choose one room."))
        return cleaned | {"room_id": wanted[0]} if wanted else cleaned


def put_into(_admin: Any, request: HttpRequest, rows: list[Goods], form: IntoRoomForm) -> Report:
    """Puts products behind the list of the room of a form, in their order here."""
    room = selectors.get_room(room_id=form.cleaned_data["room_id"])
    goods_ids = [goods.goods_id for goods in rows]
    added = services.append_room_goods(room_id=room.room_id, goods_ids=goods_ids, actor=actor_of(request))
    note = told(room, added, [goods_id for goods_id in goods_ids if goods_id not in added])
    return Report(done=[goods for goods in rows if goods.goods_id in added], notes=[note])


def told(room: Room, added: list[int], there: list[int]) -> str:
    """What has come into a room, and what was there already."""
    page = reverse("admin:goods_room_change", args=[room.pk])
    words = {"added": ", ".join(map(str, added)) or "-", "there": ", ".join(map(str, there)) or "-"}
    text = _("Products added: %(added)s. There already: %(there)s.") % words
    return format_html('<a href="{}">{}</a> · {}', page, room, text)
