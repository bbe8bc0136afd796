"""The list of a room on the page of the room: what lies there in which order, how much there is, and what is pinned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.boundfield import BoundField

from charites.common.admin_products import Product, available_of, product_of
from charites.common.models import MAX_INT64
from goods import selectors
from goods.models import RoomGoods
from goods.services import Entry

FORM = "shelf"  # the element that the numbers of the table belong to: they stand in another form


@dataclass(frozen=True, slots=True)
class ShelfRow:
    entry: RoomGoods
    product: str
    weight: BoundField
    available: int | None


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the template shows. `has_stock`: this service knows how much there is."""

    rows: Sequence[ShelfRow]
    has_stock: bool
    may_pin: bool
    may_order: bool


class ShownBefore(forms.HiddenInput):
    """The number that a page showed."""

    def __init__(self) -> None:
        super().__init__({"form": FORM})


class PlaceField(forms.IntegerField):
    """The place of a product in a list. What the page showed comes back with it: what others have moved since then, and
    this form has not, stays where it is."""

    hidden_widget = ShownBefore

    def __init__(self, entry: Any) -> None:
        super().__init__(
            initial=entry.weight,
            min_value=-MAX_INT64,
            max_value=MAX_INT64,
            label=str(entry.goods_id),
            show_hidden_initial=True,
        )
        self.widget.attrs |= {"form": FORM, "aria-label": entry.goods_title}


class OrderForm(forms.Form):
    """The place of each product in a room's list."""

    def __init__(self, entries: Sequence[Any], data: Any = None) -> None:
        super().__init__(data)
        named = {name_of(entry): entry for entry in entries}
        # What came into the list after the page was made is not on it.
        self.entries = {name: entry for name, entry in named.items() if not data or name in data}
        for name, entry in self.entries.items():
            self.fields[name] = PlaceField(entry)

    def moved(self) -> list[Entry]:
        """What has got another place."""
        return [Entry(self.entries[name].goods_id, self.cleaned_data[name]) for name in self.changed_data]


class PinForm(forms.Form):
    """What is to be pinned."""

    pin = forms.IntegerField(min_value=1, max_value=MAX_INT64)


class UnpinForm(forms.Form):
    """What the page showed as pinned, and is not to be so any more."""

    unpin = forms.IntegerField(min_value=1, max_value=MAX_INT64)


def name_of(entry: RoomGoods) -> str:
    return f"weight-{entry.goods_id}"


def linked(entry: Any) -> str:
    entry.known_product = Product(entry.goods_key, entry.goods_title) if entry.goods_key else None
    return product_of(entry)


def read_shelf(room_id: int, *, may_pin: bool, may_order: bool) -> Shelf:
    entries = selectors.list_entries(room_id=room_id)
    form = OrderForm(entries)
    available = available_of([entry.goods_id for entry in entries])
    rows = [
        ShelfRow(entry, linked(entry), form[name_of(entry)], (available or {}).get(entry.goods_id)) for entry in entries
    ]
    return Shelf(rows, has_stock=available is not None, may_pin=may_pin, may_order=may_order)
