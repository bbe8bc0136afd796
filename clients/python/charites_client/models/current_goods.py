from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

T = TypeVar("T", bound="CurrentGoods")


@_attrs_define
class CurrentGoods:
    """
    Attributes:
        goods_id (None | str): null unpins
    """

    goods_id: None | str

    def to_dict(self) -> dict[str, Any]:
        goods_id: None | str
        goods_id = self.goods_id

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "goods_id": goods_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)

        def _parse_goods_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        goods_id = _parse_goods_id(d.pop("goods_id"))

        current_goods = cls(
            goods_id=goods_id,
        )

        return current_goods
