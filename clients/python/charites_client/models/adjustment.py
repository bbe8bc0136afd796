from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Adjustment")


@_attrs_define
class Adjustment:
    """
    Attributes:
        delta (int): pieces to add; below zero: to take away
        reason (str): stands in the history of the stock
        idempotency_key (str | Unset): or the header Idempotency-Key: one of the two is required Example:
            order-2026-06-01-0001.
    """

    delta: int
    reason: str
    idempotency_key: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        delta = self.delta

        reason = self.reason

        idempotency_key = self.idempotency_key

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "delta": delta,
                "reason": reason,
            }
        )
        if idempotency_key is not UNSET:
            field_dict["idempotency_key"] = idempotency_key

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        delta = d.pop("delta")

        reason = d.pop("reason")

        idempotency_key = d.pop("idempotency_key", UNSET)

        adjustment = cls(
            delta=delta,
            reason=reason,
            idempotency_key=idempotency_key,
        )

        return adjustment
