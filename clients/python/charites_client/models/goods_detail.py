from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.goods_status import GoodsStatus

if TYPE_CHECKING:
    from ..models.goods_detail_ext_json import GoodsDetailExtJson


T = TypeVar("T", bound="GoodsDetail")


@_attrs_define
class GoodsDetail:
    """A product with all that is said of it.

    Attributes:
        goods_id (str):
        category_id (str):
        brand_name (str):
        status (GoodsStatus): * `0` - on sale
            * `1` - off sale
        status_label (str): in the caller's language
        title (str):
        price (int): in cents
        market_price (int): what it is compared with, in cents
        brief (str):
        head_imgs (list[str]): addresses of pictures
        limit_per_buyer (int): pieces that one buyer may have; 0: no limit
        sale_starts_at (datetime.datetime | None): null: it has always been on sale
        sale_ends_at (datetime.datetime | None): null: it stays on sale
        code (str): the bar code
        videos (list[str]):
        detail (list[str]):
        ext_json (GoodsDetailExtJson): what is said of this product and not of others
    """

    goods_id: str
    category_id: str
    brand_name: str
    status: GoodsStatus
    status_label: str
    title: str
    price: int
    market_price: int
    brief: str
    head_imgs: list[str]
    limit_per_buyer: int
    sale_starts_at: datetime.datetime | None
    sale_ends_at: datetime.datetime | None
    code: str
    videos: list[str]
    detail: list[str]
    ext_json: GoodsDetailExtJson
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        goods_id = self.goods_id

        category_id = self.category_id

        brand_name = self.brand_name

        status = self.status.value

        status_label = self.status_label

        title = self.title

        price = self.price

        market_price = self.market_price

        brief = self.brief

        head_imgs = self.head_imgs

        limit_per_buyer = self.limit_per_buyer

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

        code = self.code

        videos = self.videos

        detail = self.detail

        ext_json = self.ext_json.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "goods_id": goods_id,
                "category_id": category_id,
                "brand_name": brand_name,
                "status": status,
                "status_label": status_label,
                "title": title,
                "price": price,
                "market_price": market_price,
                "brief": brief,
                "head_imgs": head_imgs,
                "limit_per_buyer": limit_per_buyer,
                "sale_starts_at": sale_starts_at,
                "sale_ends_at": sale_ends_at,
                "code": code,
                "videos": videos,
                "detail": detail,
                "ext_json": ext_json,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.goods_detail_ext_json import GoodsDetailExtJson

        d = dict(src_dict)
        goods_id = d.pop("goods_id")

        category_id = d.pop("category_id")

        brand_name = d.pop("brand_name")

        status = GoodsStatus(d.pop("status"))

        status_label = d.pop("status_label")

        title = d.pop("title")

        price = d.pop("price")

        market_price = d.pop("market_price")

        brief = d.pop("brief")

        head_imgs = cast(list[str], d.pop("head_imgs"))

        limit_per_buyer = d.pop("limit_per_buyer")

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

        code = d.pop("code")

        videos = cast(list[str], d.pop("videos"))

        detail = cast(list[str], d.pop("detail"))

        ext_json = GoodsDetailExtJson.from_dict(d.pop("ext_json"))

        goods_detail = cls(
            goods_id=goods_id,
            category_id=category_id,
            brand_name=brand_name,
            status=status,
            status_label=status_label,
            title=title,
            price=price,
            market_price=market_price,
            brief=brief,
            head_imgs=head_imgs,
            limit_per_buyer=limit_per_buyer,
            sale_starts_at=sale_starts_at,
            sale_ends_at=sale_ends_at,
            code=code,
            videos=videos,
            detail=detail,
            ext_json=ext_json,
        )

        goods_detail.additional_properties = d
        return goods_detail

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
