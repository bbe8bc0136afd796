from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.sale import Sale

T = TypeVar("T", bound="StateGoods")


@_attrs_define
class StateGoods:
    """A product of a room.

    Attributes:
        goods_id (str):
        title (str):
        price (int): in cents
        market_price (int): what it is compared with, in cents
        limit_per_buyer (int): pieces that one buyer may have; 0: no limit
        sale (Sale): * `open` - OPEN
            * `sold-out` - SOLD_OUT
            * `not-started` - NOT_STARTED
            * `over` - OVER
        sale_starts_at (datetime.datetime | None):
        sale_ends_at (datetime.datetime | None):
        available (int): pieces that can be bought
        reserved (int): pieces in orders that are not paid yet
        sold (int): pieces in orders that are paid
    """

    goods_id: str
    title: str
    price: int
    market_price: int
    limit_per_buyer: int
    sale: Sale
    sale_starts_at: datetime.datetime | None
    sale_ends_at: datetime.datetime | None
    available: int
    reserved: int
    sold: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        goods_id = self.goods_id

        title = self.title

        price = self.price

        market_price = self.market_price

        limit_per_buyer = self.limit_per_buyer

        sale = self.sale.value

        sale_starts_at: None | str
        if isinstance(self.sale_starts_at, datetime.datetime):
            sale_starts_at = self.sale_starts_at.isoformat()
        else:
            sale_starts_at = self.sale_starts_at

        sale_ends_at: None | str
        if isinstance(self.sale_ends_at, datetime.datetime):
            sale_ends_at = self.sale_ends_at.isoformat()
        else:
            sale_ends_at = self.sale_ends_at

        available = self.available

        reserved = self.reserved

        sold = self.sold

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "goods_id": goods_id,
                "title": title,
                "price": price,
                "market_price": market_price,
                "limit_per_buyer": limit_per_buyer,
                "sale": sale,
                "sale_starts_at": sale_starts_at,
                "sale_ends_at": sale_ends_at,
                "available": available,
                "reserved": reserved,
                "sold": sold,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        goods_id = d.pop("goods_id")

        title = d.pop("title")

        price = d.pop("price")

        market_price = d.pop("market_price")

        limit_per_buyer = d.pop("limit_per_buyer")

        sale = Sale(d.pop("sale"))

        def _parse_sale_starts_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                sale_starts_at_type_0 = datetime.datetime.fromisoformat(data)

                return sale_starts_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        sale_starts_at = _parse_sale_starts_at(d.pop("sale_starts_at"))

        def _parse_sale_ends_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                sale_ends_at_type_0 = datetime.datetime.fromisoformat(data)

                return sale_ends_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        sale_ends_at = _parse_sale_ends_at(d.pop("sale_ends_at"))

        available = d.pop("available")

        reserved = d.pop("reserved")

        sold = d.pop("sold")

        state_goods = cls(
            goods_id=goods_id,
            title=title,
            price=price,
            market_price=market_price,
            limit_per_buyer=limit_per_buyer,
            sale=sale,
            sale_starts_at=sale_starts_at,
            sale_ends_at=sale_ends_at,
            available=available,
            reserved=reserved,
            sold=sold,
        )

        state_goods.additional_properties = d
        return state_goods

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
