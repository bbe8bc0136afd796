from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="SetStock")


@_attrs_define
class SetStock:
    """
    Attributes:
        available (int): how many there are to be
        version (int | Unset): refuse unless the stock still has this version
        reason (str | Unset): stands in the history of the stock
        idempotency_key (str | Unset): or the header Idempotency-Key Example: order-2026-06-01-0001.
    """

    available: int
    version: int | Unset = UNSET
    reason: str | Unset = UNSET
    idempotency_key: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        available = self.available

        version = self.version

        reason = self.reason

        idempotency_key = self.idempotency_key

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "available": available,
            }
        )
        if version is not UNSET:
            field_dict["version"] = version
        if reason is not UNSET:
            field_dict["reason"] = reason
        if idempotency_key is not UNSET:
            field_dict["idempotency_key"] = idempotency_key

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        available = d.pop("available")

        version = d.pop("version", UNSET)

        reason = d.pop("reason", UNSET)

        idempotency_key = d.pop("idempotency_key", UNSET)

        set_stock = cls(
            available=available,
            version=version,
            reason=reason,
            idempotency_key=idempotency_key,
        )

        return set_stock
