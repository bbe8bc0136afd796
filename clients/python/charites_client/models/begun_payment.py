from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.payment_status import PaymentStatus

T = TypeVar("T", bound="BegunPayment")


@_attrs_define
class BegunPayment:
    """
    Attributes:
        payment_id (str):
        pay_url (str): where the buyer pays
        status (PaymentStatus): * `begun` - begun
            * `captured` - captured
            * `closed` - closed
    """

    payment_id: str
    pay_url: str
    status: PaymentStatus
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        payment_id = self.payment_id

        pay_url = self.pay_url

        status = self.status.value

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "payment_id": payment_id,
                "pay_url": pay_url,
                "status": status,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        payment_id = d.pop("payment_id")

        pay_url = d.pop("pay_url")

        status = PaymentStatus(d.pop("status"))

        begun_payment = cls(
            payment_id=payment_id,
            pay_url=pay_url,
            status=status,
        )

        begun_payment.additional_properties = d
        return begun_payment

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
