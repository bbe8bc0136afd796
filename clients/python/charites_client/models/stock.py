from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Stock")


@_attrs_define
class Stock:
    """
    Attributes:
        goods_id (str):
        available (int): pieces that can be bought
        reserved (int): pieces in orders that are not paid yet
        sold (int): pieces in orders that are paid
        version (int): changes with each change of the row
    """

    goods_id: str
    available: int
    reserved: int
    sold: int
    version: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        goods_id = self.goods_id

        available = self.available

        reserved = self.reserved

        sold = self.sold

        version = self.version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "goods_id": goods_id,
                "available": available,
                "reserved": reserved,
                "sold": sold,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        goods_id = d.pop("goods_id")

        available = d.pop("available")

        reserved = d.pop("reserved")

        sold = d.pop("sold")

        version = d.pop("version")

        stock = cls(
            goods_id=goods_id,
            available=available,
            reserved=reserved,
            sold=sold,
            version=version,
        )

        stock.additional_properties = d
        return stock

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
