from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.room_status import RoomStatus

if TYPE_CHECKING:
    from ..models.state_goods import StateGoods


T = TypeVar("T", bound="State")


@_attrs_define
class State:
    """
    Attributes:
        room_id (str):
        title (str):
        status (RoomStatus): * `live` - live
            * `off` - off
        pinned (None | str): the goods_id that the host presents now
        goods (list[StateGoods]):
    """

    room_id: str
    title: str
    status: RoomStatus
    pinned: None | str
    goods: list[StateGoods]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        room_id = self.room_id

        title = self.title

        status = self.status.value

        pinned: None | str
        pinned = self.pinned

        goods = []
        for goods_item_data in self.goods:
            goods_item = goods_item_data.to_dict()
            goods.append(goods_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "room_id": room_id,
                "title": title,
                "status": status,
                "pinned": pinned,
                "goods": goods,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.state_goods import StateGoods

        d = dict(src_dict)
        room_id = d.pop("room_id")

        title = d.pop("title")

        status = RoomStatus(d.pop("status"))

        def _parse_pinned(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        pinned = _parse_pinned(d.pop("pinned"))

        goods = []
        _goods = d.pop("goods")
        for goods_item_data in _goods:
            goods_item = StateGoods.from_dict(goods_item_data)

            goods.append(goods_item)

        state = cls(
            room_id=room_id,
            title=title,
            status=status,
            pinned=pinned,
            goods=goods,
        )

        state.additional_properties = d
        return state

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
