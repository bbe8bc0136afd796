from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.goods import Goods


T = TypeVar("T", bound="RoomGoods")


@_attrs_define
class RoomGoods:
    """
    Attributes:
        room_id (str):
        current_goods_id (None | str):
        goods (list[Goods]):
    """

    room_id: str
    current_goods_id: None | str
    goods: list[Goods]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        room_id = self.room_id

        current_goods_id: None | str
        current_goods_id = self.current_goods_id

        goods = []
        for goods_item_data in self.goods:
            goods_item = goods_item_data.to_dict()
            goods.append(goods_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "room_id": room_id,
                "current_goods_id": current_goods_id,
                "goods": goods,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.goods import Goods

        d = dict(src_dict)
        room_id = d.pop("room_id")

        def _parse_current_goods_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        current_goods_id = _parse_current_goods_id(d.pop("current_goods_id"))

        goods = []
        _goods = d.pop("goods")
        for goods_item_data in _goods:
            goods_item = Goods.from_dict(goods_item_data)

            goods.append(goods_item)

        room_goods = cls(
            room_id=room_id,
            current_goods_id=current_goods_id,
            goods=goods,
        )

        room_goods.additional_properties = d
        return room_goods

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
