from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Line")


@_attrs_define
class Line:
    """
    Attributes:
        goods_id (str):
        title (str): as it was when the order was placed, like the prices
        quantity (int):
        price (int): of one piece, in cents
        market_price (int): what it is compared with, in cents
        pay_amount (int): of the line, in cents
        head_imgs (list[str]): addresses of pictures
    """

    goods_id: str
    title: str
    quantity: int
    price: int
    market_price: int
    pay_amount: int
    head_imgs: list[str]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        goods_id = self.goods_id

        title = self.title

        quantity = self.quantity

        price = self.price

        market_price = self.market_price

        pay_amount = self.pay_amount

        head_imgs = self.head_imgs

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "goods_id": goods_id,
                "title": title,
                "quantity": quantity,
                "price": price,
                "market_price": market_price,
                "pay_amount": pay_amount,
                "head_imgs": head_imgs,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        goods_id = d.pop("goods_id")

        title = d.pop("title")

        quantity = d.pop("quantity")

        price = d.pop("price")

        market_price = d.pop("market_price")

        pay_amount = d.pop("pay_amount")

        head_imgs = cast(list[str], d.pop("head_imgs"))

        line = cls(
            goods_id=goods_id,
            title=title,
            quantity=quantity,
            price=price,
            market_price=market_price,
            pay_amount=pay_amount,
            head_imgs=head_imgs,
        )

        line.additional_properties = d
        return line

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
