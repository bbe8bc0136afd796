"""The list of a room on the page of the room: what lies there in which order, how much there is, and what is pinned."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext_lazy as _

from charites.common.admin_products import Product, available_of, product_of
from charites.common.models import MAX_INT64
from goods.admin.into_room import NumbersField
from goods.errors import GoodsNotInRoom
from goods.models import RoomGoods

MOST_PLACES = 100  # that are typed on one page: a request has an end
ADDED = "added"
PLACE = re.compile(r"weight-([1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class ShelfRow:
    entry: RoomGoods
    product: str
    weight: BoundField | None
    available: int | None


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the template shows. `has_stock`: this service knows how much there is. `is_cut`: not every place
    is typed."""

    rows: Sequence[ShelfRow]
    has_stock: bool
    may_pin: bool
    may_take_out: bool
    added: BoundField | None
    is_cut: bool


class PlaceField(forms.IntegerField):
    """The place of a product in a list. What the page showed comes back with it: what others have moved since then, and
    this form has not, stays where it is."""

    def __init__(self, entry: Any) -> None:
        super().__init__(
            initial=entry.weight,
            min_value=-MAX_INT64,
            max_value=MAX_INT64,
            label=f"{entry.goods_title} ({entry.goods_id})",
            show_hidden_initial=True,
        )
        self.widget.attrs |= {"aria-label": entry.goods_title}


class ShelfForm(forms.ModelForm):
    """The form of a room with the place of each product in its list. `entries`: the list. `may_move`, `may_add`: they
    may get another place, and others may be put behind them."""

    entries: Sequence[Any] = ()
    may_move = may_add = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        shown = [*self.entries] if self.is_bound else self.entries[:MOST_PLACES]
        named = {name_of(entry): entry for entry in shown if self.may_move}
        # What came into the list after the page was made is not on it.
        self.places = {name: entry for name, entry in named.items() if not self.is_bound or name in self.data}
        for name, entry in self.places.items():
            self.fields[name] = PlaceField(entry)
        if self.may_add:
            self.fields[ADDED] = NumbersField(required=False, label=_("Products to add, by their numbers"))

    def clean(self) -> dict[str, Any]:
        """A place that was typed for what has left the list meanwhile is not passed over."""
        typed: dict[str, Any] = super().clean() or self.cleaned_data
        listed = {entry.goods_id for entry in self.entries}
        for goods_id in typed_places(self.data) if self.may_move else ():
            if goods_id not in listed:
                self.add_error(None, GoodsNotInRoom(goods_id=goods_id, room_id=self.instance.room_id).message)
        return typed

    def moved(self) -> dict[int, int]:
        """What has got another place: goods_id -> weight."""
        return {
            self.places[name].goods_id: self.cleaned_data[name] for name in self.changed_data if name in self.places
        }


class PinForm(forms.Form):
    """What is to be pinned."""

    pin = forms.IntegerField(min_value=1, max_value=MAX_INT64)


class TakeOutForm(forms.Form):
    """What is to leave the list."""

    goods_id = forms.IntegerField(min_value=1, max_value=MAX_INT64, widget=forms.HiddenInput)


class UnpinForm(forms.Form):
    """What the page showed as pinned, and is not to be so any more."""

    unpin = forms.IntegerField(min_value=1, max_value=MAX_INT64)


def typed_places(data: Mapping[str, str]) -> Iterator[int]:
    """Yields the products beside which another place was typed than the page showed."""
    for name, text in data.items():
        if (found := PLACE.fullmatch(name)) and text.strip() != data.get(f"initial-{name}", "").strip():
            yield int(found[1])


def name_of(entry: RoomGoods) -> str:
    return f"weight-{entry.goods_id}"


def linked(entry: Any) -> str:
    entry.known_product = Product(entry.goods_key, entry.goods_title) if entry.goods_key else None
    return product_of(entry)


def read_shelf(form: ShelfForm, *, may_pin: bool, may_take_out: bool) -> Shelf:
    entries = form.entries
    available = available_of([entry.goods_id for entry in entries])
    rows = [
        ShelfRow(entry, linked(entry), place_in(form, entry), (available or {}).get(entry.goods_id))
        for entry in entries
    ]
    is_cut = len(entries) > MOST_PLACES and any(row.weight for row in rows)
    added = form[ADDED] if ADDED in form.fields else None
    return Shelf(rows, available is not None, may_pin, may_take_out, added, is_cut)


def place_in(form: ShelfForm, entry: RoomGoods) -> BoundField | None:
    name = name_of(entry)
    return form[name] if name in form.fields else None
