from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.blank_enum import BlankEnum
from ..models.closed_by import ClosedBy
from ..models.order_status import OrderStatus

if TYPE_CHECKING:
    from ..models.line import Line


T = TypeVar("T", bound="Order")


@_attrs_define
class Order:
    """
    Attributes:
        order_id (str):
        user_id (str):
        room_id (None | str): the room that it was bought in, if any
        status (OrderStatus): * `100` - unpaid
            * `200` - paid
            * `300` - closed
            * `400` - completed
        status_label (str): in the caller's language
        closed_by (BlankEnum | ClosedBy): empty while it is not closed

            * `` - -
            * `timeout` - timeout
            * `user` - user
            * `staff` - staff
            * `stock` - stock
        pay_amount (int): of the whole order, in cents
        refunded (int): of what it was paid with, sent back or on its way, in cents
        pay_time (datetime.datetime | None):
        created_at (datetime.datetime):
        expires_at (datetime.datetime): when it is closed if it is not paid; a payment ends a while before
        address (str): masked for who may not see it
        name (str): masked for who may not see it
        phone (str): masked for who may not see it
        items (list[Line]):
    """

    order_id: str
    user_id: str
    room_id: None | str
    status: OrderStatus
    status_label: str
    closed_by: BlankEnum | ClosedBy
    pay_amount: int
    refunded: int
    pay_time: datetime.datetime | None
    created_at: datetime.datetime
    expires_at: datetime.datetime
    address: str
    name: str
    phone: str
    items: list[Line]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        order_id = self.order_id

        user_id = self.user_id

        room_id: None | str
        room_id = self.room_id

        status = self.status.value

        status_label = self.status_label

        closed_by: str
        if isinstance(self.closed_by, ClosedBy):
            closed_by = self.closed_by.value
        else:
            closed_by = self.closed_by.value

        pay_amount = self.pay_amount

        refunded = self.refunded

        pay_time: None | str
        if isinstance(self.pay_time, datetime.datetime):
            pay_time = self.pay_time.isoformat()
        else:
            pay_time = self.pay_time

        created_at = self.created_at.isoformat()

        expires_at = self.expires_at.isoformat()

        address = self.address

        name = self.name

        phone = self.phone

        items = []
        for items_item_data in self.items:
            items_item = items_item_data.to_dict()
            items.append(items_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "order_id": order_id,
                "user_id": user_id,
                "room_id": room_id,
                "status": status,
                "status_label": status_label,
                "closed_by": closed_by,
                "pay_amount": pay_amount,
                "refunded": refunded,
                "pay_time": pay_time,
                "created_at": created_at,
                "expires_at": expires_at,
                "address": address,
                "name": name,
                "phone": phone,
                "items": items,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.line import Line

        d = dict(src_dict)
        order_id = d.pop("order_id")

        user_id = d.pop("user_id")

        def _parse_room_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        room_id = _parse_room_id(d.pop("room_id"))

        status = OrderStatus(d.pop("status"))

        status_label = d.pop("status_label")

        def _parse_closed_by(data: object) -> BlankEnum | ClosedBy:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                closed_by_type_0 = ClosedBy(data)

                return closed_by_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, str):
                raise TypeError()
            closed_by_type_1 = BlankEnum(data)

            return closed_by_type_1

        closed_by = _parse_closed_by(d.pop("closed_by"))

        pay_amount = d.pop("pay_amount")

        refunded = d.pop("refunded")

        def _parse_pay_time(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                pay_time_type_0 = datetime.datetime.fromisoformat(data)

                return pay_time_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        pay_time = _parse_pay_time(d.pop("pay_time"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        expires_at = datetime.datetime.fromisoformat(d.pop("expires_at"))

        address = d.pop("address")

        name = d.pop("name")

        phone = d.pop("phone")

        items = []
        _items = d.pop("items")
        for items_item_data in _items:
            items_item = Line.from_dict(items_item_data)

            items.append(items_item)

        order = cls(
            order_id=order_id,
            user_id=user_id,
            room_id=room_id,
            status=status,
            status_label=status_label,
            closed_by=closed_by,
            pay_amount=pay_amount,
            refunded=refunded,
            pay_time=pay_time,
            created_at=created_at,
            expires_at=expires_at,
            address=address,
            name=name,
            phone=phone,
            items=items,
        )

        order.additional_properties = d
        return order

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
