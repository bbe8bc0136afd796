from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.item import Item


T = TypeVar("T", bound="PlaceOrder")


@_attrs_define
class PlaceOrder:
    """What a buyer may say. The price is not among it.

    Attributes:
        items (list[Item]):
        address (str):
        name (str):
        phone (str):
        room_id (None | str | Unset):
        expected_amount (int | None | Unset): the amount that the buyer saw, in cents; another one is refused
    """

    items: list[Item]
    address: str
    name: str
    phone: str
    room_id: None | str | Unset = UNSET
    expected_amount: int | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        items = []
        for items_item_data in self.items:
            items_item = items_item_data.to_dict()
            items.append(items_item)

        address = self.address

        name = self.name

        phone = self.phone

        room_id: None | str | Unset
        if isinstance(self.room_id, Unset):
            room_id = UNSET
        else:
            room_id = self.room_id

        expected_amount: int | None | Unset
        if isinstance(self.expected_amount, Unset):
            expected_amount = UNSET
        else:
            expected_amount = self.expected_amount

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "items": items,
                "address": address,
                "name": name,
                "phone": phone,
            }
        )
        if room_id is not UNSET:
            field_dict["room_id"] = room_id
        if expected_amount is not UNSET:
            field_dict["expected_amount"] = expected_amount

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.item import Item

        d = dict(src_dict)
        items = []
        _items = d.pop("items")
        for items_item_data in _items:
            items_item = Item.from_dict(items_item_data)

            items.append(items_item)

        address = d.pop("address")

        name = d.pop("name")

        phone = d.pop("phone")

        def _parse_room_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        room_id = _parse_room_id(d.pop("room_id", UNSET))

        def _parse_expected_amount(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        expected_amount = _parse_expected_amount(d.pop("expected_amount", UNSET))

        place_order = cls(
            items=items,
            address=address,
            name=name,
            phone=phone,
            room_id=room_id,
            expected_amount=expected_amount,
        )

        return place_order
