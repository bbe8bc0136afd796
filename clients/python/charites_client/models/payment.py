from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.payment_status import PaymentStatus

T = TypeVar("T", bound="Payment")


@_attrs_define
class Payment:
    """
    Attributes:
        payment_id (str):
        order_id (str):
        channel (str): the provider
        amount (int): in cents
        currency (str): by ISO 4217
        status (PaymentStatus): * `begun` - begun
            * `captured` - captured
            * `closed` - closed
        trade_id (None | str): the provider's number, once money has come in
        created_at (datetime.datetime):
    """

    payment_id: str
    order_id: str
    channel: str
    amount: int
    currency: str
    status: PaymentStatus
    trade_id: None | str
    created_at: datetime.datetime
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        payment_id = self.payment_id

        order_id = self.order_id

        channel = self.channel

        amount = self.amount

        currency = self.currency

        status = self.status.value

        trade_id: None | str
        trade_id = self.trade_id

        created_at = self.created_at.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "payment_id": payment_id,
                "order_id": order_id,
                "channel": channel,
                "amount": amount,
                "currency": currency,
                "status": status,
                "trade_id": trade_id,
                "created_at": created_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        payment_id = d.pop("payment_id")

        order_id = d.pop("order_id")

        channel = d.pop("channel")

        amount = d.pop("amount")

        currency = d.pop("currency")

        status = PaymentStatus(d.pop("status"))

        def _parse_trade_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        trade_id = _parse_trade_id(d.pop("trade_id"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        payment = cls(
            payment_id=payment_id,
            order_id=order_id,
            channel=channel,
            amount=amount,
            currency=currency,
            status=status,
            trade_id=trade_id,
            created_at=created_at,
        )

        payment.additional_properties = d
        return payment

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
